"""Files of trusted client CA certificates: what one must hold, and which issuer DN it stands for."""

from __future__ import annotations

import attrs
from cryptography import x509


@attrs.frozen(kw_only=True, eq=False)
class TrustedChain:
    """One file of CA certificates: exactly one root, any number of intermediates, leaves left out."""

    file: str
    root: x509.Certificate
    authorities: tuple[x509.Certificate, ...]  # root and intermediates, in the order of the file
    issuer: x509.Certificate  # its subject is the DN of `verify_client_cert_issuer_dn`
    warnings: tuple[str, ...] = ()
