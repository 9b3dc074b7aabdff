"""Who the client is, as a backend reads it in the headers that `certificate_headers` writes.

For backends in Python; the gateway itself does not use it. The headers prove something only if every request comes
through the gateway, which deletes what clients send under these names.
"""

from __future__ import annotations

import hashlib
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable
from enum import Enum
from typing import Final
from urllib.parse import unquote_to_bytes

import attrs

from agwtwisted.core.base.errors import AgwError
from agwtwisted.core.http.managed import canonical

_BEGINNING: Final = b"x-client-certificate"
_BEGIN: Final = b"-----BEGIN CERTIFICATE-----\n"
_END: Final = b"-----END CERTIFICATE-----\n"


class IdentityHeadersError(AgwError):
    """The gateway cannot have written these headers about a client's certificate: answer with an error."""


class Verification(Enum):
    """What the gateway did about the client's certificate: the values of ``X-Client-Certificate-Verification``."""

    SUCCESS = "SUCCESS"
    """It verified the certificate: the client is who the certificate says."""
    PASSTHROUGH = "PASSTHROUGH"
    """The client sent a certificate that the gateway did not verify: it proves nothing by itself."""
    NONE = "NONE"
    """The gateway asked for a certificate, and the client sent none."""
    NOT_ASKED = ""
    """The gateway asked for none, or its backend settings send no headers."""


@attrs.frozen(kw_only=True)
class ClientIdentity:
    """The client's certificate as the gateway passed it on; texts are empty if their header is not sent.

    The gateway sends the texts of a certificate that it did not verify only with
    ``client_certificate_headers = all``.
    """

    verification: Verification
    certificate: bytes | None = attrs.field(default=None, repr=False)  # DER
    subject: str = ""  # RFC 2253
    issuer: str = ""
    serial: str = ""  # upper-case hexadecimal
    fingerprint: str = ""  # SHA-1, lower-case hexadecimal
    start_date: str = ""  # May 30 15:32:00 2023 GMT
    end_date: str = ""
    omitted: tuple[str, ...] = ()  # headers that were too large to be sent, in lower case

    @property
    def verified(self) -> bool:
        """Whether the gateway verified the certificate: only then do the other fields identify the client."""
        return self.verification is Verification.SUCCESS


def client_identity(headers: Iterable[tuple[str | bytes, str | bytes]]) -> ClientIdentity:
    """Who sent a request, by the ready-made headers of the gateway (`client_certificate_headers`, ``on`` or ``all``).

    Args:
        headers: names and values of all header lines, in any spelling: ``scope["headers"]`` of ASGI as they are, of
            WSGI ``(name[5:], value)`` for each item of the environment whose name begins with ``HTTP_``.

    Raises:
        IdentityHeadersError: a header comes twice, cannot be read, or contradicts another.
    """
    found = _found(headers)
    word = found.pop(b"-verification", "")
    try:
        verification = Verification(word)
    except ValueError:
        raise IdentityHeadersError(f"X-Client-Certificate-Verification is {word[:80]!r}") from None
    if found and verification in (Verification.NONE, Verification.NOT_ASKED):
        raise IdentityHeadersError(f"there is a certificate, but its verification is {verification.value or 'absent'}")
    certificate = _certificate(found[b""]) if b"" in found else None
    omitted = tuple(name.strip().lower() for name in found.get(b"-omitted", "").split(",") if name.strip())
    if verification in (Verification.SUCCESS, Verification.PASSTHROUGH) and certificate is None and not omitted:
        raise IdentityHeadersError(f"the verification is {verification.value}, but there is no certificate")
    identity = ClientIdentity(
        verification=verification,
        certificate=certificate,
        subject=found.get(b"-subject", ""),
        issuer=found.get(b"-issuer", ""),
        serial=found.get(b"-serial", ""),
        fingerprint=found.get(b"-fingerprint", ""),
        start_date=found.get(b"-start-date", ""),
        end_date=found.get(b"-end-date", ""),
        omitted=omitted,
    )
    _check_fingerprint(identity)
    return identity


def _found(headers: Iterable[tuple[str | bytes, str | bytes]]) -> dict[bytes, str]:
    """The values of our headers by what follows the common beginning of their names."""
    found: dict[bytes, str] = {}
    for name, value in headers:
        end = canonical(_octets(name))
        if not end.startswith(_BEGINNING) or end.removeprefix(_BEGINNING) not in _ENDS:
            continue
        end = end.removeprefix(_BEGINNING)
        if end in found:
            raise IdentityHeadersError(f"{_octets(name).decode('latin-1')!r} comes twice")
        found[end] = _octets(value).decode("latin-1")
    return found


_ENDS: Final = frozenset(
    b"|-verification|-subject|-issuer|-serial|-fingerprint|-start-date|-end-date|-omitted".split(b"|")
)


def _octets(text: str | bytes) -> bytes:
    """As it was on the wire: WSGI (PEP 3333) and the standard library give octets as Latin-1."""
    if isinstance(text, bytes):
        return text
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise IdentityHeadersError(f"no header has the text {text[:80]!r}") from None


def _certificate(text: str) -> bytes:
    """The DER of a certificate that is PEM in URL encoding."""
    pem = unquote_to_bytes(text)
    try:
        if not (pem.startswith(_BEGIN) and pem.endswith(_END)):
            raise Base64Error
        return a2b_base64(pem[len(_BEGIN) : -len(_END)].replace(b"\n", b""), strict_mode=True)
    except Base64Error:
        raise IdentityHeadersError("X-Client-Certificate is no certificate in PEM and URL encoding") from None


def _check_fingerprint(identity: ClientIdentity) -> None:
    """Refuses headers of two certificates."""
    if identity.certificate is None or not identity.fingerprint:
        return
    if hashlib.sha1(identity.certificate, usedforsecurity=False).hexdigest() != identity.fingerprint:
        raise IdentityHeadersError("X-Client-Certificate-Fingerprint is that of another certificate")
