"""What people write who come from other files and from the product, and what to write here instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_QUOTED: Final = re.compile(r"([\"']).*\1|(?:.*[,\n])?[ \t]*([\"'])[^,\n]*\2[ \t]*(?:[,\n].*)?", re.DOTALL)
"""In quotes as a whole, or one of several values."""
_HASH: Final = re.compile(r"[ \t]#")
_HOME: Final = re.compile(r"~(?:[A-Za-z0-9_.-]*)(?:/|$)|\$(?:\w+|\{\w+\})|%\w+%")
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

QUOTES: Final = "quotes are part of the value: remove them"
COMMENT: Final = "# begins a comment only at the start of a line: after a value or a section use ;"
NOT_EXPANDED: Final = (
    "~ and variables are not expanded: write the whole path, or a path relative to this file's directory"
)


def of_value(text: str) -> str:
    """What may be wrong with a value that is not taken, or is not what its author meant; empty where nothing is."""
    if _QUOTED.fullmatch(text):
        return QUOTES
    return COMMENT if _HASH.search(text) else ""


def of_header(text: str) -> str:
    """The same of the line of a section."""
    if _HASH.search(text):
        return COMMENT
    return "names have no quotes" if '"' in text or "'" in text else ""


def of_path(text: str) -> str:
    """The same of a path."""
    return NOT_EXPANDED if _HOME.match(text) else of_value(text)


def of_key(kind: str, key: str) -> str:
    """What a key of the product is called in a section of that kind; empty where the product has none of that name."""
    word = snake_case(key)
    return _KEYS.get(kind, {}).get(word, "") or _KEYS_ANYWHERE.get(word, "")


def of_kind(kind: str) -> str:
    """The same of a kind of section."""
    return _KINDS.get(snake_case(kind), "")


def snake_case(name: str) -> str:
    """``frontendPort`` as ``frontend_port``: the product's words as they are spelled here."""
    return _CAPITAL.sub("_", name).replace("-", "_").lower()


def _write(ours: str) -> str:
    return f"write {ours}"


_NOT_YET: Final = "not supported by this version"
_OF_AZURE: Final = "it belongs to the product's cloud and has no meaning here: remove it"
_SECTIONS: Final = "each is a separate section: "
_FILES: Final = "certificate_file with key_file, or with password_file for a .pfx"

_LISTENER: Final = {
    "frontend_port": _write("port"),
    "frontend_ip_configuration": _write("address"),
    "frontend_ip": _write("address"),
    "host_name": _write("host_names"),
    "hostname": _write("host_names"),
    "hostnames": _write("host_names"),
    "custom_error_configurations": _SECTIONS + "[custom_error LISTENER/STATUS]",
    "firewall_policy": _NOT_YET,
}
_OF_GATEWAY: Final = dict.fromkeys(
    (
        *("access_log", "drain_timeout", "watch_files", "server_header", "max_connections"),
        *("max_connections_per_address", "silent_timeout", "handshake_timeout", "header_timeout", "body_timeout"),
        *("idle_timeout", "min_body_rate", "min_response_rate", "max_header_bytes", "max_header_lines"),
        *("max_body_bytes", "http2_max_concurrent_streams", "http2_max_requests", "http2_max_header_list"),
        *("http2_max_header_field", "http2_idle_timeout"),
    ),
    "it is a key of [gateway], for all listeners",
)
_DRAINING: Final = ("connection_draining", "drain_timeout", "drain_timeout_in_sec")
_BACKEND: Final = {
    "authentication_certificates": _write("trusted_root_certificates"),
    "pick_hostname_from_backend_address": _write("pick_host_name_from_backend_address"),
    "probe_enabled": "there is always a probe: set probe, or use the default one",
}

_KEYS: Final[Mapping[str, Mapping[str, str]]] = {
    "gateway": {
        "frontend_ports": "each listener has its own port",
        "frontend_ip_configurations": "each listener has its own address",
        "custom_error_configurations": _SECTIONS + "[custom_error gateway/STATUS]",
        "firewall_policy": _NOT_YET,
        "web_application_firewall_configuration": _NOT_YET,
        "enable_fips": _NOT_YET,
        "enable_request_buffering": "requests are always streamed",
        "enable_response_buffering": "responses are always streamed",
        "http2": _write("enable_http2"),
    },
    "http_listener": {
        **_LISTENER,
        **_OF_GATEWAY,
        **dict.fromkeys(("http2", "alpn_protocols"), _write("enable_http2")),
    },
    "listener": _LISTENER | {"enable_http2": "its servers speak HTTP/2 or not: write alpn_protocols = h2, http/1.1"},
    "backend_address_pool": {
        "fqdn": _write("backend_addresses"),
        "ip_address": _write("backend_addresses"),
        "backend_ip_configurations": _OF_AZURE,
    },
    "backend_http_settings": {
        **_BACKEND,
        **dict.fromkeys(_DRAINING, _write("connection_draining_timeout, in seconds")),
        "override_backend_path": _write("path"),
        "backend_path": _write("path"),
        "enable_http2": "servers are asked in HTTP/1.1, whatever clients speak",
    },
    "backend_settings": {
        **_BACKEND,
        **dict.fromkeys(_DRAINING, "sessions of a server that goes down have 30 seconds: remove it"),
    },
    "probe": {
        "match": _write("match_status_codes and match_body"),
        "status_codes": _write("match_status_codes"),
        "body": _write("match_body"),
    },
    "ssl_certificate": {
        "data": _write(_FILES),
        "password": _write("password_file, a file that contains nothing else"),
        "public_cert_data": _write(_FILES),
        "key_vault_secret_id": f"certificates are files here: {_FILES}",
    },
    "trusted_client_certificate": {"data": _write("file")},
    "trusted_root_certificate": {"data": _write("file"), "key_vault_secret_id": "certificates are files here: file"},
    "ssl_profile": {
        "client_auth_configuration": _write("verify_client_auth_mode, verify_client_cert_issuer_dn and the like"),
    },
    "url_path_map": {"path_rules": _SECTIONS + "[path_rule MAP/NAME]"},
    "load_distribution_policy": {
        "load_distribution_targets": _SECTIONS + "[load_distribution_target POLICY/NAME]",
    },
    "custom_error": {
        "status_code": "the status is in the name of the section: [custom_error LISTENER/502]",
        "page_url": _write("file, and custom_error_page_url for an export"),
    },
    "rewrite_rule_set": {"rewrite_rules": _SECTIONS + "[rewrite_rule SET/NAME]"},
    "rewrite_rule": {
        "conditions": _write("condition.1, condition.2 and so on"),
        "action_set": _write("request_header.NAME, response_header.NAME, url_path and url_query_string"),
        "request_header_configurations": _write("request_header.NAME"),
        "response_header_configurations": _write("response_header.NAME"),
        "url_configuration": _write("url_path, url_query_string and reroute"),
        "header_name": _write("request_header.NAME or response_header.NAME"),
        "header_value": _write("request_header.NAME or response_header.NAME, and the value behind ="),
        "header_value_matcher": _write("response_header_matcher.Set-Cookie"),
        "modified_path": _write("url_path"),
        "modified_query_string": _write("url_query_string"),
        "variable": "a condition is one line here: condition.1 = VARIABLE OPERATOR PATTERN",
        "pattern": "a condition is one line here: condition.1 = VARIABLE OPERATOR PATTERN",
        "ignore_case": "a condition is one line here: the operators ~* and ==* ignore case",
        "negate": "a condition is one line here: the operators !~ and != negate",
    },
    "request_routing_rule": {"backend_settings": _write("backend_http_settings")},
    "routing_rule": {"backend_http_settings": _write("backend_settings"), "http_listener": _write("listener")},
}

_KEYS_ANYWHERE: Final[Mapping[str, str]] = dict.fromkeys(
    (
        *("autoscale_configuration", "etag", "force_firewall_policy_association", "id", "identity", "location", "name"),
        *("private_link_configurations", "provisioning_state", "resource_group", "sku", "tags", "type", "zones"),
    ),
    _OF_AZURE,
)

_KINDS: Final[Mapping[str, str]] = {
    "application_gateway": _write("[gateway]"),
    "backend_address_pools": _write("[backend_address_pool NAME]"),
    "backend_http_settings_collection": _write("[backend_http_settings NAME]"),
    "backend_settings_collection": _write("[backend_settings NAME]"),
    "custom_error_configuration": _write("[custom_error LISTENER/STATUS]"),
    "custom_error_configurations": _write("[custom_error LISTENER/STATUS]"),
    "frontend_port": "a listener has its own port: the key port",
    "frontend_ports": "a listener has its own port: the key port",
    "frontend_ip_configuration": "a listener has its own address: the key address",
    "frontend_ip_configurations": "a listener has its own address: the key address",
    "http_settings": _write("[backend_http_settings NAME]"),
    "pool": _write("[backend_address_pool NAME]"),
    "load_distribution_policies": _SECTIONS + "[load_distribution_policy NAME]",
    "load_distribution_targets": _SECTIONS + "[load_distribution_target POLICY/NAME]",
    "rewrite_rule_sets": _write("[rewrite_rule_set NAME], and for each rule [rewrite_rule SET/NAME]"),
    "rule": _write("[request_routing_rule NAME]"),
    "ssl_policy": "it is a key here, of [gateway] or of an [ssl_profile NAME]: ssl_policy",
    "web_application_firewall_configuration": _NOT_YET,
}
