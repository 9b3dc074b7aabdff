"""What a TLS handshake agrees on besides versions and cipher suites: protocols (ALPN) and groups, as they are spelt."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Final

from agwtwisted.core.base.errors import UnacceptableError, shown

MAX_PROTOCOL_NAME: Final = 255
"""Octets of a protocol's name (RFC 7301 section 3.1)."""

_GROUPS: Final[Mapping[str, str]] = {
    # The IANA registry "TLS Supported Groups", and the common names by NIST for some curves.
    **{
        name: name
        for name in (
            "X25519MLKEM768",
            "SecP256r1MLKEM768",
            "SecP384r1MLKEM1024",
            "x25519",
            "x448",
            "secp256r1",
            "secp384r1",
            "secp521r1",
            "brainpoolP256r1",
            "brainpoolP384r1",
            "brainpoolP512r1",
            "brainpoolP256r1tls13",
            "brainpoolP384r1tls13",
            "brainpoolP512r1tls13",
            "ffdhe2048",
            "ffdhe3072",
            "ffdhe4096",
        )
    },
    "P-256": "secp256r1",
    "P-384": "secp384r1",
    "P-521": "secp521r1",
    "prime256v1": "secp256r1",
}
_BY_LOWER_CASE: Final = {name.lower(): official for name, official in _GROUPS.items()}

DEFAULT_GROUPS: Final = b"DEFAULT:?brainpoolP256r1:?brainpoolP384r1:?brainpoolP512r1"
"""OpenSSL's own choice and order, then the curves of RFC 7027 for clients that have no others.

Over TLS 1.2 a client's certificate must be on one of the server's groups (RFC 8422 section 5.1.1): smart meters and
health cards have brainpool curves there. No group of OpenSSL's own gives way to them in a key exchange.
"""


def alpn_protocol(text: str) -> bytes:
    """The name of a protocol (RFC 7301): ``h2``, ``mqtt``, ``postgresql``.

    Raises:
        UnacceptableError: it is too long, or not printable ASCII without blanks.
    """
    if not text or len(text) > MAX_PROTOCOL_NAME or not all("!" <= each <= "~" for each in text):
        raise UnacceptableError(
            f"has {shown(text)}, but must have names of protocols: 1 to {MAX_PROTOCOL_NAME} printable ASCII characters"
        )
    return text.encode()


def tls_group(text: str) -> str:
    """The registered name of a group for key exchange, in any case.

    Raises:
        UnacceptableError: there is no such group.
    """
    name = _BY_LOWER_CASE.get(text.lower())
    if name is None:
        near = difflib.get_close_matches(text.lower(), _BY_LOWER_CASE, n=1)
        hint = f"; did you mean {_BY_LOWER_CASE[near[0]]}?" if near else f": there are {', '.join(sorted(_GROUPS))}"
        raise UnacceptableError(f"has {shown(text)}, which is not a group{hint}")
    return name


def openssl_groups(names: tuple[str, ...]) -> bytes:
    """The groups in the form of SSL_CTX_set1_groups_list, the preferred one first; none: `DEFAULT_GROUPS`."""
    return ":".join(names).encode() if names else DEFAULT_GROUPS
