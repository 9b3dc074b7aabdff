"""Which name a backend must prove to be its own, and whether its certificate does (RFC 9525, by service-identity).

The product's order (page "Overview of TLS termination and end to end TLS"): the host name of the backend settings, then
that of the pool's server, then the host of the request. An IP address is never a server name (RFC 6066 section 3).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import attrs
from cryptography import x509
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import (
    DNS_ID,
    CertificatePattern,
    DNSPattern,
    IPAddress_ID,
    IPAddressPattern,
    ServiceID,
    verify_service_identity,
)

from agwtwisted.core.http.host_names import host_and_port
from agwtwisted.core.resources.resources import BackendHttpSettings
from agwtwisted.core.verification.certificate_rules import CANNOT_READ, certificate_from

_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}\Z")
"""A host name that may be a server name: no IP address, and nothing that a URL may hold in its place."""


@attrs.frozen(kw_only=True)
class ServerIdentity:
    """The identity that a server must prove."""

    name: str = ""  # sent as server name; empty: there is none, and `address` counts
    address: str = ""  # an IP address
    of_client: bool = False  # the client chose the name: a server that has another is not to blame
    any_name: bool = False  # no name is sent, and none is verified

    def __str__(self) -> str:
        return self.name or self.address


def server_identity(name: str, *, of_client: bool = False) -> ServerIdentity:
    """The identity for a host, in lower case, be it a name or an IP address."""
    try:
        return ServerIdentity(address=str(ipaddress.ip_address(name)), of_client=of_client)
    except ValueError:
        return ServerIdentity(name=name, of_client=of_client)


@attrs.frozen(kw_only=True)
class IdentityRule:
    """The identity that one server must prove, for any host of a request."""

    host: str  # of the pool: a name or an IP address
    fixed: ServerIdentity | None  # None: the request's host decides

    @classmethod
    def of(cls, settings: BackendHttpSettings, host: str) -> IdentityRule:
        """The rule for a server of a pool under these settings."""
        name = settings.sni_name
        if not name and settings.host_name:
            name, _ = host_and_port(settings.host_name)
        if not name and settings.pick_host_name_from_backend_address:
            name = host
        return cls.chosen(name, host)

    @classmethod
    def chosen(cls, name: str, host: str) -> IdentityRule:
        """The rule for a server where settings choose the name; where they do not, it is empty."""
        if name or is_server_name(host):
            return cls(host=host, fixed=server_identity(name or host))
        return cls(host=host, fixed=None)

    def identity(self, requested: str = "") -> ServerIdentity:
        """The identity that the server must prove for a request to this host, which is in lower case."""
        if self.fixed is not None:
            return self.fixed
        if is_server_name(requested):
            return ServerIdentity(name=requested, of_client=True)
        return ServerIdentity(address=self.host)

    def identity_for_probe(self, host: str) -> ServerIdentity:
        """The identity that the server must prove for a probe.

        The probe's own host, where it has one that is a name, comes before all others. Where only requests name a host,
        a server has nothing to prove to a probe but that its chain is trusted: which name it should have is not known.
        """
        if is_server_name(host):
            return ServerIdentity(name=host)
        return self.fixed or ServerIdentity(any_name=True)


def is_server_name(host: str) -> bool:
    """Whether a host, in lower case, is a name that may be sent as server name."""
    return _NAME.match(host) is not None


def mismatch(der: bytes, identity: ServerIdentity) -> str:
    """Why a certificate, in DER, does not prove its holder to be that server; empty when it does.

    Only names in subjectAltName count. A certificate without any proves nothing, whatever its common name: this
    is verified here, because a library that takes this case for no mismatch lets it pass for every name.
    """
    if identity.any_name:
        return ""
    certificate = certificate_from(der)
    if certificate is None:
        return f"the certificate is not for {identity}: it cannot be read"
    try:
        patterns = [*_patterns(certificate, identity)]
        verify_service_identity(cert_patterns=patterns, obligatory_ids=[_wanted(identity)], optional_ids=[])
    except VerificationError:
        return f"the certificate is not for {identity}"
    except CertificateError:  # no pattern at all
        kind = "host name" if identity.name else "IP address"
        return f"the certificate is not for {identity}: it has no {kind} in subjectAltName"
    except CANNOT_READ:
        return f"the certificate is not for {identity}: its names cannot be read"
    return ""


def _wanted(identity: ServerIdentity) -> ServiceID:
    return DNS_ID(identity.name) if identity.name else IPAddress_ID(identity.address)


def _patterns(certificate: x509.Certificate, identity: ServerIdentity) -> Iterator[CertificatePattern]:
    """The names of the wanted kind; those of another (a URN, say), and those that match no name, are left out."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    if not identity.name:
        for address in names.get_values_for_type(x509.IPAddress):
            if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address):
                yield IPAddressPattern(address)
        return
    for name in names.get_values_for_type(x509.DNSName):
        with suppress(CertificateError):  # "*.com", or an IP address in the place of a name
            yield DNSPattern.from_bytes(name.encode())
