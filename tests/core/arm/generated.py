"""ARM documents as people and tools write them: every collection, and every way to write the same.

`gateways` draws a valid gateway and writes it with noise that means nothing: names of members and values of
enumerations in any case, absent members, null, empty texts and lists, children with and without `properties`,
references with another prefix and case, numbers and booleans as texts, certificates in every encoding.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12
from hypothesis import strategies as st

from tests import pki
from tests.configurations import clients_root, site

PASSWORD = "an old password"
GATEWAY = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Network"
READ_ONLY = {"provisioningState": "Succeeded", "etag": 'W/"1"'}
ENUMERATED = {
    *("protocol", "cookieBasedAffinity", "ruleType", "redirectType", "policyType", "policyName"),
    *("minProtocolVersion", "verifyClientAuthMode", "verifyClientRevocation", "statusCode"),
    "loadDistributionAlgorithm",
}
"""Members whose values are compared without case."""
KEPT = {"headerValue", "name", "tags", "data", "password", "id"}
"""Members whose values are taken as they are."""

Draw = st.DrawFn


@cache
def _servers() -> pki.Authority:
    return pki.Authority.root("Backend Root")


@cache
def _pfx(password: str) -> str:
    leaf, *others = x509.load_pem_x509_certificates(site().chain_pem)
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return base64.b64encode(pkcs12.serialize_key_and_certificates(b"s", site().key, leaf, others, encryption)).decode()


def _encodings(authority: pki.Authority) -> list[str]:
    """The encodings in which a trusted certificate is seen."""
    pem = authority.pem
    encoded = base64.b64encode(pem).decode()
    der = base64.b64encode(authority.der).decode()
    wrapped = "\r\n".join(der[at : at + 64] for at in range(0, len(der), 64))
    return [pem.decode(), encoded, encoded.rstrip("="), der, wrapped, der.replace("+", "-").replace("/", "_")]


@st.composite
def gateways(draw: Draw) -> bytes:
    """A document with one gateway in one of the forms."""
    body = draw(_gateway())
    flat = draw(st.booleans())
    document = _Noise(draw, flat=flat).written(body)
    return json.dumps(draw(_wrapped(document, flat=flat))).encode()


@st.composite
def _wrapped(draw: Draw, document: dict[str, Any], *, flat: bool) -> Any:
    """A body, what azure-cli shows, a list of either, or a template."""
    forms = ["body", "list"] if flat else ["body", "list", "answer", "template"]
    form = draw(st.sampled_from(forms))
    if form == "list":
        return [document]
    if form == "answer":
        return {"value": [document]}
    if form == "template":
        resource = {"type": "Microsoft.Network/applicationGateways", "apiVersion": "2025-03-01", **document}
        return {"$schema": "https://schema.management.azure.com/…#", "resources": [_escaped(resource)]}
    return document


def _escaped(value: Any) -> Any:
    """The texts of a template that are no expressions."""
    if isinstance(value, dict):
        return {name: _escaped(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    return f"[{value}" if isinstance(value, str) and value.startswith("[") else value


class _Noise:
    """Writes a body in other words."""

    def __init__(self, draw: Draw, *, flat: bool) -> None:
        self._draw = draw
        self._flat = flat
        self._pick = draw(st.integers(0, 2**32 - 1))

    def _turn(self, choices: int) -> int:
        """Some number below another one; drawn from one seed: documents have hundreds of places for noise."""
        self._pick = (self._pick * 1103515245 + 12345) % 2**31
        return (self._pick >> 8) % choices

    def written(self, value: Any, name: str = "") -> Any:
        """A value of a member of that name."""
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, list):
            return [self.written(each, name) for each in value]
        if isinstance(value, bool) or value is None or name in KEPT:
            return str(value).lower() if isinstance(value, bool) and not self._turn(4) else value
        if isinstance(value, int):
            return str(value) if not self._turn(4) else value
        return self._cased(value) if name in ENUMERATED else value

    def _object(self, value: dict[str, Any]) -> dict[str, Any]:
        if set(value) == {"id"} and isinstance(value["id"], str) and value["id"].count("/") == 1:
            return {self._name("id"): self._reference(value["id"])}
        flattened = {**value, **value["properties"]} if self._flat and "properties" in value else value
        found = {
            self._name(name): each if name == "tags" else self.written(each, name)
            for name, each in flattened.items()
            if not (self._flat and name == "properties")
        }
        if "name" in value and not self._turn(3):
            found |= READ_ONLY
        return found

    def _name(self, name: str) -> str:
        return [name, name, name, name[:1].upper() + name[1:], name.upper()][self._turn(5)]

    def _cased(self, text: str) -> str:
        return [text, text, text.lower(), text.upper()][self._turn(4)]

    def _reference(self, text: str) -> str:
        prefix = [f"{GATEWAY}/applicationGateways/gw/", f"{GATEWAY}/APPLICATIONGATEWAYS/other/", "/"][self._turn(3)]
        return prefix + self._cased(text)


def _reference(collection: str, name: str) -> dict[str, str]:
    return {"id": f"{collection}/{name}"}


_EMPTY = st.sampled_from([None, "", []])


@st.composite
def _optional(draw: Draw, found: dict[str, Any], *names: str) -> dict[str, Any]:
    """The members, with some of those named as null, empty, or absent where they are not there."""
    return found | {name: draw(_EMPTY) for name in names if name not in found and draw(st.booleans())}


@st.composite
def _gateway(draw: Draw) -> dict[str, Any]:
    """A gateway: what rules refer to first, then the rules."""
    parts = _Parts(draw)
    properties = parts.properties()
    return {
        "name": "gw",
        "location": "westeurope",
        "id": f"{GATEWAY}/applicationGateways/gw",
        "tags": {"Team": "a"},
        "properties": properties,
    }


class _Parts:
    """The collections of one gateway, as they come to be."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.ports: dict[int, str] = {}
        self.listeners: list[tuple[str, str]] = []  # HTTP: name and protocol
        self.relayed: list[str] = []

    def _some(self, choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def _maybe(self) -> bool:
        return self.draw(st.booleans())

    def properties(self) -> dict[str, Any]:
        """All of them."""
        found: dict[str, Any] = {
            "sku": {"name": "Standard_v2", "tier": "Standard_v2"},
            "gatewayIPConfigurations": [
                {"name": "ip", "properties": {"subnet": {"id": f"{GATEWAY}/virtualNetworks/v/subnets/s"}}}
            ],
            "frontendIPConfigurations": self.frontends(),
            "sslCertificates": self.certificates(),
            "trustedClientCertificates": self.trusted("clients", clients_root()),
            "trustedRootCertificates": self.trusted("roots", _servers()),
            "sslProfiles": self.profiles(),
            "backendAddressPools": self.pools(),
            "probes": self.probes(),
            "backendHttpSettingsCollection": self.settings(),
            "backendSettingsCollection": self.relay_settings(),
            "loadDistributionPolicies": self.policies(),
            "redirectConfigurations": self.redirects(),
            "rewriteRuleSets": self.rewrites(),
            "urlPathMaps": self.maps(),
            "httpListeners": self.http_listeners(),
            "listeners": self.relay_listeners(),
        }
        found["requestRoutingRules"] = self.rules()
        found["routingRules"] = self.relay_rules()
        found["frontendPorts"] = [{"name": name, "properties": {"port": port}} for port, name in self.ports.items()]
        if self._maybe():
            found["sslPolicy"] = self.policy()
        if self._maybe():
            found["enableHttp2"] = self._maybe()
        if self._maybe():
            found["globalConfiguration"] = {"disableDefaultServerHeaderInResponse": self._maybe()}
        if self._maybe():
            found["customErrorConfigurations"] = [self.page()]
        empty = [name for name, each in found.items() if each == []]
        for name in empty:
            found[name] = self.draw(_EMPTY)
        return found

    def frontends(self) -> list[Any]:
        address = {"id": f"{GATEWAY}/publicIPAddresses/p"}
        private = {"privateIPAddress": "10.200.0.4", "privateIPAllocationMethod": "Static"}
        public = {"name": "public", "properties": {"publicIPAddress": address}}
        return [public, {"name": "Private", "properties": private}]

    def certificates(self) -> list[Any]:
        password = self._some(["", PASSWORD])
        data = {"data": _pfx(password), **({"password": password} if password else {})}
        return [{"name": "Site", "properties": self.draw(_optional(data, "password", "keyVaultSecretId"))}]

    def trusted(self, name: str, authority: pki.Authority) -> list[Any]:
        return [{"name": name, "properties": {"data": self._some(_encodings(authority))}}]

    def policy(self) -> dict[str, Any]:
        predefined = {
            "policyType": "Predefined",
            "policyName": self._some(["AppGwSslPolicy20220101", "AppGwSslPolicy20220101S"]),
        }
        suites = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"]
        custom = {
            "policyType": "CustomV2",
            "minProtocolVersion": "TLSv1_2",
            "cipherSuites": self.draw(st.permutations(suites)),
        }
        return self._some([predefined, custom])  # type: ignore[no-any-return]

    def profiles(self) -> list[Any]:
        trusted = [_reference("trustedClientCertificates", "clients")]
        strict: dict[str, Any] = {"trustedClientCertificates": trusted}
        if self._maybe():
            strict["clientAuthConfiguration"] = {
                "verifyClientAuthMode": "Strict",
                "verifyClientCertIssuerDN": self._maybe(),
                "verifyClientRevocation": self._some(["None", "OCSP"]),
            }
        if self._maybe():
            strict["sslPolicy"] = self.policy()
        open_ = {"clientAuthConfiguration": {"verifyClientAuthMode": "Passthrough"}}
        return [
            {"name": "strict", "properties": self.draw(_optional(strict, "sslPolicy"))},
            {"name": "open", "properties": self.draw(_optional(open_, "trustedClientCertificates"))},
        ]

    def pools(self) -> list[Any]:
        servers = [{"fqdn": "a.example"}, {"ipAddress": "10.0.0.5"}, {"ipAddress": "10.0.0.6"}]
        return [
            {"name": "app", "properties": {"backendAddresses": self.draw(st.permutations(servers))}},
            self._some([{"name": "empty"}, {"name": "empty", "properties": {"backendAddresses": []}}]),
        ]

    def probes(self) -> list[Any]:
        times = {"interval": self.draw(st.integers(1, 300)), "timeout": 20, "unhealthyThreshold": 4}
        times["minServers"] = self.draw(st.integers(0, 3))
        web = {
            "protocol": "Http",
            "path": "/health",
            "host": "a.example",
            **times,
            "match": {"statusCodes": ["200-399", "401"]},
        }
        return [
            {"name": "web", "properties": self.draw(_optional(web, "port"))},
            {"name": "stream", "properties": self.draw(_optional({"protocol": "Tcp", **times}, "host"))},
        ]

    def settings(self) -> list[Any]:
        plain: dict[str, Any] = {"port": 8080, "protocol": "Http", "requestTimeout": 20}
        if self._maybe():
            plain |= {"cookieBasedAffinity": "Enabled", "affinityCookieName": "sticky"}
        if self._maybe():
            plain["probe"] = _reference("probes", "web")
        if self._maybe():
            plain["dedicatedBackendConnection"] = self._maybe()
        if self._maybe():
            plain["connectionDraining"] = {
                "enabled": self._maybe(),
                "drainTimeoutInSec": self.draw(st.integers(1, 3600)),
            }
        tls: dict[str, Any] = {"port": 443, "protocol": "Https", "pickHostNameFromBackendAddress": True}
        if self._maybe():
            tls |= {
                "trustedRootCertificates": [_reference("trustedRootCertificates", "roots")],
                "validateSNI": self._maybe(),
            }
        return [
            {
                "name": "Plain",
                "properties": self.draw(_optional(plain, "path", "hostName", "probe", "authenticationCertificates")),
            },
            {"name": "tls", "properties": self.draw(_optional(tls, "sniName", "trustedRootCertificates"))},
        ]

    def relay_settings(self) -> list[Any]:
        found: dict[str, Any] = {
            "port": 1883,
            "protocol": "Tcp",
            "timeout": 30,
            "enableL4ClientIpPreservation": self._maybe(),
        }
        if self._maybe():
            found["probe"] = _reference("probes", "stream")
        return [{"name": "relay", "properties": self.draw(_optional(found, "hostName", "trustedRootCertificates"))}]

    def page(self) -> dict[str, Any]:
        """An error page, which is never fetched."""
        return {"statusCode": "HttpStatus502", "customErrorPageUrl": "https://pages.example/502.html"}

    def policies(self) -> list[Any]:
        """A policy of two pools with weights."""
        targets = [
            {
                "name": f"t-{name}",
                "properties": {
                    "backendAddressPool": _reference("backendAddressPools", name),
                    "weightPerServer": self.draw(st.integers(1, 100)),
                },
            }
            for name in ("app", "empty")
        ]
        algorithm = self._some(["RoundRobin", "LeastConnections", "IpHash"])
        found = {"loadDistributionAlgorithm": algorithm, "loadDistributionTargets": targets}
        return [{"name": "shares", "properties": found}]

    def redirects(self) -> list[Any]:
        found = {
            "redirectType": self._some(["Permanent", "Found", "SeeOther", "Temporary"]),
            "targetUrl": "https://example.com/new",
            "includePath": self._maybe(),
            "includeQueryString": self._maybe(),
        }
        return [{"name": "there", "properties": self.draw(_optional(found, "targetListener"))}]

    def rewrites(self) -> list[Any]:
        rules = [self.rewrite(number) for number in range(self.draw(st.integers(0, 3)))]
        return [{"name": "headers", "properties": {"rewriteRules": rules}}]

    def rewrite(self, number: int) -> dict[str, Any]:
        conditions = self.draw(st.lists(self.conditions(), max_size=3))
        requests = [
            {"headerName": f"X-{at}", "headerValue": value}
            for at, value in enumerate(self.draw(st.lists(self._values(), min_size=1, max_size=2)))
        ]
        if self._maybe():
            requests.append({"headerName": "x-0", "headerValue": "{http_req_X-0}; more"})
        actions: dict[str, Any] = {"requestHeaderConfigurations": requests}
        if self._maybe():
            matcher = {"pattern": "Secure", "ignoreCase": self._maybe(), "negate": self._maybe()}
            cookie = {"headerName": "Set-Cookie", "headerValue": "a=b", "headerValueMatcher": matcher}
            actions["responseHeaderConfigurations"] = [cookie]
        if self._maybe():
            actions["urlConfiguration"] = {"modifiedPath": "/new", "modifiedQueryString": "a=b"}
        return {
            "name": f"rule {number}: any text",
            "ruleSequence": self.draw(st.integers(1, 200)),
            "conditions": conditions,
            "actionSet": actions,
        }

    def _values(self) -> st.SearchStrategy[str]:
        return st.sampled_from(["", "{var_host}", "a; b", "[x]", "{var_client_ip} {var_request_uri}", "ä b"])

    def conditions(self) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries(
            {
                "variable": st.sampled_from(["var_host", "http_req_X-A", "var_uri_path"]),
                "pattern": st.sampled_from([r"^/api/(.*)$", "a;b", "[0-9]+", "x y", r"a\.b"]),
            },
            optional={"ignoreCase": st.booleans(), "negate": st.booleans()},
        )

    def maps(self) -> list[Any]:
        to_app = {
            "backendAddressPool": _reference("backendAddressPools", "app"),
            "backendHttpSettings": _reference("backendHttpSettingsCollection", "Plain"),
        }
        away = {"redirectConfiguration": _reference("redirectConfigurations", "there")}
        rules = [
            {"name": f"r{number}", "properties": {"paths": [f"/p{number}/*"], **self._some([to_app, away])}}
            for number in self.draw(st.permutations(range(3)))
        ]
        found: dict[str, Any] = {f"default{name[:1].upper()}{name[1:]}": each for name, each in to_app.items()}
        if self._maybe():
            found["defaultRewriteRuleSet"] = _reference("rewriteRuleSets", "headers")
        return [
            {
                "name": "paths",
                "properties": self.draw(_optional({**found, "pathRules": rules}, "defaultRedirectConfiguration")),
            }
        ]

    def placed(self, port: int) -> dict[str, Any]:
        """Where a listener is: each has a port of its own."""
        name = self.ports.setdefault(port, f"port_{port}")
        return {
            "frontendIPConfiguration": _reference("frontendIPConfigurations", self._some(["public", "Private"])),
            "frontendPort": _reference("frontendPorts", name),
        }

    def http_listeners(self) -> list[Any]:
        found = []
        for number in range(self.draw(st.integers(1, 3))):
            name, protocol = f"Web{number}", self._some(["Http", "Https"])
            members: dict[str, Any] = {**self.placed(8000 + number), "protocol": protocol}
            if protocol == "Https":
                members["sslCertificate"] = _reference("sslCertificates", "Site")
                if self._maybe():
                    members["sslProfile"] = _reference("sslProfiles", self._some(["strict", "open"]))
            if self._maybe():
                members["customErrorConfigurations"] = [self.page()]
            names = self._some([{}, {"hostName": "a.example"}, {"hostNames": ["a.example", "*.b.example"]}])
            if names and protocol == "Https":
                members["requireServerNameIndication"] = self._maybe()
            optional = ("hostName", "hostNames", "sslCertificate", "sslProfile")
            found.append({"name": name, "properties": self.draw(_optional({**members, **names}, *optional))})
            self.listeners.append((name, protocol))
        return found

    def relay_listeners(self) -> list[Any]:
        if self._maybe():
            return []
        self.relayed.append("stream")
        members = {**self.placed(9000), "protocol": "Tls", "sslCertificate": _reference("sslCertificates", "Site")}
        if self._maybe():
            members["sslProfile"] = _reference("sslProfiles", "strict")
        return [{"name": "stream", "properties": self.draw(_optional(members, "hostNames"))}]

    def rules(self) -> list[Any]:
        """A rule for each listener but, at times, the last one."""
        served = self.listeners[: len(self.listeners) - (len(self.listeners) > 1 and self._maybe())]
        return [self.rule(number, name) for number, (name, _) in enumerate(served, start=1)]

    def rule(self, number: int, listener: str) -> dict[str, Any]:
        basic: dict[str, Any] = {
            "ruleType": "Basic",
            "backendAddressPool": _reference("backendAddressPools", self._some(["app", "empty"])),
            "backendHttpSettings": _reference("backendHttpSettingsCollection", self._some(["Plain", "tls"])),
        }
        if self._maybe():
            del basic["backendAddressPool"]
            basic["loadDistributionPolicy"] = _reference("loadDistributionPolicies", "shares")
        if self._maybe():
            basic["rewriteRuleSet"] = _reference("rewriteRuleSets", "headers")
        by_path = {"ruleType": "PathBasedRouting", "urlPathMap": _reference("urlPathMaps", "paths")}
        away = {"ruleType": "Basic", "redirectConfiguration": _reference("redirectConfigurations", "there")}
        chosen = self._some([basic, by_path, away])
        members = {"httpListener": _reference("httpListeners", listener), "priority": number * 10, **chosen}
        return {
            "name": f"rule{number}",
            "properties": self.draw(_optional(members, "redirectConfiguration", "urlPathMap")),
        }

    def relay_rules(self) -> list[Any]:
        return [
            {
                "name": name,
                "properties": {
                    "ruleType": "Basic",
                    "priority": 500,
                    "listener": _reference("listeners", name),
                    "backendAddressPool": _reference("backendAddressPools", "app"),
                    "backendSettings": _reference("backendSettingsCollection", "relay"),
                },
            }
            for name in self.relayed
        ]
