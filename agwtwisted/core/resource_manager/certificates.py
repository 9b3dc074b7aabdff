"""The certificates in the body of a gateway: which stay, what is secret, and what answers say of them."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from agwtwisted.core.arm.certificate_data import certificate_bytes
from agwtwisted.core.arm.table import COLLECTIONS
from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.resource_manager.gateway_bodies import children, properties_of
from agwtwisted.core.resource_manager.messages import JsonObject, JsonValue, Secret
from agwtwisted.core.resource_manager.service_errors import ServiceError
from agwtwisted.core.verification.chains import TrustedChain, read_chain
from agwtwisted.core.verification.server_certificates import read_pfx

SSL_CERTIFICATES = "sslCertificates"
TRUSTED = "trustedClientCertificates"

_SECRET_MEMBERS = frozenset({"data", "password"})

_CERTIFICATE = COLLECTIONS[SSL_CERTIFICATES]


@attrs.frozen(kw_only=True)
class Divided:
    """The properties of a gateway without what is secret, and that by names in small letters."""

    properties: dict[str, JsonValue]
    secrets: Mapping[str, Secret] = attrs.field(repr=False)
    errors: tuple[ServiceError, ...] = ()


def divided(properties: JsonObject, gateway_id: str, kept: Mapping[str, Secret], before: JsonObject) -> Divided:
    """Take the secrets out of properties that were sent.

    A client never gets data and passwords back: a certificate that comes without any keeps what it had.

    Args:
        properties: of a body that was read.
        gateway_id: for messages.
        kept: the secrets that there were.
        before: the properties that there were.
    """
    known = {str(each["name"]).lower(): properties_of(each) for each in children(before, SSL_CERTIFICATES)}
    secrets: dict[str, Secret] = {}
    errors: list[ServiceError] = []
    certificates: list[JsonValue] = []
    for each in children(properties, SSL_CERTIFICATES):
        name = str(each["name"])
        secret = _secret(properties_of(each)) or _kept(properties_of(each), kept.get(name.lower()))
        if secret is not None:
            secrets[name.lower()] = secret
        elif not _is_elsewhere(properties_of(each)):
            errors.append(_without_data(f"{gateway_id}/{SSL_CERTIFICATES}/{name}"))
        certificates.append(_public(each, secret, kept.get(name.lower()), known.get(name.lower(), {})))
    shown = {SSL_CERTIFICATES: certificates, TRUSTED: _with_names(properties)}
    return Divided(properties={**properties, **shown}, secrets=secrets, errors=tuple(errors))


def united(properties: JsonObject, secrets: Mapping[str, Secret]) -> dict[str, JsonValue]:
    """The properties with their secrets, as the gateway is made of them."""
    certificates: list[JsonValue] = []
    for each in children(properties, SSL_CERTIFICATES):
        secret = secrets.get(str(each["name"]).lower())
        held: dict[str, JsonValue] = {} if secret is None else {"data": secret.data, "password": secret.password}
        certificates.append({**each, "properties": {**properties_of(each), **held}})
    return {**properties, SSL_CERTIFICATES: certificates}


def _with_names(properties: JsonObject) -> list[JsonValue]:
    """Trusted client CA certificates with their issuers' names: made once, since each costs the parsing of a chain."""
    found: list[JsonValue] = []
    for each in children(properties, TRUSTED):
        held = properties_of(each)
        name = _issuer_dn(str(held.get("data", "")))
        found.append({**each, "properties": {**held, **({"clientCertIssuerDN": name} if name else {})}})
    return found


def _issuer_dn(data: str) -> str:
    """The issuer's DN that a file of trusted client CA certificates stands for; empty: it is not one."""
    try:
        chain = read_chain(certificate_bytes(data), "data")
    except UnacceptableError:
        return ""
    if not isinstance(chain, TrustedChain):
        return ""
    return certificate_variables(chain.issuer.der).subject.decode("utf-8", "replace")


def _secret(properties: JsonObject) -> Secret | None:
    data, password = properties.get("data"), properties.get("password")
    return Secret(data=data, password=str(password or "")) if isinstance(data, str) and data else None


def _kept(properties: JsonObject, secret: Secret | None) -> Secret | None:
    return None if _is_elsewhere(properties) else secret


def _is_elsewhere(properties: JsonObject) -> bool:
    return bool(properties.get("keyVaultSecretId") or properties.get("hsm"))


def _public(
    certificate: JsonObject, secret: Secret | None, kept: Secret | None, before: JsonObject
) -> dict[str, JsonValue]:
    """A certificate as it is kept among what is no secret."""
    held = {name: each for name, each in properties_of(certificate).items() if _may_be_shown(name)}
    if secret is None:
        return {**certificate, "properties": held}
    shown = before.get("publicCertData") if secret == kept else None
    public = shown if isinstance(shown, str) else _public_data(secret)
    return {**certificate, "properties": {**held, **({"publicCertData": public} if public else {})}}


def _may_be_shown(name: str) -> bool:
    """Whether a member of a certificate is known, and no secret: one whose name is misspelt may be its key."""
    return name not in _SECRET_MEMBERS and _CERTIFICATE.property(name) is not None


def _public_data(secret: Secret) -> str:
    """The certificates in PKCS #7; empty where the file cannot be opened, which is found later."""
    try:
        found = read_pfx(certificate_bytes(secret.data), secret.password.encode() or None)
    except UnacceptableError:
        return ""
    return _bundle(found.certificates)


def _bundle(certificates: tuple[x509.Certificate, ...]) -> str:
    return base64.b64encode(pkcs7.serialize_certificates(list(certificates), Encoding.DER)).decode()


def _without_data(identity: str) -> ServiceError:
    message = f"Either Data or KeyVaultSecretId must be specified for Certificate '{identity}' in Application Gateway."
    return ServiceError(
        code="ApplicationGatewayCertificateDataOrKeyVaultSecretIdMustBeSpecified", message=message, target=identity
    )
