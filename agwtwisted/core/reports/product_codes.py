"""The product's error codes that the gateway gives, with what is wrong in a few words, for the reference page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OF_THE_CONFIGURATION: Final[Mapping[str, str]] = {
    "ApplicationGatewayTrustedClientCertificateMustSpecifyData": "the file of trusted client certificates is empty",
    "ApplicationGatewayTrustedClientCertificateMustNotHavePrivateKey": "it holds a private key",
    "ApplicationGatewayTrustedClientCertificateInvalidData": "it is neither PEM nor DER, or has an empty block",
    "ApplicationGatewayTrustedClientCertificateDoesNotContainAnyCACertificate": "none of its certificates is a CA",
    "ApplicationGatewayOnlyOneRootCAAllowedInTrustedClientCertificate": "it has no root, or more than one",
    "ApplicationGatewaySslCertificateDataTooBig": "a server certificate is larger than 16384 bytes",
    "ApplicationGatewayProbeProtocolMustMatchBackendHttpSettinsProtocol": (
        "a probe has another protocol than its settings"
    ),
    "ApplicationGatewayHttpListenersUsingSameFrontendPort": "two listeners of one port have no host names",
    "ApplicationGatewayDeprecatedTlsVersionUsedInSslPolicy": "a TLS policy was retired with TLS 1.0 and 1.1",
    "ApplicationGatewaySslProfileMustSpecifyPolicyOrCertificates": "an SSL profile says nothing",
    "ApplicationGatewayPathRuleLimitReached": "a URL path map has more than 100 path rules",
    "ApplicationGatewayTrustedClientCertificateLimitReached": "there are more than 200 trusted client certificates",
    "ApplicationGatewayRewriteRuleSetLimitReached": "there are more than 400 rewrite rule sets",
    "DuplicateResourceName": "two sections of a kind have the same name, but for case",
    "InvalidResourceName": "a name is too long, or has a character that names have not",
    "InvalidResourceReference": "a key names a section that does not exist",
    "ApplicationGatewayCertificateDataOrKeyVaultSecretIdMustBeSpecified": "a certificate of a document has no data",
    "ApplicationGatewayFrontendPortInvalidPortNumber": "a frontend port of a document is no port",
    "ApplicationGatewayKeyVaultSecretException": "a certificate is in a Key Vault, which is never asked",
    "ApplicationGatewayRequestRoutingRulePartialPriorityDefined": "some rules have a priority, and some have none",
    "ApplicationGatewayRequestRoutingRulePriorityCannotBeEmpty": "a rule has no priority",
    "ApplicationGatewaySslCertificatePasswordIncorrect": "a .pfx cannot be opened with its password",
    "InvalidRequestFormat": "a property of a document has a value of another type, or a child has no name",
    "MissingJsonReferenceId": "a reference of a document has no id",
}
"""Of problems of a configuration, in whatever form it comes."""

OF_THE_CONTROL_PLANE: Final[Mapping[str, str]] = {
    "ApplicationGatewayInvalidConfiguration": "anything else that this gateway does not serve: a code of its own",
    "ApplicationGatewaySslCertificateInvalidData": "a certificate cannot be read",
}
"""Of requests that the control plane refuses, besides those of the configuration."""
