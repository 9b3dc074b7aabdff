"""What each key of the configuration means, in a sentence: the words of the reference page.

`core.schema` has the keys themselves. A test holds that none is missing here, and none too many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_POLICY: Final = {
    "ssl_policy": "A predefined TLS policy by its name.",
    "policy_type": "`Predefined`, or `Custom` (TLS 1.2) or `CustomV2` (TLS 1.3 too), spelt out by the next two keys.",
    "min_protocol_version": "`TLSv1_2` or `TLSv1_3`, of a custom policy.",
    "cipher_suites": "The suites of a custom policy by their IANA names, the preferred first.",
}

_ADDRESS: Final = {
    "address": "The address to listen on; `::` is all of IPv6.",
    "port": "The port to listen on.",
    "host_names": "At most five names, `*` and `?` allowed. Without them the listener takes every name.",
    "ssl_certificate": "The `ssl_certificate` shown to clients; needed with TLS.",
    "ssl_profile": "The `ssl_profile`; without one nobody is asked for a certificate.",
    "accept_proxy_protocol": (
        "Networks of balancers that begin each connection with a PROXY protocol header (v1 or v2), which is mandatory"
        " then; connections from elsewhere are closed."
    ),
}

_ENDS: Final = {
    "backend_address_pool": "The pool that requests go to.",
    "backend_http_settings": "How they go there.",
    "redirect_configuration": "Instead of both: where clients are sent.",
    "rewrite_rule_set": "The set of `rewrite_rule` sections by its name.",
}

_DENY: Final = (
    "A condition; requests for which not all of them hold are answered 403. N is any whole number. One on the path"
    " brings all paths into one form."
)

_TRUST: Final = {
    "trusted_root_certificates": (
        "The `trusted_root_certificate` sections that servers are verified against; none: the system's roots."
    ),
    "host_name": "The host that is asked for, and that a server must prove to be; empty: the client's or its own.",
    "pick_host_name_from_backend_address": "Whether that host is the server's own, as the pool has it.",
}

KEY_MEANINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "gateway": {
        "": "What concerns the whole gateway; may be left out.",
        "access_log": "The file of the access log, or `-` for standard output; reopened on SIGUSR1. A new file is for"
        " its owner and group alone, and after a rotation has the permissions of the one before. Unset: no log.",
        "drain_timeout": "Seconds for what is under way when the gateway stops.",
        "state_directory": "Where OCSP responses and the key of affinity cookies survive a restart.",
        "max_connections": "Connections of all listeners; a silent or idle one gives way to a new one.",
        "max_connections_per_address": "Connections of one client address, of IPv6 of a /64; 0: no limit.",
        "max_handshakes": "TLS handshakes under way at once, from the whole ClientHello on.",
        "silent_timeout": "Seconds for a new connection's first byte; one that is waited for longer gives way.",
        "handshake_timeout": "Seconds for a TLS handshake.",
        "header_timeout": "Seconds for a whole request head.",
        "body_timeout": "Seconds without a byte of a body, and the time over which the rates below are averaged.",
        "min_body_rate": "Bytes a second that a request's body must come with; 0: no limit.",
        "min_response_rate": "Bytes a second that a client must take of an answer; 0: no limit.",
        "idle_timeout": "Seconds between two requests of a connection.",
        "max_header_bytes": "Bytes of a request's or a response's header lines.",
        "max_header_lines": "Header lines of a request or a response, and trailers of either.",
        "max_body_bytes": "Bytes of a request's body.",
        "max_client_chain_bytes": "Bytes of the certificates that a client sends.",
        "max_client_chain_depth": "CAs above a client's own certificate.",
        "header_names": "Request header names outside `A-Z a-z 0-9 -`: `Drop` them, or `Reject` the request (400).",
        "log_query": "Whether query strings stand in the access log.",
        "log_refused_certificates": "Whether a line about a refused client names its certificate: subject, serial"
        " number and SHA-256. SHA-1 and issuer are always told.",
        "server_header": "The name in pages of the gateway's own and their Server header; empty: none.",
        "allow_demo": "Whether the demo's certificates, whose keys are no secret, may be used beyond this machine.",
        **_POLICY,
    },
    "ssl_certificate": {
        "": "A server certificate with its key.",
        "certificate_file": "The certificate first, then its intermediates (PEM), or a `.pfx` with the key in it.",
        "key_file": "The private key (PEM), unless it is in the `.pfx`.",
        "password_file": "A file with the password of the `.pfx`.",
    },
    "trusted_client_certificate": {
        "": "A chain of CA certificates that clients are verified against.",
        "file": "Exactly one root and its intermediates, PEM or CER, at most 25 KB.",
    },
    "trusted_root_certificate": {
        "": "CA certificates that backend servers are verified against.",
        "file": "One or several CA certificates, PEM or CER.",
    },
    "ssl_profile": {
        "": "What a listener asks of its TLS clients.",
        "verify_client_auth_mode": "`Strict`, the default with trusted client certificates, or `Passthrough`.",
        "trusted_client_certificates": "The `trusted_client_certificate` sections that clients are verified against.",
        "verify_client_cert_issuer_dn": "Whether a client's issuer must be the last CA of the file's longest chain.",
        "tls_groups": "Groups for key exchange, the preferred one first, by their registered names (`x25519`,"
        " `secp256r1`, `X25519MLKEM768`, `brainpoolP256r1`); without it those of OpenSSL in its order, then brainpool"
        " curves. Over TLS 1.2 client certificates must be on one of them. The same for all listeners of a port.",
        "missing_client_auth_eku": "What becomes of a client whose extendedKeyUsage has no clientAuth: `Refuse`, or"
        " `Allow` while a fleet changes its CA.",
        "advertise_ca_names": "Whether a Strict listener sends the names of its trusted CAs in the handshake, by which"
        " clients choose a certificate.",
        "allow_weak": "Whether short keys and SHA-1 or MD5 signatures are taken. Not wise.",
        "refusal": "How a Strict listener refuses: by an alert in the `Handshake`, or by a page after it (`Http400`).",
        **_POLICY,
        "verify_client_revocation": "`None`, or `OCSP`: ask whether the certificate was revoked.",
        "ocsp_responder_url": "The responder to ask instead of those that certificates name.",
        "ocsp_scope": "`Leaf`, or `Chain`: the intermediates are asked about, too.",
        "ocsp_unavailable": "`Refuse`, or `Allow` clients whose status is not to be had; each is logged.",
        "ocsp_timeout": "Seconds for the whole answer, from when the question is put.",
        "ocsp_clock_skew": "Seconds by which the responder's clock may differ.",
        "ocsp_max_age": "Seconds after its thisUpdate for which an answer is believed at most.",
        "ocsp_default_age": "Seconds for which an answer is believed that does not say.",
        "ocsp_allowed_networks": "Networks where responders named by certificates may be, beside the open ones.",
        "ocsp_allowed_ports": "Ports of responders named by certificates.",
        "ocsp_responder_without_nocheck": "`Refuse`, or `Allow` delegated responders without id-pkix-ocsp-nocheck.",
    },
    "http_listener": {
        "": "A port, or some host names on it, for HTTP.",
        **_ADDRESS,
        "protocol": "`Http` or `Https`.",
        "require_server_name_indication": "Whether clients must name the host in the handshake (SNI). One that names"
        " none, or an address, is answered by the port's listener without `host_names`, else by the first one, by"
        " the rules' priority, where this is `false`; where there is none its handshake fails. A request of such a"
        " client for the host of a listener where this is `true` gets 421.",
    },
    "listener": {
        "": "A port, or some host names on it, whose bytes are relayed (L4).",
        **_ADDRESS,
        "protocol": "`Tcp` or `Tls`.",
        "alpn_protocols": "The protocols that the servers speak (ALPN: `h2`, `mqtt`), the preferred one first; `Tls`"
        " only. A client that offers some, and none of these, is turned away; without the key nothing is chosen.",
    },
    "backend_address_pool": {
        "": "Servers that do the same work.",
        "backend_addresses": "`host` or `host:port`; the port is that of the settings otherwise.",
    },
    "probe": {
        "": "How servers are asked whether they are well.",
        "protocol": "`Http` or `Https`; `Tcp` or `Tls` for L4.",
        "host": "The Host of the question; of a `Tls` probe, whom the server must prove to be.",
        "pick_host_name_from_backend_http_settings": "Whether that is the host of the backend settings.",
        "pick_host_name_from_backend_settings": "The same of L4 settings, for `Tls`.",
        "path": "The path of the question.",
        "port": "The port that is asked; the server's own otherwise.",
        "interval": "Seconds between two questions.",
        "timeout": "Seconds for the answer.",
        "unhealthy_threshold": "Failures in a row after which a server is down.",
        "min_servers": "Servers that always count as healthy; only 0 is supported.",
        "match_status_codes": "Statuses of a healthy answer, ranges as `200-399`.",
        "match_body": "Text in the first 4090 bytes of a healthy answer.",
        "enable_probe_proxy_protocol_header": "Whether a PROXY protocol header (v2, `LOCAL`) comes first; L4.",
    },
    "backend_http_settings": {
        "": "How requests go to the servers of a pool.",
        "port": "The port of servers without one of their own.",
        "protocol": "`Http` or `Https`.",
        "request_timeout": "Seconds for connecting, and for every silence of the server; of upgraded connections, too.",
        **_TRUST,
        "client_certificate_headers": (
            "Ready-made headers about the client's certificate: `on`, `off` or `all`, and/or `rfc9440`, `xfcc`;"
            " unset: `on` wherever a certificate is asked for."
        ),
        "cookie_based_affinity": "Whether clients are led back to their server by a cookie.",
        "affinity_cookie_name": "The name of that cookie.",
        "path": "A path in place of what the path rule matched.",
        "probe": "The `probe`; unset: the default probe.",
        "load_distribution_algorithm": "`RoundRobin` or `LeastConnections`.",
        "connection_draining_timeout": "Seconds for what is under way with a server that goes down.",
        "validate_cert_chain_and_expiry": "Whether the chain of the server's certificate is verified (`Https`).",
        "validate_sni": "Whether the name in the server's certificate is (`Https`).",
        "sni_name": "The name that is sent and looked for, instead of the host (`Https`).",
        "client_ssl_certificate": "The `ssl_certificate` that the gateway shows to servers that ask (`Https`).",
    },
    "rewrite_rule": {
        "": "One rule of a rewrite rule set: `[rewrite_rule SET/NAME]`.",
        "rule_sequence": "Rules of a set run in the order of this number.",
        "url_path": "The new path, a template.",
        "url_query_string": "The new query, a template; empty: none.",
        "reroute": "Whether the URL path map is looked at again with the new path.",
        "condition": "A condition; the rule acts where all of them hold.",
        "request_header": "The new value of a request header, a template; empty: deleted.",
        "response_header": "The new value of a response header, a template; empty: deleted.",
        "response_header_matcher": "Which lines of Set-Cookie `response_header.Set-Cookie` is about.",
    },
    "backend_settings": {
        "": "How the bytes of L4 listeners go to the servers of a pool.",
        "port": "The port of servers without one of their own.",
        "protocol": "`Tcp` or `Tls`.",
        "timeout": "Seconds for connecting, and without a byte either way.",
        **_TRUST,
        "enable_l4_client_ip_preservation": "Whether the server gets a PROXY protocol header (v2) first.",
        "proxy_protocol_tls": "Whether that header tells of the client's TLS and certificate.",
        "probe": "The `probe`, `Tcp` or `Tls`; unset: whether the server can be connected to.",
    },
    "redirect_configuration": {
        "": "Where clients are sent.",
        "redirect_type": "`Permanent` (301), `Found` (302), `SeeOther` (303) or `Temporary` (307).",
        "target_listener": "To this `http_listener`.",
        "target_url": "Or to this URL.",
        "include_path": "Whether the path is kept.",
        "include_query_string": "Whether the query is kept.",
    },
    "path_rule": {
        "": "Paths of a URL path map: `[path_rule MAP/NAME]`. The first of the file that fits counts.",
        "paths": "Patterns such as `/images/*`; `*` only at the end, case does not count.",
        **_ENDS,
        "client_certificate": (
            "Of a Passthrough listener: `Require` makes these paths Strict, by a page with status 400; `Ignore`:"
            " certificates do not count there, and no header tells of them."
        ),
        "deny_unless": _DENY,
    },
    "url_path_map": {
        "": "Path rules, and what becomes of all other paths.",
        **{f"default_{key}": text for key, text in _ENDS.items()},
        "default_deny_unless": _DENY,
    },
    "custom_error": {
        "": "A page in place of the gateway's own: `[custom_error gateway/502]` or `[custom_error LISTENER/502]`.",
        "file": "An .htm or .html file of less than 1 MB.",
    },
    "request_routing_rule": {
        "": "Binds an `http_listener` to what becomes of its requests.",
        "priority": "1 to 20000, each once; the smaller comes first.",
        "http_listener": "The listener; each has one rule.",
        "rule_type": "`Basic` or `PathBasedRouting`.",
        **_ENDS,
        "url_path_map": "The `url_path_map`, with `PathBasedRouting`.",
        "deny_unless": _DENY,
    },
    "routing_rule": {
        "": "Binds an L4 `listener` to a pool.",
        "priority": "1 to 20000, each once; the smaller comes first.",
        "listener": "The listener; each has one rule.",
        "backend_address_pool": "The pool.",
        "backend_settings": "How its servers are spoken to.",
        "rule_type": "`Basic`.",
    },
}
"""By kind of section and key; the empty key is the section itself. The families of keys stand under their names."""
