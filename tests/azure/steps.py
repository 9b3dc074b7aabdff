"""The commands, in the order in which a gateway is set up, used and taken down, each with what has to come of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

Check = Callable[[Any], bool]
"""Whether an outcome is as expected: the value of JSON output, or the text of any other."""

REFUSED = "refused"
"""The command has to fail."""


@attrs.frozen(kw_only=True)
class Step:
    """One command. `fails` is a text that has to be in the error of one that has to fail."""

    command: str
    is_good: Check
    says: str = ""
    fails: str = ""


def az(command: str, expected: Any = None, says: str = "", *, good: Check | None = None, fails: str = "") -> Step:
    """A command of azure-cli, and the value that it prints; None: anything."""
    check = good or ((lambda value: value == expected) if expected is not None else (lambda value: True))
    return Step(command=f"az {command}", is_good=check, says=says, fails=fails)


def curl(options: str, expected: str, says: str = "") -> Step:
    """A request to the gateway, and what has to be in its answer."""
    command = f"curl --silent --show-error --max-time 30 {options}"
    return Step(command=command, is_good=lambda text: expected in text, says=says)


GATEWAY = "network application-gateway"
IN = "--resource-group shop --gateway-name gw"
OF = "--resource-group shop --name gw"
STATE = "--query provisioningState"
DONE = "Succeeded"
DEVICE = "--cacert servers.pem --cert device.pem --key device.key"

SETUP = (
    az("cloud register --name agw --endpoint-resource-manager https://localhost:8902"),
    az("cloud set --name agw"),
    az(
        "login --service-principal --username agw --password @secret --tenant TENANT-ID --allow-no-subscriptions"
        " --query [].state",
        ["Enabled"],
    ),
    az("group create --name shop --location local --query properties.provisioningState", DONE),
)

CREATE = (
    az(
        f"{GATEWAY} create {OF} --sku Standard_v2 --capacity 1 --frontend-port 8080 --http-settings-port 9000"
        " --servers 127.0.0.1 --priority 100 --public-ip-address shop-ip --vnet-name shop-net --subnet gateways"
        " --query applicationGateway.operationalState",
        "Running",
        "azure-cli deploys a template with a virtual network, a public IP address and the gateway.",
    ),
    curl("http://localhost:8080/", "hello from the shop", "It serves."),
    az(
        f"{GATEWAY} show {OF} --query '{{name: name, state: operationalState, listeners: httpListeners[].name}}'",
        {"name": "gw", "state": "Running", "listeners": ["appGatewayHttpListener"]},
    ),
    az(f"{GATEWAY} list --resource-group shop --query [].name", ["gw"]),
    az(f"{GATEWAY} list --query [].name", ["gw"]),
    az(f"{GATEWAY} update {OF} --set tags.stage=test --query tags", {"stage": "test"}),
)

TLS = (
    az(f"{GATEWAY} frontend-port create {IN} --name https --port 8443 {STATE}", DONE),
    az(
        f"{GATEWAY} ssl-cert create {IN} --name web --cert-file web.pfx --cert-password correct-horse {STATE}",
        DONE,
        "The password goes to a file of its own, and is in no answer.",
    ),
    az(f"{GATEWAY} ssl-cert show {IN} --name web --query '[data, password]'", [None, None]),
    az(f"{GATEWAY} ssl-cert list {IN} --query [].name", ["web"]),
    az(
        f"{GATEWAY} ssl-cert create {IN} --name other --cert-file web.pfx --cert-password wrong",
        fails="ApplicationGatewaySslCertificatePasswordIncorrect",
        says="A wrong password is refused in the product's words, and nothing is changed.",
    ),
    az(
        f"{GATEWAY} client-cert add {IN} --name devices-ca --data devices-ca.pem"
        " --query trustedClientCertificates[].name",
        ["devices-ca"],
        "The CA of the clients.",
    ),
    az(f"{GATEWAY} client-cert list {IN} --query [].clientCertIssuerDN", ["CN=Devices Root"]),
    az(
        f"{GATEWAY} ssl-profile add {IN} --name devices --trusted-client-certificates devices-ca"
        " --client-auth-configuration True --query sslProfiles[].name",
        ["devices"],
    ),
    az(f"{GATEWAY} ssl-profile list {IN} --query [].name", ["devices"]),
    az(
        f"{GATEWAY} http-listener create {IN} --name devices --frontend-port https --ssl-cert web --ssl-profile devices"
        f" {STATE}",
        DONE,
        "A listener without a rule is legal, and is not bound yet.",
    ),
)

BACKENDS = (
    az(
        f"{GATEWAY} address-pool create {IN} --name api --servers 127.0.0.1 --query backendAddresses[].ipAddress",
        ["127.0.0.1"],
    ),
    az(
        f"{GATEWAY} probe create {IN} --name ping --protocol Http --host 127.0.0.1 --path /ping --interval 5"
        " --timeout 5 --threshold 2 --query path",
        "/ping",
    ),
    az(
        f"{GATEWAY} http-settings create {IN} --name api --port 9000 --protocol Http --timeout 20 --probe ping"
        " --query requestTimeout",
        20,
    ),
    az(
        f"{GATEWAY} rule create {IN} --name devices --http-listener devices --address-pool api --http-settings api"
        " --priority 200 --rule-type Basic --output none",
        says="With a rule the listener is bound.",
    ),
    curl(
        f"{DEVICE} https://localhost:8443/", "hello from the shop", "A device with a certificate of that CA is served."
    ),
    curl(
        "--cacert servers.pem https://localhost:8443/",
        "400 No required SSL certificate was sent",
        "Without a certificate it is refused.",
    ),
    curl(
        "--cacert servers.pem --cert stranger.pem --key stranger.key https://localhost:8443/",
        "400 The SSL certificate error",
        "So it is with one of another CA.",
    ),
    az(
        f"{GATEWAY} show-backend-health {OF} --query"
        " 'backendAddressPools[].backendHttpSettingsCollection[].servers[].health'",
        good=lambda health: "Healthy" in health and "Unhealthy" not in health,
    ),
)

RULES = (
    az(
        f"{GATEWAY} url-path-map create {IN} --name paths --paths '/api/*' --address-pool api --http-settings api"
        " --default-address-pool api --default-http-settings api --rule-name api --query pathRules[].name",
        ["api"],
    ),
    az(
        f"{GATEWAY} url-path-map rule create {IN} --path-map-name paths --name images --paths '/images/*'"
        " --address-pool api --http-settings api --query paths",
        ["/images/*"],
    ),
    az(
        f"{GATEWAY} rule update {IN} --name devices --rule-type PathBasedRouting --url-path-map paths --query ruleType",
        "PathBasedRouting",
    ),
    az(f"{GATEWAY} rewrite-rule set create {IN} --name headers --query name", "headers"),
    az(
        f"{GATEWAY} rewrite-rule create {IN} --rule-set-name headers --name 'Set X-Device' --sequence 100"
        " --request-headers 'X-Device={var_client_certificate_subject}' --query name",
        "Set X-Device",
    ),
    az(
        f"{GATEWAY} rewrite-rule condition create {IN} --rule-set-name headers --rule-name 'Set X-Device'"
        " --variable var_client_certificate_verification --pattern SUCCESS --query pattern",
        "SUCCESS",
    ),
    az(
        f"{GATEWAY} url-path-map update {IN} --name paths --set"
        " defaultRewriteRuleSet.id=GATEWAY-ID/rewriteRuleSets/headers --query defaultRewriteRuleSet.id",
        good=lambda value: value.endswith("/rewriteRuleSets/headers"),
    ),
    curl(f"{DEVICE} https://localhost:8443/headers", "X-Device: CN=device", "The backend reads who the client is."),
    az(
        f"{GATEWAY} redirect-config create {IN} --name to-https --type Permanent --target-listener devices"
        " --include-path true --include-query-string true --query redirectType",
        "Permanent",
    ),
    az(
        f"{GATEWAY} root-cert create {IN} --name backends --cert-file servers.cer"
        " --query trustedRootCertificates[].name",
        ["backends"],
    ),
    az(f"{GATEWAY} ssl-policy list-options --query defaultPolicy", "AppGwSslPolicy20220101"),
    az(
        f"{GATEWAY} ssl-policy set {IN} --policy-type Predefined --name AppGwSslPolicy20220101S --query policyName",
        "AppGwSslPolicy20220101S",
    ),
    az(
        f"{GATEWAY} rewrite-rule condition list-server-variables",
        good=lambda names: "client_certificate_subject" in names,
    ),
    az(
        f"{GATEWAY} http-listener update {IN} --name devices --ssl-profile none",
        fails="InvalidResourceReference",
        says="A reference to nothing changes nothing.",
    ),
    curl(f"{DEVICE} https://localhost:8443/", "hello from the shop"),
)

RELAY = (
    az(f"{GATEWAY} frontend-port create {IN} --name mqtts --port 8883 {STATE}", DONE),
    az(
        f"{GATEWAY} listener create {IN} --name broker --frontend-port mqtts --ssl-cert web --ssl-profile-id devices"
        " --output none",
    ),
    az(f"{GATEWAY} listener show {IN} --name broker --query protocol", "Tls"),
    az(f"{GATEWAY} settings create {IN} --name broker --port 9000 --protocol Tcp --timeout 60 --output none"),
    az(
        f"{GATEWAY} routing-rule create {IN} --name broker --listener broker --address-pool api --settings broker"
        " --priority 300 --rule-type Basic --output none",
    ),
    az(f"{GATEWAY} routing-rule show {IN} --name broker --query priority", 300),
    curl(f"{DEVICE} https://localhost:8883/", "hello from the shop", "Any protocol over TLS; here it is HTTP."),
    Step(
        command="curl --silent --show-error --max-time 30 --cacert servers.pem https://localhost:8883/",
        is_good=lambda text: True,
        says="Without a certificate the handshake ends.",
        fails="curl: (56)",
    ),
)

STOPPING = (
    az(f"{GATEWAY} stop {OF}"),
    az(f"{GATEWAY} show {OF} --query operationalState", "Stopped"),
    az(
        f"{GATEWAY} update {OF} --set tags.stage=stopped --query operationalState",
        "Stopped",
        "A PUT does not start it.",
    ),
    az(f"{GATEWAY} start {OF}"),
    curl(f"{DEVICE} https://localhost:8443/", "hello from the shop"),
)

DEPLOYMENTS = (
    az(
        "deployment group validate --resource-group shop --name first --template-file gateway.template.json"
        " --parameters clientPort=8443 certificatePassword=correct-horse certificate=@web.pfx.base64"
        " --query properties.provisioningState",
        DONE,
        "The template has comments, parameters and loops; `certificate` is of type securestring.",
    ),
    az(
        "deployment group create --resource-group shop --name first --template-file gateway.template.json"
        " --parameters clientPort=8443 certificatePassword=correct-horse certificate=@web.pfx.base64"
        " --query properties.provisioningState",
        DONE,
    ),
    az("deployment group show --resource-group shop --name first --query properties.outputs.port.value", 8443),
    az(
        "deployment group list --resource-group shop --query [].properties.provisioningState",
        good=lambda states: set(states) == {DONE},
    ),
    curl(f"{DEVICE} https://localhost:8443/", "hello from the shop"),
    az(
        "deployment group create --resource-group shop --name second --template-file bad.template.json",
        fails="InvalidTemplateDeployment",
        says="A template that the gateway refuses changes nothing.",
    ),
)

GENERIC = (
    az(
        "resource list --resource-group shop --query 'sort([].type)'",
        good=lambda kinds: "Microsoft.Network/applicationGateways" in kinds,
    ),
    az(
        "resource show --resource-group shop --name gw --resource-type Microsoft.Network/applicationGateways"
        " --query properties.operationalState",
        "Running",
    ),
    az("rest --method get --url 'GATEWAY-ID?api-version=2025-05-01' --query properties.provisioningState", DONE),
    az(
        'rest --method patch --url \'GATEWAY-ID?api-version=2025-05-01\' --body \'{"tags": {"by": "rest"}}\''
        " --query tags",
        {"by": "rest"},
    ),
)

REMOVING = (
    az(f"{GATEWAY} delete {OF}"),
    az(f"{GATEWAY} show {OF}", fails="ResourceNotFound"),
    az("group delete --name shop --yes"),
    az("group exists --name shop", False),
)

PARTS: tuple[tuple[str, tuple[Step, ...]], ...] = (
    ("Signing in", SETUP),
    ("A gateway", CREATE),
    ("TLS, and devices that have to show a certificate", TLS),
    ("Backends and a rule", BACKENDS),
    ("Paths, rewrites, redirects and policies", RULES),
    ("Devices over L4", RELAY),
    ("Stopping and starting", STOPPING),
    ("Deployments", DEPLOYMENTS),
    ("Generic commands", GENERIC),
    ("Taking it down", REMOVING),
)
