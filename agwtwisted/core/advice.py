"""What to do about a refused certificate, in plain words, by the reason that logs and pages give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agwtwisted.core import reasons
from agwtwisted.core.reasons import REASONS
from agwtwisted.core.verdicts import UNJUDGED

_CHAIN: Final = (
    "The chain does not reach a root that this listener trusts. Either the client leaves an intermediate out: let it"
    " send its own certificate and every intermediate. Or its root is not configured: add a trusted client certificate"
    " with that root, if its clients are to be let in. `python -m agwtwisted extract-ca` makes the file."
)
_NOT_A_CA: Final = (
    "A certificate above the client's own may not issue others. It was made with wrong extensions: let its CA issue it"
    " again with basicConstraints CA:TRUE and keyUsage keyCertSign, and upload the new one."
)
_NAMES: Final = (
    "A CA of the chain is limited to certain names, and this certificate has another. Request one with a name that is"
    " permitted, or from a CA without that limit."
)
_DATES: Final = "A date in a certificate of the chain is wrong (month 13, for instance). Only a new certificate helps."
_SIGNATURE: Final = (
    "A signature in the chain does not fit: the certificate was damaged, or its issuer's key is another than the one of"
    " the CA certificate by that name here. Compare the fingerprints of the CA certificates with those of the issuer."
)
_ENCODING: Final = (
    "The certificate breaks the rules of RFC 5280 so far that it cannot be read. Let its CA issue a new one."
)

ADVICE: Final[Mapping[str, str]] = {
    reasons.NO_LOCAL_ISSUER: _CHAIN,
    REASONS[2]: _CHAIN,
    REASONS[21]: _CHAIN,
    REASONS[19]: (
        "The client sent a root of its own, which this listener does not trust. Add a trusted client certificate with"
        " that root, if its clients are to be let in. Compare fingerprints: a root of the same name may have been"
        " renewed with another key."
    ),
    REASONS[18]: (
        "The certificate signed itself and is not a root that this listener trusts. Let a CA that is trusted issue the"
        " client's certificate. A self-signed one can be uploaded only if it is a CA (basicConstraints CA:TRUE)."
    ),
    reasons.EXPIRED: (
        "A certificate of the chain is past its end: the client's own must be renewed by its CA; a root or an"
        " intermediate must be replaced in the trusted client certificate file, or by the client that sends it."
    ),
    reasons.NOT_YET_VALID: (
        "A certificate of the chain is not valid yet. Compare the gateway's clock with the certificate's start; new"
        " certificates often begin at the minute at which they were made, by a clock that was ahead."
    ),
    reasons.PURPOSE: (
        "The certificate is not meant for clients. Request one whose extendedKeyUsage has clientAuth"
        " (1.3.6.1.5.5.7.3.2) and whose keyUsage has digitalSignature; anyExtendedKeyUsage alone does not do. Where an"
        " intermediate has an extendedKeyUsage, that one must have clientAuth too. While a fleet changes its CA,"
        " missing_client_auth_eku = Allow in the profile lets in leaves that are for others."
    ),
    reasons.ISSUER_DN: (
        "The profile compares issuers (verify_client_cert_issuer_dn), and the client's is not the one that the trusted"
        " file stands for: the CA at the end of the file's longest chain. Let that CA issue the client's certificate,"
        " add a trusted client certificate that ends in the client's issuer, or turn the comparison off."
    ),
    reasons.REVOKED: (
        "The OCSP responder of the certificate's CA says that it is revoked. Only a new certificate helps; if this one"
        " was revoked by mistake, its CA must say so, and the gateway believes it once a newer answer does."
    ),
    reasons.STATUS_UNKNOWN: (
        "The OCSP responder does not know this certificate. Ask its CA whether the responder serves that CA, and"
        " whether the certificate is in its database."
    ),
    reasons.STATUS_UNAVAILABLE: (
        "No OCSP responder gave an answer that can be believed: it was not to be reached, was too late, or what it"
        " signed does not hold; or the certificate names none (authorityInfoAccess). The gateway's own log says which."
        " An ocsp_responder_url in the profile takes the place of what certificates name, and ocsp_unavailable = Allow"
        " lets clients in meanwhile."
    ),
    reasons.STATUS_NOT_ASKED: (
        "The gateway could not put its question: no descriptor was free, or too many questions were waiting. The"
        " gateway's own log says which. The client may come again at once; ocsp_unavailable = Allow is not about this."
    ),
    reasons.CHAIN_TOO_LONG: (
        "There are more CAs above the client's certificate than max_client_chain_depth in [gateway] allows. Raise it,"
        " or let a CA nearer to the root issue the certificate."
    ),
    reasons.NO_CERTIFICATE_SIGNING: _NOT_A_CA,
    reasons.INVALID_CA: _NOT_A_CA,
    REASONS[25]: (
        "A CA of the chain may have fewer CAs below it than there are (basicConstraints pathLenConstraint). Let a CA"
        " higher up issue the certificate, or have that CA issued again with a longer path."
    ),
    reasons.CRITICAL_EXTENSION: (
        "A certificate of the chain has an extension that is critical and not known here, so RFC 5280 has it refused."
        " Request one without it, or with the extension not critical."
    ),
    reasons.NO_DIGITAL_SIGNATURE: (
        "The certificate has a keyUsage without digitalSignature, and in TLS a client signs. Request one with it."
    ),
    reasons.EXTENSION: (
        "An extension of a certificate of the chain cannot be read, or stands there twice. Only a new certificate"
        " helps."
    ),
    reasons.LEAF_KEY_WEAK: (
        "The client's key is too short: RSA needs 2048 bits, EC 224. Make a new key, and request a certificate for it."
    ),
    reasons.CA_KEY_WEAK: (
        "The key of a CA in the chain is too short: RSA needs 2048 bits, EC 224. Clients need certificates of another"
        " CA."
    ),
    reasons.DIGEST_WEAK: (
        "A certificate of the chain is signed over MD5 or SHA-1, which can be forged. Let its CA issue it again over"
        " SHA-256. A root's own signature may be old: only those below it count."
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
        "The certificate policies of a certificate of the chain cannot be read, or contradict each other. Only a new"
        " certificate helps."
    ),
    reasons.NO_EXPLICIT_POLICY: (
        "A CA of the chain demands a certificate policy (policyConstraints), and this certificate does not have it."
        " Request one with that policy."
    ),
    reasons.UNREADABLE: _ENCODING,
    reasons.EXCESSIVE: (
        "A name in a certificate has more than 4096 octets, or an RSA exponent more than 64 bits: no CA needs either."
        " Request a certificate with a short name, for a key with the usual exponent, 65537."
    ),
    UNJUDGED.reason: (
        "The handshake ended before the certificates were looked at: they could not be read, or there are more of them"
        " than max_client_chain_bytes in [gateway] allows. Let the client send its own and the intermediates, no more."
    ),
}
"""By reason; of what is not here OpenSSL's words are all there is to say."""

GENERAL: Final = (
    "These are OpenSSL's words, and what it found above tells the certificate. Whoever issued that one can tell whether"
    " it was meant to be so."
)


def what_to_do(reason: str) -> str:
    """How a certificate that is refused for this reason gets in."""
    return ADVICE.get(reason, GENERAL)
