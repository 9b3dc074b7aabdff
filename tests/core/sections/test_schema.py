"""The tables of sections and keys."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.configuration.coherence import LISTENERS
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.sections.schema import KINDS
from tests.configurations import changed, load, said

DERIVED = {
    *(
        "name",
        "client_auth",
        "certificates",
        "key",
        "source",
        "chain",
        "path_rules",
        "targets",
        "listener",
        "status",
        "page",
    ),
    *("conditions", "request_conditions", "response_conditions", "request_headers", "response_headers"),
    *("rules", "repeats"),
}
"""Fields of resources that are no keys: they come from the section's name, other keys, or files."""

LATER = {
    "request_routing_rule": ("rule_type = AdvancedRouting"),
}
NEUTRAL = {
    "backend_http_settings": (
        "path =\nprobe =\nconnection_draining_timeout =\nsni_name =\ncookie_based_affinity = Disabled"
        "\naffinity_cookie_name ="
        "\nvalidate_cert_chain_and_expiry = true\nvalidate_sni = Enabled\nprotocol = Http\nhost_name ="
    ),
    "request_routing_rule": "rule_type = Basic\nrewrite_rule_set =\nurl_path_map =\nredirect_configuration =",
}
LAST_KEYS = {
    "backend_http_settings": "port = 9000\n",
    "request_routing_rule": "backend_http_settings = app\n",
}


class TableTests(SynchronousTestCase):
    """Tables and resources belong together."""

    def test_every_field_has_a_key(self) -> None:
        """What a resource holds can be said in the file, so that no default is the only value."""
        for name, kind in KINDS.items():
            fields = (
                {*attrs.fields_dict(kind.resource)}
                - DERIVED
                - ({"ssl_policy", "http2"} if name in LISTENERS else set())
            )
            self.assertEqual(fields - {*kind.keys, *kind.families}, set(), name)

    def test_families_do_not_hide_keys(self) -> None:
        """No key looks like a member of a family, and no two families have one name in one kind."""
        for name, kind in KINDS.items():
            self.assertFalse({key.partition(".")[0] for key in kind.keys if "." in key} & {*kind.families}, name)

    def test_semicolons(self) -> None:
        """Values of headers, conditions, patterns and templates go on to the end of the line, no others do."""
        keys = {key for kind in KINDS.values() for key, how in kind.keys.items() if how.literal}
        self.assertEqual(keys, {"server_header", "match_body", "url_path", "url_query_string"})
        families = {(kind.name, name): how.key for kind in KINDS.values() for name, how in kind.families.items()}
        cut = {name for name, how in families.items() if not how.literal}
        self.assertEqual(cut, {("arm", each) for each in ("address", "backend", "certificate", "password", "page")})
        self.assertGreater(len(families), len(cut))

    def test_values_with_semicolons(self) -> None:
        """A header and a condition are taken whole, with a warning each, and a comment behind another value is none."""
        text = changed(("priority = 100\n", "priority = 100 ; the first\n"))
        text += "rewrite_rule_set = set ; all of it\ndeny_unless.1 = http_req_X ~ ^a ;b$\n"
        text += "\n[rewrite_rule set/rule]\nresponse_header.Content-Security-Policy = default-src 'self' ; sandbox\n"
        config = load(text)
        [rule] = config.request_routing_rules
        self.assertEqual(rule.deny_unless[0].operand, "^a ;b$")
        assert rule.rewrite_rule_set
        [header] = rule.rewrite_rule_set.rules[0].response_headers
        assert header.value
        self.assertEqual(header.value.constant, b"default-src 'self' ; sandbox")
        self.assertEqual(["goes on to the end of the line" in str(each) for each in config.warnings], [True, True])

    def test_defaults_are_in_range(self) -> None:
        """The defaults of the gateway pass their own converters."""
        for field in attrs.fields(Gateway):
            if isinstance(field.default, (int, float)) and not isinstance(field.default, bool):
                convert = KINDS["gateway"].keys[field.name].convert
                self.assertEqual(convert(f"{field.default:.15g}"), field.default, field.name)


class LaterTests(SynchronousTestCase):
    """What the configuration contract has and this version has not."""

    def test_keys(self) -> None:
        """Every key that is not carried is refused with its line, all of them at once."""
        for kind, keys in LATER.items():
            last = LAST_KEYS[kind]
            text = changed((last, f"{keys}\n" if "port" in last else f"{last}{keys}\n"))
            lines = said(text)
            self.assertEqual(len(lines), len(keys.splitlines()), lines)
            for line in lines:
                self.assertTrue(line.endswith("is not supported by this version"), line)

    def test_neutral_values(self) -> None:
        """What changes nothing may be said."""
        for kind, keys in NEUTRAL.items():
            last = LAST_KEYS[kind]
            self.assertEqual(said(changed((last, f"{last}{keys}\n"))), [])


class MeaningTests(SynchronousTestCase):
    """A sentence for each key."""

    def test_are_sentences(self) -> None:
        """Each kind, key and family of keys has one paragraph that ends in a full stop."""
        for name, kind in KINDS.items():
            keys = {**kind.keys, **{family: members.key for family, members in kind.families.items()}}
            for key, text in {"": kind.meaning, **{key: how.meaning for key, how in keys.items()}}.items():
                self.assertTrue(text.endswith(".") and "\n" not in text, (name, key))
