"""Server variables: what a request and its client are called in rewrite rules, headers and logs."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class CertificateVariables:
    """The mutual-authentication variables of one certificate, as the bytes a header carries."""

    der: bytes = attrs.field(repr=False)
    certificate: bytes = attrs.field(repr=False)  # URL-encoded PEM
    subject: bytes
    issuer: bytes
    serial: bytes
    fingerprint: bytes
    start_date: bytes
    end_date: bytes
