"""With which keys a TLS client can prove that it has them: the signatures that each version knows.

A client whose key no version knows sends no certificate at all, so that what its certificate says does not matter.
Caller: `explain`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.public_keys import KeyKind, key_from
from agwtwisted.core.tls.policies import TLS_1_2, TLS_1_3

_CURVES: Final[Mapping[bytes, str]] = {
    bytes.fromhex("2a8648ce3d030107"): "secp256r1",
    bytes.fromhex("2b81040022"): "secp384r1",
    bytes.fromhex("2b81040023"): "secp521r1",
    bytes.fromhex("2b2403030208010107"): "brainpoolP256r1",
    bytes.fromhex("2b240303020801010b"): "brainpoolP384r1",
    bytes.fromhex("2b240303020801010d"): "brainpoolP512r1",
}
"""Curves of which TLS 1.3 has signatures (RFC 8446 section 4.2.3, RFC 8734), by the contents of their identifiers."""

_BOTH: Final = frozenset({TLS_1_2, TLS_1_3})


@attrs.frozen(kw_only=True)
class ProvingKey:
    """A kind of key, and the versions of TLS in which a client can use it."""

    name: str
    versions: frozenset[str]


def proving_key(public_key: bytes, groups: Sequence[str]) -> ProvingKey | None:
    """What a client can do with a key; None where that is not known here.

    Args:
        public_key: the contents of its SubjectPublicKeyInfo.
        groups: of the listener, where its profile names them: over TLS 1.2 a certificate's curve must be one of them
            (RFC 8422 section 5.1.1).
    """
    try:
        kind = key_from(public_key).kind
        algorithm = der.elements(der.elements(public_key)[0].content)
    except DerError:
        return None
    match kind:
        case KeyKind.RSA:
            return ProvingKey(name="RSA", versions=_BOTH)
        case KeyKind.DSA:
            return ProvingKey(name="DSA", versions=frozenset({TLS_1_2}))  # none in TLS 1.3: RFC 8446 section 1.2
        case KeyKind.EC:
            return _on_curve(_CURVES.get(algorithm[1].content) if len(algorithm) > 1 else None, groups)
        case _:
            return None


def _on_curve(curve: str | None, groups: Sequence[str]) -> ProvingKey:
    if curve is None:
        return ProvingKey(name="EC, on a curve that TLS has no signatures with", versions=frozenset())
    versions = _BOTH if not groups or curve in groups else frozenset({TLS_1_3})
    return ProvingKey(name=f"EC, {curve}", versions=versions)
