"""The ARM properties of listeners."""

from __future__ import annotations

from typing import Final

from agwtwisted.core.arm.gateway_properties import WAF_IGNORED
from agwtwisted.core.arm.properties import BOOLEAN, TEXT, TEXTS, Collection, children, enum, reference, warn, works

_ADDRESS = "The address is that of the frontend, see `frontendIPConfigurations`."
_PORT = "The port of the `frontendPort`, as the options move it."

HTTP_LISTENERS: Final = Collection(
    name="httpListeners",
    kind="http_listener",
    remark="Ports, or host names on them, for HTTP. One without a rule is not bound, with a warning.",
    properties=(
        works("frontendIPConfiguration", reference("frontendIPConfigurations"), "address", _ADDRESS),
        works("frontendPort", reference("frontendPorts"), "port", _PORT),
        works("protocol", enum("Http", "Https"), "protocol", "`Tcp` and `Tls` belong to `listeners`."),
        works("hostNames", TEXTS, "host_names", "At most five names, with wildcards; absent: every name."),
        works(
            "hostName", TEXT, "host_names", "One name; both this and `hostNames` are refused, unless they say the same."
        ),
        works("sslCertificate", reference("sslCertificates"), "ssl_certificate", "The certificate that is shown."),
        works("sslProfile", reference("sslProfiles"), "ssl_profile", "How clients are verified."),
        works(
            "requireServerNameIndication",
            BOOLEAN,
            "require_server_name_indication",
            "Without host names, or with Http, it is dropped with a note: there is no name to compare.",
        ),
        works("customErrorConfigurations", children("customErrorConfigurations"), "", "Error pages of this listener."),
        warn(
            "firewallPolicy",
            "There is no web application firewall here: requests reach the servers unfiltered.",
            "id",
            warning=WAF_IGNORED,
        ),
    ),
)

LISTENERS: Final = Collection(
    name="listeners",
    kind="listener",
    remark="Ports whose bytes are relayed (L4).",
    properties=(
        works("frontendIPConfiguration", reference("frontendIPConfigurations"), "address", _ADDRESS),
        works("frontendPort", reference("frontendPorts"), "port", _PORT),
        works("protocol", enum("Tcp", "Tls"), "protocol", "`Http` and `Https` belong to `httpListeners`."),
        works("hostNames", TEXTS, "host_names", "Names in the handshake (SNI), of Tls."),
        works("sslCertificate", reference("sslCertificates"), "ssl_certificate", "The certificate that is shown."),
        works("sslProfile", reference("sslProfiles"), "ssl_profile", "How clients are verified."),
    ),
)

COLLECTIONS: Final = (HTTP_LISTENERS, LISTENERS)
