"""Every kind of section of the configuration file, in the product's names.

Sections and keys of the configuration contract that this version does not carry are here too: they are refused rather
than passed over, but for the value that changes nothing. The keys of each kind stand in the modules about its topic.
"""

from __future__ import annotations

from typing import Final

from agwtwisted.core.sections import arm_keys, backend_keys, control_keys, listener_keys, rule_keys, tls_keys

KINDS: Final = {
    kind.name: kind
    for kind in (
        listener_keys.GATEWAY,
        control_keys.CONTROL,
        arm_keys.ARM,
        tls_keys.SSL_CERTIFICATE,
        tls_keys.TRUSTED_CLIENT_CERTIFICATE,
        tls_keys.TRUSTED_ROOT_CERTIFICATE,
        tls_keys.SSL_PROFILE,
        listener_keys.HTTP_LISTENER,
        listener_keys.LISTENER,
        backend_keys.BACKEND_ADDRESS_POOL,
        backend_keys.LOAD_DISTRIBUTION_TARGET,
        backend_keys.LOAD_DISTRIBUTION_POLICY,
        backend_keys.PROBE,
        backend_keys.BACKEND_HTTP_SETTINGS,
        rule_keys.REWRITE_RULE_SET,
        rule_keys.REWRITE_RULE,
        backend_keys.BACKEND_SETTINGS,
        rule_keys.REDIRECT_CONFIGURATION,
        rule_keys.PATH_RULE,
        rule_keys.URL_PATH_MAP,
        rule_keys.CUSTOM_ERROR,
        rule_keys.REQUEST_ROUTING_RULE,
        rule_keys.ROUTING_RULE,
    )
}
"""The kinds of sections by name; one that is referred to stands before those that refer to it."""
