"""The ARM properties about certificates and client authentication."""

from __future__ import annotations

from typing import Final

from agwtwisted.core.arm.gateway_properties import SSL_POLICY
from agwtwisted.core.arm.properties import (
    BOOLEAN,
    OBJECT,
    TEXT,
    Collection,
    enum,
    error,
    read_only,
    references,
    works,
)

_DATA = (
    "Base64 of a PEM, DER or PFX file, or the text of a PEM file. The reader tolerates white space, missing padding and"
    " base64url."
)
_KEY_VAULT = "Key Vault is never asked: the option `certificate.NAME` gives the file instead."

SSL_CERTIFICATES: Final = Collection(
    name="sslCertificates",
    kind="ssl_certificate",
    remark="Certificates that listeners show, with their keys.",
    properties=(
        works("data", TEXT, "certificate_file", f"A PFX. {_DATA}", secret=True, may_be_unknown=True),
        works(
            "password",
            TEXT,
            "password_file",
            "The password of the PFX; it is written to a file of its own.",
            secret=True,
            may_be_unknown=True,
        ),
        works("keyVaultSecretId", TEXT, "", _KEY_VAULT, may_be_unknown=True),
        error("hsm", "A key that never leaves a managed HSM cannot be used here.", "keyId", "publicCertData"),
        read_only("publicCertData", "The certificate without its key: it is no input."),
    ),
)

TRUSTED_CLIENT_CERTIFICATES: Final = Collection(
    name="trustedClientCertificates",
    kind="trusted_client_certificate",
    remark="Chains of CA certificates that clients are verified against.",
    properties=(
        works("data", TEXT, "file", f"Exactly one root and its intermediates. {_DATA}", may_be_unknown=True),
        read_only("validatedCertData"),
        read_only("clientCertIssuerDN"),
    ),
)

TRUSTED_ROOT_CERTIFICATES: Final = Collection(
    name="trustedRootCertificates",
    kind="trusted_root_certificate",
    remark="CA certificates that backend servers are verified against.",
    properties=(
        works("data", TEXT, "file", _DATA, may_be_unknown=True),
        works("keyVaultSecretId", TEXT, "", _KEY_VAULT, may_be_unknown=True),
    ),
)

AUTHENTICATION_CERTIFICATES: Final = Collection(
    name="authenticationCertificates",
    kind="trusted_root_certificate",
    remark=(
        "Of v1: certificates of the backend servers themselves. A self-signed one, or that of a CA, becomes a"
        " `trusted_root_certificate`, with a warning; others are ignored, with a warning, and the servers are verified"
        " against the system's roots."
    ),
    properties=(works("data", TEXT, "file", _DATA, may_be_unknown=True),),
)

SSL_PROFILES: Final = Collection(
    name="sslProfiles",
    kind="ssl_profile",
    remark=(
        "How listeners verify their clients. Strict profiles get `refusal = Http400`, which is how the product refuses;"
        " without a mode a profile is Strict where it names trusted client certificates."
    ),
    properties=(
        works(
            "trustedClientCertificates",
            references("trustedClientCertificates"),
            "trusted_client_certificates",
            "What clients are verified against. A list that is there and empty is refused, unless the mode is"
            " Passthrough.",
        ),
        *SSL_POLICY,
        works("clientAuthConfiguration", OBJECT, "", "Three settings."),
        works(
            "clientAuthConfiguration.verifyClientAuthMode",
            enum("Strict", "Passthrough"),
            "verify_client_auth_mode",
            "Taken in every API version.",
        ),
        works(
            "clientAuthConfiguration.verifyClientCertIssuerDN",
            BOOLEAN,
            "verify_client_cert_issuer_dn",
            "Whether a client's issuer must be the last CA of the longest chain.",
        ),
        works(
            "clientAuthConfiguration.verifyClientRevocation",
            enum("None", "OCSP"),
            "verify_client_revocation",
            "`OCSP`: whether it was revoked is asked. The overlay can name `CRL` beside it, or instead.",
        ),
    ),
)

COLLECTIONS: Final = (
    SSL_CERTIFICATES,
    TRUSTED_CLIENT_CERTIFICATES,
    TRUSTED_ROOT_CERTIFICATES,
    AUTHENTICATION_CERTIFICATES,
    SSL_PROFILES,
)
