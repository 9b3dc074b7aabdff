"""Who is at the other end of a connection."""

from __future__ import annotations

from enum import Enum
from math import inf

import attrs

from agwtwisted.core.certificates.variables import CertificateVariables
from agwtwisted.core.listening.proxy_protocol import Endpoint
from agwtwisted.core.verification.verdicts import UNJUDGED, Trusted, Verdict


class OcspStatus(Enum):
    """What was found about the revocation of a client's certificate: the access log's ``ocspStatus``."""

    NOT_CHECKED = "not-checked"
    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    UNAVAILABLE = "unavailable"
    UNAVAILABLE_ALLOWED = "unavailable-allowed"
    NOT_ASKED = "not-asked"


@attrs.frozen(kw_only=True)
class Peer:
    """A client: its address, what its TLS connection is, its certificate and the verdict about it."""

    address: str
    port: int
    verdict: Verdict
    # What a path that requires a certificate decides by; the same as the verdict but for a Passthrough profile.
    required_verdict: Verdict = UNJUDGED
    certificate: CertificateVariables | None = None
    chain_der: tuple[bytes, ...] = ()  # the chain after the leaf, as far as it was verified, for RFC 9440
    tls_version: str = ""  # "TLSv1.3"; empty on plain HTTP
    cipher: str = ""  # OpenSSL's name
    server_name: str = ""  # SNI, lower case
    protocol: bytes = b""  # that was agreed on by ALPN; looked at on L4 alone
    ocsp_status: OcspStatus = OcspStatus.NOT_CHECKED
    reached: Endpoint | None = None  # where it connected to, as a proxy ahead says; None: to the gateway itself
    until: float = inf  # the end of a Trusted verdict of either kind, in seconds since 1970: then it is judged again

    def as_required(self) -> Peer:
        """The client as a path that requires a certificate takes it: with the verdict of a Strict profile."""
        return self if isinstance(self.verdict, Trusted) else attrs.evolve(self, verdict=self.required_verdict)
