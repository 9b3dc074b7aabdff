"""What kind of public key a certificate holds, and how strong it is (RFC 3279 section 2.3, RFC 5480, RFC 8410)."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Final

from agwtwisted.core.base.values import value
from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.reading import Certificate

MIN_RSA_BITS: Final = 2048
MIN_EC_BITS: Final = 224
"""112 bits of security, OpenSSL's security level 2 (NIST SP 800-57 part 1, table 2)."""

MAX_EXPONENT_BITS: Final = 64
"""Of an RSA key: a verification costs by the length of the exponent, which usually has 17 bits."""

_MAX_STRANGERS_BITS: Final = {"RSA": 8192, "DSA": 3072, "EC": 528}
"""Of keys that no trusted CA has certified; with the largest that OpenSSL takes a verification lasts ten
milliseconds.
"""


class KeyKind(Enum):
    """Kinds of keys whose strength lies in a length; of all others the name says it."""

    RSA = "RSA"
    DSA = "DSA"
    EC = "EC"
    OTHER = "other"


_KINDS: Final = {
    bytes.fromhex("2a864886f70d010101"): KeyKind.RSA,
    bytes.fromhex("2a864886f70d01010a"): KeyKind.RSA,  # RSASSA-PSS alone
    bytes.fromhex("55080101"): KeyKind.RSA,  # 2.5.8.1.1, the older name of X.509 itself
    bytes.fromhex("2a8648ce380401"): KeyKind.DSA,
    bytes.fromhex("2a8648ce3d0201"): KeyKind.EC,
    bytes.fromhex("2b6570"): KeyKind.OTHER,  # Ed25519
    bytes.fromhex("2b6571"): KeyKind.OTHER,  # Ed448
    # ML-DSA and SLH-DSA (RFC 9881, RFC 9909): 2.16.840.1.101.3.4.3.17 to 31
    **{bytes.fromhex("6086480165030403") + bytes((number,)): KeyKind.OTHER for number in range(17, 32)},
}


@value
class PublicKey:
    """A public key; `bits` are those of the RSA modulus, of DSA's p or of a coordinate of an EC point."""

    kind: KeyKind
    bits: int = 0
    exponent_bits: int = 0

    @property
    def is_weak(self) -> bool:
        """Whether it has less than 112 bits of security."""
        match self.kind:
            case KeyKind.RSA | KeyKind.DSA:
                return self.bits < MIN_RSA_BITS
            case KeyKind.EC:
                return self.bits < MIN_EC_BITS
            case _:
                return False

    @property
    def has_long_exponent(self) -> bool:
        """Whether to verify with it costs by far more than with an honest key of its length."""
        return self.exponent_bits > MAX_EXPONENT_BITS

    @property
    def is_costly(self) -> bool:
        """The same, or it is longer than a stranger's key may be."""
        return self.has_long_exponent or self.bits > _MAX_STRANGERS_BITS.get(self.kind.value, self.bits)


def public_key(certificate: Certificate) -> PublicKey:
    """The key of a certificate.

    Raises:
        DerError: it cannot be read.
    """
    return key_from(certificate.public_key)


@lru_cache(16)  # several rules look at the same one
def key_from(content: bytes) -> PublicKey:
    """The key in the contents of a SubjectPublicKeyInfo.

    Raises:
        DerError: it cannot be read.
    """
    parts = der.elements(content)
    if len(parts) != 2:
        raise DerError("not a public key")
    algorithm = der.elements(parts[0].content)
    kind = _KINDS.get(algorithm[0].content if algorithm else b"")
    octets = der.string_octets(parts[1])[1:]
    match kind:
        case KeyKind.RSA:
            modulus, exponent = _numbers(der.first_of(octets, der.SEQUENCE), 2)
            return PublicKey(kind, modulus.bit_length(), exponent.bit_length())
        case KeyKind.DSA:
            prime, *_ = _numbers(algorithm[1].content if len(algorithm) > 1 else b"", 3)
            return PublicKey(kind, prime.bit_length())
        case KeyKind.EC:
            return PublicKey(kind, 8 * _coordinate_octets(octets))
        case KeyKind.OTHER:
            return PublicKey(kind)
        case _:
            raise DerError("an unknown kind of key")


def _numbers(content: bytes, count: int) -> list[int]:
    parts = der.elements(content)
    if len(parts) != count or any(part.tag != der.INTEGER for part in parts):
        raise DerError("not the numbers of a key")
    return [int.from_bytes(part.content, "big") for part in parts]


def _coordinate_octets(point: bytes) -> int:
    """Octets of a coordinate (SEC 1 section 2.3.3), whatever the curve: none in use has 217 to 223 bits."""
    compressed = point[:1] in (b"\x02", b"\x03")
    return len(point) - 1 if compressed else (len(point) - 1) // 2


def key_octets(certificate: Certificate) -> bytes:
    """The bits of the public key alone, without what it is (RFC 6960 section 4.2.1, KeyHash).

    Raises:
        DerError: they cannot be read.
    """
    return octets_of_key(certificate.public_key)


def octets_of_key(content: bytes) -> bytes:
    """The same in the contents of a SubjectPublicKeyInfo.

    Raises:
        DerError: they cannot be read.
    """
    parts = der.elements(content)
    if len(parts) != 2:
        raise DerError("not a public key")
    return der.string_octets(parts[1])[1:]
