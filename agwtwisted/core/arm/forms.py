"""The forms in which a gateway is written: the body of a REST request, and a template with parameters.

Both are made of the same properties: a body has ids and, where they are wanted, secrets; a template has expressions and
parameters in place of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from agwtwisted.core.arm import writing
from agwtwisted.core.arm.child_bodies import Body, ReferenceTo, SecretText
from agwtwisted.core.arm.context import GATEWAY_TYPE, FoundResource

API_VERSION: Final = "2025-03-01"
"""The first one with every property that is written: `verifyClientAuthMode` is the newest."""

SCHEMA: Final = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
PARAMETERS_SCHEMA: Final = "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#"

_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9]+")


@attrs.frozen(kw_only=True)
class GatewayIdentity:
    """What a gateway is called, and where it is."""

    name: str = "gateway"
    location: str = "local"
    tags: Mapping[str, str] = attrs.Factory(dict)
    subscription: str = "00000000-0000-0000-0000-000000000000"
    resource_group: str = "local"

    @property
    def group_id(self) -> str:
        """The id of its resource group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"

    @property
    def id(self) -> str:
        """Its own."""
        return f"{self.group_id}/providers/{GATEWAY_TYPE}/{self.name}"


def identity_of(found: FoundResource, name: str) -> GatewayIdentity:
    """That of a gateway in a document; `name` is for one that has none."""
    location, tags = found.body.member("location").value, found.body.member("tags").members()
    return GatewayIdentity(
        name=found.name or name,
        location=location if isinstance(location, str) and location else "local",
        tags={key: each.value for key, each in tags.items() if isinstance(each.value, str)},
    )


@attrs.frozen(kw_only=True)
class PfxText:
    """A certificate with its key as the product takes it: base64, and the password."""

    data: str = attrs.field(repr=False)
    password: str = attrs.field(repr=False)


def resource(identity: GatewayIdentity, properties: Body, secrets: Mapping[str, PfxText]) -> Body:
    """The body of a REST request.

    Args:
        identity: of the gateway.
        properties: with their references and secrets marked.
        secrets: by the name of the certificate; those of others are left out, as answers of the service do.
    """
    return {
        "id": identity.id,  # without it the reader takes a text in brackets for an expression of a template
        "name": identity.name,
        "location": identity.location,
        **({"tags": dict(identity.tags)} if identity.tags else {}),
        "properties": _ResourceForm(identity, secrets).written(properties),
    }


class _Form:
    """What the marked places of properties become."""

    def written(self, value: Any) -> Any:
        """A value without marks; members whose value is left out are not there."""
        match value:
            case Mapping():
                found = {name: self.written(each) for name, each in value.items()}
                return {name: each for name, each in found.items() if each is not None}
            case list() | tuple():
                return [self.written(each) for each in value]
            case ReferenceTo():
                return self.reference(value)
            case SecretText():
                return self.secret(value)
            case str():
                return self.text(value)
            case _:
                return value

    def reference(self, to: ReferenceTo) -> str:
        """An id."""
        raise NotImplementedError

    def secret(self, of: SecretText) -> str | None:
        """A secret; None: it is left out."""
        raise NotImplementedError

    def text(self, text: str) -> str:
        """A text that is one."""
        return text


class _ResourceForm(_Form):
    def __init__(self, identity: GatewayIdentity, secrets: Mapping[str, PfxText]) -> None:
        self._identity = identity
        self._secrets = secrets

    def reference(self, to: ReferenceTo) -> str:
        network = f"{self._identity.group_id}/providers/Microsoft.Network"
        match to.collection:
            case writing.SUBNET:
                return f"{network}/virtualNetworks/{self._identity.name}/subnets/{self._identity.name}"
            case writing.PUBLIC_ADDRESS:
                return f"{network}/publicIPAddresses/{self._identity.name}-{to.name}"
            case _:
                return f"{self._identity.id}/{to.collection}/{to.name}"

    def secret(self, of: SecretText) -> str | None:
        pfx = self._secrets.get(of.certificate)
        if pfx is None:
            return None
        return pfx.password if of.is_password else pfx.data


@attrs.frozen(kw_only=True)
class WrittenTemplate:
    """A template, and the values of the parameters that are secrets, for a file of parameters."""

    body: Body
    secrets: Body = attrs.field(repr=False)


def template(identity: GatewayIdentity, properties: Body, secrets: Mapping[str, PfxText]) -> WrittenTemplate:
    """A template with one resource; ids of what is beside the gateway, and secrets, are parameters without a default.

    Args:
        identity: of the gateway; its place in Azure is where the template is deployed.
        properties: as in `resource`.
        secrets: values of parameters, by the name of the certificate.
    """
    form = _TemplateForm()
    written = form.written(properties)
    found = {
        "type": GATEWAY_TYPE,
        "apiVersion": API_VERSION,
        "name": f"[parameters('{_NAME}')]",
        "location": "[parameters('location')]",
        **({"tags": form.written(dict(identity.tags))} if identity.tags else {}),
        "properties": written,
    }
    parameters = {
        _NAME: {"type": "string", "defaultValue": form.text(identity.name)},
        "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
        **form.parameters,
    }
    body = {"$schema": SCHEMA, "contentVersion": "1.0.0.0", "parameters": parameters, "resources": [found]}
    return WrittenTemplate(body=body, secrets=dict(form.values(secrets)))


def parameters_file(values: Body) -> Body:
    """A file of parameters for a template."""
    found = {name: {"value": each} for name, each in values.items()}
    return {"$schema": PARAMETERS_SCHEMA, "contentVersion": "1.0.0.0", "parameters": found}


_NAME: Final = "applicationGatewayName"


class _TemplateForm(_Form):
    def __init__(self) -> None:
        self.parameters: Body = {}
        self._secrets: dict[SecretText, str] = {}
        self._names: set[str] = {_NAME.lower(), "location"}

    def reference(self, to: ReferenceTo) -> str:
        match to.collection:
            case writing.SUBNET:
                return self._id("subnetId", "The id of the gateway's subnet.")
            case writing.PUBLIC_ADDRESS:
                return self._id(f"publicIPAddressId_{to.name}", f"The id of the public IP address of {to.name}.")
            case _:
                name = to.name.replace("'", "''")
                return f"[resourceId('{GATEWAY_TYPE}/{to.collection}', parameters('{_NAME}'), '{name}')]"

    def _id(self, name: str, description: str) -> str:
        name = _NOT_IN_NAMES.sub("_", name)
        self.parameters[name] = {"type": "string", "metadata": {"description": description}}
        return f"[parameters('{name}')]"

    def secret(self, of: SecretText) -> str:
        what = "password" if of.is_password else "data"
        name = self._secrets.setdefault(of, self._free(f"sslCertificate_{of.certificate}_{what}"))
        said = "Its password; empty: none." if of.is_password else "The PFX, as base64."
        self.parameters[name] = {"type": "securestring", "metadata": {"description": f"{of.certificate}: {said}"}}
        return f"[parameters('{name}')]"

    def _free(self, wanted: str) -> str:
        """A name of letters, digits and underscores that no other parameter has, whatever its case."""
        name = base = _NOT_IN_NAMES.sub("_", wanted)
        number = 1
        while name.lower() in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name.lower())
        return name

    def values(self, secrets: Mapping[str, PfxText]) -> Iterator[tuple[str, str]]:
        """The values of the secret parameters that are known."""
        for of, name in self._secrets.items():
            if of.certificate in secrets:
                pfx = secrets[of.certificate]
                yield name, pfx.password if of.is_password else pfx.data

    def text(self, text: str) -> str:
        """A text in brackets is an expression, unless its first one is doubled."""
        return f"[{text}" if text.startswith("[") else text
