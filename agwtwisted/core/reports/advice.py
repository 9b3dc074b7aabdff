"""What to do about a refused certificate, in plain words, by the reason that logs and pages give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.reasons import REASONS
from agwtwisted.core.verification.verdicts import UNJUDGED

_CHAIN: Final = (
    "The chain does not reach a root that this listener trusts. Either the client does not send an intermediate: "
    "let it send its own certificate and every intermediate. Or its root is not configured: add a trusted client "
    "certificate with that root, if its clients are to be accepted. `agw extract-ca` makes the "
    "file."
)
_NOT_A_CA: Final = (
    "A certificate above the client's own may not issue others. It was made with wrong extensions: let its CA "
    "issue it again with basicConstraints CA:TRUE and keyUsage keyCertSign, and configure the new one."
)
_NAMES: Final = (
    "A CA of the chain is constrained to certain names, and this certificate has another. Request a certificate "
    "with a permitted name, or from a CA without that constraint."
)
_DATES: Final = "A date in a certificate of the chain is wrong (month 13, for instance). Only a new certificate helps."
_SIGNATURE: Final = (
    "A signature in the chain is invalid: the certificate was damaged, or its issuer's key differs from that of "
    "the CA certificate with the same name here. Compare the fingerprints of the CA certificates with those of the"
    " issuer."
)
_ENCODING: Final = "The certificate violates RFC 5280 and cannot be parsed. Let its CA issue a new one."

ADVICE: Final[Mapping[str, str]] = {
    reasons.NO_LOCAL_ISSUER: _CHAIN,
    REASONS[2]: _CHAIN,
    REASONS[21]: _CHAIN,
    REASONS[19]: (
        "The client sent a root of its own, which this listener does not trust. Add a trusted client certificate "
        "with that root, if its clients are to be accepted. Compare fingerprints: a root of the same name may have"
        " been renewed with another key."
    ),
    REASONS[18]: (
        "The certificate is self-signed and is not a root that this listener trusts. Let a trusted CA issue the "
        "client's certificate. A self-signed certificate can be configured as trusted only if it is a CA "
        "(basicConstraints CA:TRUE)."
    ),
    reasons.EXPIRED: (
        "A certificate of the chain has expired. If it is the client's own, its CA must renew it. If it is a root "
        "or an intermediate, replace it in the trusted client certificate file, or let the client send the new "
        "one."
    ),
    reasons.NOT_YET_VALID: (
        "A certificate of the chain is not valid yet. Compare the gateway's clock with the certificate's start; "
        "new certificates often start at the minute at which they were made, by a clock that was ahead."
    ),
    reasons.PURPOSE: (
        "The certificate is not for clients. Request one whose extendedKeyUsage has clientAuth (1.3.6.1.5.5.7.3.2)"
        " and whose keyUsage has digitalSignature; anyExtendedKeyUsage alone is not enough. If an intermediate has"
        " an extendedKeyUsage, it must have clientAuth too. While a fleet changes its CA, missing_client_auth_eku "
        "= Allow in the profile accepts leaves for other purposes."
    ),
    reasons.ISSUER_DN: (
        "The profile compares issuers (verify_client_cert_issuer_dn), and the client's issuer is not that of the "
        "trusted file: the CA at the end of the file's longest chain. Let that CA issue the client's certificate, "
        "add a trusted client certificate that ends in the client's issuer, or turn the comparison off."
    ),
    reasons.REVOKED: (
        "The certificate's CA says that it is revoked, by its OCSP responder or by a list (CRL); revocationSource in "
        "the access log is which. Only a new certificate helps. If it was revoked by mistake, its CA must reverse "
        "that, and the gateway accepts it after a newer OCSP response, or a newer list without it."
    ),
    reasons.STATUS_UNKNOWN: (
        "The OCSP responder does not know this certificate. Ask its CA whether the responder serves that CA, and"
        " whether the certificate is in its database."
    ),
    reasons.STATUS_UNAVAILABLE: (
        "No source gave a valid answer: the OCSP responder, or the server of the list (CRL), was unreachable or too "
        "late, or what it sent was invalid or over; or the certificate names none. The gateway's own log has the "
        "reason, and agw revocation check asks each source and shows it. In the profile ocsp_responder_url replaces "
        "the responders that certificates name, crl_files has lists besides theirs, and ocsp_unavailable or "
        "crl_unavailable = Allow accepts clients meanwhile: with two sources both are needed."
    ),
    reasons.STATUS_NOT_ASKED: (
        "The gateway could not ask about the certificate: no descriptor was free, or too many questions were "
        "waiting. The gateway's own log has the reason. The client may retry at once; ocsp_unavailable and "
        "crl_unavailable = Allow do not apply."
    ),
    reasons.CHAIN_TOO_LONG: (
        "There are more CAs above the client's certificate than max_client_chain_depth in [gateway] allows. Raise it,"
        " or let a CA nearer to the root issue the certificate."
    ),
    reasons.NO_CERTIFICATE_SIGNING: _NOT_A_CA,
    reasons.INVALID_CA: _NOT_A_CA,
    REASONS[25]: (
        "There are more CAs below a CA of the chain than it allows (basicConstraints pathLenConstraint). Let a CA "
        "higher up issue the certificate, or have that CA issued again with a longer path."
    ),
    reasons.CRITICAL_EXTENSION: (
        "A certificate of the chain has a critical extension that the gateway does not know, so RFC 5280 requires "
        "a refusal. Request one without the extension, or with the extension not critical."
    ),
    reasons.NO_DIGITAL_SIGNATURE: (
        "The certificate has a keyUsage without digitalSignature, which a TLS client needs. Request one with it."
    ),
    reasons.EXTENSION: (
        "An extension of a certificate of the chain is malformed or duplicated. Only a new certificate helps."
    ),
    reasons.LEAF_KEY_WEAK: (
        "The client's key is too short: RSA needs 2048 bits, EC 224. Make a new key, and request a certificate for it."
    ),
    reasons.CA_KEY_WEAK: (
        "The key of a CA in the chain is too short: RSA needs 2048 bits, EC 224. Clients need certificates of another"
        " CA."
    ),
    reasons.DIGEST_WEAK: (
        "A certificate of the chain is signed over MD5 or SHA-1, which can be forged. Let its CA issue it again "
        "over SHA-256. A root's own signature may be old: only those below it are checked."
    ),
    reasons.VERSION_3_REQUIRED: (
        "The certificate has extensions and says that it is of version 1 or 2. Only a new certificate helps."
    ),
    REASONS[4]: _SIGNATURE,
    REASONS[6]: _SIGNATURE,
    REASONS[7]: _SIGNATURE,
    REASONS[13]: _DATES,
    REASONS[14]: _DATES,
    REASONS[47]: _NAMES,
    REASONS[48]: _NAMES,
    reasons.POLICY_EXTENSION: (
        "The certificate policies of a certificate of the chain are malformed or contradictory. Only a new "
        "certificate helps."
    ),
    reasons.NO_EXPLICIT_POLICY: (
        "A CA of the chain requires a certificate policy (policyConstraints), and this certificate does not have "
        "it. Request one with that policy."
    ),
    reasons.UNREADABLE: _ENCODING,
    reasons.EXCESSIVE: (
        "A name in a certificate has more than 4096 octets, or an RSA exponent more than 64 bits: no CA needs either."
        " Request a certificate with a short name, for a key with the usual exponent, 65537."
    ),
    UNJUDGED.reason: (
        "The handshake ended before the gateway verified the certificates: they could not be parsed, or are larger"
        " than max_client_chain_bytes in [gateway] allows. Let the client send only its own and the intermediates."
    ),
}
"""By reason; for other reasons there is only OpenSSL's text."""

GENERAL: Final = (
    "This reason comes from OpenSSL; the step above names the certificate. Ask the issuer of that certificate."
)


def what_to_do(reason: str) -> str:
    """What to do about a certificate that is refused for this reason."""
    return ADVICE.get(reason, GENERAL)
