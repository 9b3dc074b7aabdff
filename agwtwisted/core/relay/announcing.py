"""The PROXY protocol header that a backend gets before a client's first byte, with values about TLS if configured.

The specification's section 2.2 says what each value is. Where it leaves a choice, a backend that looks at one value
alone must not be led to trust an unverified client.
"""

from __future__ import annotations

import ipaddress
from typing import Final

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from agwtwisted.core.certificates.names import common_name
from agwtwisted.core.certificates.variables import subject_name
from agwtwisted.core.identity.clients import Admitted
from agwtwisted.core.listening import proxy_protocol
from agwtwisted.core.listening.proxy_protocol import Endpoint, Tlv, TooLongError
from agwtwisted.core.verification.verdicts import Trusted

VERIFIED: Final = 0
NOT_VERIFIED: Final = 1
"""The verify field: OpenSSL's X509_V_OK and X509_V_ERR_UNSPECIFIED. Without a verified certificate it is never zero."""

_SIGNATURES: Final = {
    "1.2.840.113549.1.1.5": "RSA-SHA1",
    "1.2.840.113549.1.1.10": "RSASSA-PSS",
    "1.2.840.113549.1.1.11": "RSA-SHA256",
    "1.2.840.113549.1.1.12": "RSA-SHA384",
    "1.2.840.113549.1.1.13": "RSA-SHA512",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.3.101.112": "ED25519",
    "1.3.101.113": "ED448",
}
"""OpenSSL's short names, which HAProxy sends, by object identifier."""


@attrs.frozen(kw_only=True)
class ServerNames:
    """How the certificate is called that the gateway itself shows to clients: by its signature and by its key."""

    signature: str  # "RSA-SHA256"
    key: str  # "RSA2048", "EC256"


def server_names(certificate: x509.Certificate) -> ServerNames:
    """The names of a server certificate's algorithms, as HAProxy writes them."""
    identifier = certificate.signature_algorithm_oid.dotted_string
    return ServerNames(
        signature=_SIGNATURES.get(identifier, identifier),
        key=_key(certificate),
    )


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC{key.curve.key_size}"
    identifier = certificate.public_key_algorithm_oid.dotted_string
    return _SIGNATURES.get(identifier, identifier)


def header(client: Admitted, source: Endpoint, destination: Endpoint, names: ServerNames | None) -> tuple[bytes, bool]:
    """The header that announces a client, and whether its certificate had to be left out for its length.

    Args:
        client: who is announced.
        source: its address and port.
        destination: where it connected to.
        names: of the server certificate it was shown; None where the header has no values about TLS.
    """
    if names is None or not client.connection.tls_version:
        return proxy_protocol.encoded(source, destination), False
    certificate = b"" if client.certificate is None else client.certificate.der
    try:
        return proxy_protocol.encoded(source, destination, _tls(client, names, certificate)), False
    except TooLongError:
        return proxy_protocol.encoded(source, destination, _tls(client, names, b"")), True


def _tls(client: Admitted, names: ServerNames, certificate: bytes) -> tuple[Tlv, ...]:
    """The protocol and the server name of the client's session, and what else is known of its TLS."""
    connection, known = client.connection, client.certificate
    session = (
        Tlv(proxy_protocol.ALPN, connection.protocol),
        Tlv(proxy_protocol.AUTHORITY, connection.server_name.encode()),
    )
    trusted = isinstance(client.verdict, Trusted) and known is not None
    bits = proxy_protocol.CLIENT_SSL
    if known is not None:
        bits |= proxy_protocol.CLIENT_CERT_CONN | proxy_protocol.CLIENT_CERT_SESS
    name = common_name(subject_name(known.der)) if trusted and known else b""
    values = (
        (proxy_protocol.SSL_VERSION, connection.tls_version.encode()),
        (proxy_protocol.SSL_CN, name),
        (proxy_protocol.SSL_CIPHER, connection.cipher.encode()),
        (proxy_protocol.SSL_SIG_ALG, names.signature.encode()),
        (proxy_protocol.SSL_KEY_ALG, names.key.encode()),
        (proxy_protocol.SSL_CLIENT_CERT, certificate),
    )
    fields = bytes((bits,)) + (VERIFIED if trusted else NOT_VERIFIED).to_bytes(4, "big")
    ssl = fields + proxy_protocol.joined(Tlv(number, value) for number, value in values if value)
    return (*(each for each in session if each.value), Tlv(proxy_protocol.SSL, ssl))


def endpoint(host: str, port: int) -> Endpoint:
    """An address of a socket as a header has it: without its zone, and IPv4 as itself."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address, port
