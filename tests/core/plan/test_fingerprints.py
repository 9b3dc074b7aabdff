"""Fingerprints of configuration values."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.fingerprints import Fingerprints
from agwtwisted.core.resources.backend_pools import BackendAddress, BackendAddressPool
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import CertificateHeaders, Config, SslProfile
from agwtwisted.core.rules.conditions import Condition, access_condition
from agwtwisted.core.rules.rewriting import HeaderAction
from agwtwisted.core.rules.templates import Scope, Template
from tests import servers
from tests.gateways import policy


def of(value: object) -> str:
    """The fingerprint, made alone."""
    return Fingerprints().of(value)


class FingerprintTests(SynchronousTestCase):
    """Equal values have one fingerprint, different ones two."""

    def test_plain_values(self) -> None:
        """Values of different types, and sequences cut in different ways, are distinguished."""
        values = [
            *(None, True, False, 0, 1, 1.0, "1", b"1", "", b"", ()),
            *(("a", "b"), ("ab",), ("a", ("b",)), (("a", "b"),), ("a", "b", ""), frozenset({"a"}), ("a",)),
            *(CertificateHeaders.ON, "on"),
        ]
        self.assertEqual(len({of(each) for each in values}), len(values))

    def test_sets(self) -> None:
        """The order in which a set gives its members does not count."""
        names = [f"name-{number}" for number in range(100)]
        self.assertEqual(of(frozenset(names)), of(frozenset(reversed(names))))

    def test_every_field_counts(self) -> None:
        """A value that differs in any field that its constructor takes has another fingerprint."""
        pool = BackendAddressPool(name="a", backend_addresses=(BackendAddress(host="a"),))
        others = [
            attrs.evolve(pool, name="b"),
            attrs.evolve(pool, backend_addresses=()),
            attrs.evolve(pool, backend_addresses=(BackendAddress(host="a", port=1),)),
        ]
        self.assertEqual(len({of(each) for each in (pool, *others)}), 4)
        self.assertEqual(of(pool), of(attrs.evolve(pool)))

    def test_certificates(self) -> None:
        """A certificate is another one with other files, and where it is stapled or not."""
        own = servers.own(servers.credential())
        others = [attrs.evolve(own, **change) for change in ({"source": b"x"}, {"name": "b"}, {"ocsp_stapling": False})]
        self.assertEqual(len({of(each) for each in (own, *others)}), 4)
        self.assertEqual(of(own), of(attrs.evolve(own)))

    def test_classes(self) -> None:
        """Two classes with the same fields are two things."""
        self.assertNotEqual(of(Config(gateway=Gateway(ssl_policy=policy()))), of(Gateway(ssl_policy=policy())))

    def test_compiled_values(self) -> None:
        """Conditions and templates, compiled twice, are equal by their texts, and differ by them."""
        texts = ("var_uri_path == /a", "var_uri_path == /b", "http_req_a ~ (x)")
        for make in (Condition.of, access_condition):
            self.assertEqual([of(make(each)) for each in texts], [of(make(each)) for each in texts])
            self.assertEqual(len({of(make(each)) for each in texts}), 3)
        templates = [Template.of(each, Scope()) for each in ("{var_host}", "{var_host}", "{var_http_method}")]
        self.assertEqual([of(each) == of(templates[0]) for each in templates], [True, True, False])

    def test_matchers(self) -> None:
        """A matcher is its text; one whose text is not known is an error, and no equal of others."""
        action = HeaderAction(name=b"Set-Cookie", canonical=b"set-cookie", matcher=lambda value: None)
        found = {of(attrs.evolve(action, matcher_text=text)) for text in ("~ a", "~ b")}
        self.assertEqual(len(found | {of(attrs.evolve(action, matcher=None))}), 3)
        self.assertRaises(TypeError, of, action)

    def test_unknown_values(self) -> None:
        """What has no canonical text is an error."""
        for value in (object(), [1], {"a": 1}, (b"", len)):
            self.assertRaises(TypeError, of, value)

    def test_once(self) -> None:
        """A value that several share is gone through once; what was made is kept with the value it is of."""
        profile = SslProfile(name="p", ssl_policy=policy())
        fingerprints = Fingerprints()
        self.assertEqual(fingerprints.of(profile), fingerprints.of(profile))
        self.assertEqual([value for value, _ in fingerprints._made.values() if value is profile], [profile])
