"""The profiles in force, as far as OCSP goes."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.resources import SslProfile, WithoutNocheck
from agwtwisted.core.revocation.profiles import ProfilesInForce, profile_key, rules_of
from tests.revocations import PROFILE, profile


class KeyTests(SynchronousTestCase):
    """What distinguishes profiles."""

    def test_profile_key(self) -> None:
        """Every key of a profile about OCSP distinguishes profiles."""
        names = [field.name for field in attrs.fields(SslProfile) if field.name.startswith("ocsp_")]
        self.assertGreaterEqual(len(names), 10)
        keys = {profile_key(attrs.evolve(PROFILE, **{name: ()})) for name in ("name", *names)}
        others = {profile_key(attrs.evolve(PROFILE, **{name: (1,)})) for name in ("name", *names)}
        self.assertEqual(len(keys | others | {profile_key(PROFILE)}), 2 * len(names) + 2)


class RulesTests(SynchronousTestCase):
    """What a profile believes."""

    def test_rules(self) -> None:
        """The rules are the profile's keys."""
        by = profile(ocsp_clock_skew=1.0, ocsp_max_age=2.0, ocsp_default_age=3.0)
        rules = rules_of(by)
        self.assertEqual((rules.clock_skew, rules.max_age, rules.default_age, rules.without_nocheck), (1, 2, 3, False))
        lax = profile(ocsp_responder_without_nocheck=WithoutNocheck.ALLOW)
        self.assertTrue(rules_of(lax).without_nocheck)


class InForceTests(SynchronousTestCase):
    """Those of one configuration after those of another."""

    def setUp(self) -> None:
        self.profiles = ProfilesInForce()
        self.profiles.use([profile(name=name) for name in ("same", "changed", "gone")])

    def test_changes(self) -> None:
        """It says which are new, changed or gone; other certificates that a profile trusts are no change here."""
        trusted = ("not looked at",)
        names = self.profiles.use(
            [
                profile(name="same", trusted_client_certificates=trusted),
                profile(name="changed", ocsp_timeout=1.0),
                profile(name="new"),
            ]
        )
        self.assertEqual(names, {"changed", "gone", "new"})

    def test_found(self) -> None:
        """By its name the one in force is found; by its key only if it has not changed."""
        keys = [profile_key(profile(name=name)) for name in ("same", "changed", "gone")]
        self.profiles.use([profile(name="same"), profile(name="changed", ocsp_timeout=1.0)])
        self.assertEqual([self.profiles.same(key) is not None for key in keys], [True, False, False])
        found = self.profiles.named("changed")
        assert found
        self.assertEqual((found.ocsp_timeout, self.profiles.named("gone")), (1.0, None))

    def test_any(self) -> None:
        """For a client whose profile does not ask, one that does is found, else one with the standard rules."""
        self.assertEqual(rules_of(ProfilesInForce().named_or_any("lists")), rules_of(PROFILE))
        self.profiles.use([profile(name="first"), profile(name="second")])
        found = [self.profiles.named_or_any(name) for name in ("second", "lists")]
        self.assertEqual([each.name for each in found], ["second", "first"])

    def test_no_certificates(self) -> None:
        """What a profile trusts is not kept: it belongs to the configuration."""
        self.profiles.use([profile(trusted_client_certificates=("trusted",))])
        found = self.profiles.named(PROFILE.name)
        assert found
        self.assertEqual(found.trusted_client_certificates, ())
