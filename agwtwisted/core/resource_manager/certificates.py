"""The certificates in the body of a gateway: which stay, what is secret, and what answers say of them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from agwtwisted.core.arm.certificate_data import certificate_bytes
from agwtwisted.core.arm.table import COLLECTIONS
from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.certificates.pem import is_pkcs12
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.resource_manager.gateway_bodies import children, properties_of
from agwtwisted.core.resource_manager.messages import JsonObject, JsonValue, Secret
from agwtwisted.core.resource_manager.refusals import OWN_CODE
from agwtwisted.core.resource_manager.service_errors import ServiceError
from agwtwisted.core.verification.chains import TrustedChain, read_chain
from agwtwisted.core.verification.server_certificates import read_pfx

SSL_CERTIFICATES = "sslCertificates"
TRUSTED = "trustedClientCertificates"
AUTHENTICATION = "authenticationCertificates"

_SECRET_MEMBERS = frozenset({"data", "password"})

NOT_KEPT = "(not kept)"
"""In place of a text that may be secret."""

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
    errors.extend(_keys_of_others(properties, gateway_id))
    return Divided(properties={**properties, **shown}, secrets=secrets, errors=tuple(errors))


def _keys_of_others(properties: JsonObject, gateway_id: str) -> Iterator[ServiceError]:
    """Private keys where certificates of servers belong, which are looked at by nothing else, and are shown."""
    for each in children(properties, AUTHENTICATION):
        try:
            content = certificate_bytes(str(properties_of(each).get("data") or ""))
        except UnacceptableError:
            continue
        if is_pkcs12(content) or b"PRIVATE KEY-----" in content:
            message = f"{AUTHENTICATION} {each['name']}: a private key does not belong in the certificate of a server."
            target = f"{gateway_id}/{AUTHENTICATION}/{each['name']}"
            yield ServiceError(code=OWN_CODE, message=message, target=target)


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
    sent = properties_of(certificate)
    held = {name: _shown(name, each) for name, each in sent.items() if name not in _SECRET_MEMBERS}
    if secret is None:
        return {**certificate, "properties": held}
    shown = before.get("publicCertData") if secret == kept else None
    public = shown if isinstance(shown, str) else _public_data(secret)
    return {**certificate, "properties": {**held, **({"publicCertData": public} if public else {})}}


def _shown(name: str, value: JsonValue) -> JsonValue:
    """A member of a certificate: one whose name is not known may be its key, misspelt, and goes without its texts.

    The member itself stays, for what is wrong with it to be found.
    """
    return value if _CERTIFICATE.property(name) is not None else _masked(value)


def _masked(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {name: _masked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return NOT_KEPT if isinstance(value, str) else value


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
