"""Where lists about a certificate are asked for, and where not."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.crl_status import CrlSubject
from agwtwisted.revocation.crl_places import MAX_PLACES, MAX_URLS, Places, places_of, rules_of
from tests.revocation_lists import ISSUER, ROOT, device, profile


class PlacesTests(SynchronousTestCase):
    """Certificates with many points."""

    def places(self, *urls: str, **keys: Any) -> Places:
        """Those of a certificate with these points."""
        about = CrlSubject.of(device(*urls).der, ISSUER.der)
        assert isinstance(about, CrlSubject)
        return places_of(about, ISSUER.der, profile(**keys))

    def urls(self, *urls: str, **keys: Any) -> list[str]:
        """Which are asked."""
        return [each.destination.url for each in self.places(*urls, **keys).open]

    def test_order(self) -> None:
        """Points are asked in the certificate's order, each once, so many at most, and of so many URLs at most."""
        urls = [f"http://{number}.example/" for number in range(5)]
        self.assertEqual(self.urls(urls[1], urls[0], urls[1]), [urls[1], urls[0]])
        self.assertEqual(self.urls(*urls), urls[:MAX_PLACES])
        ldap = [f"ldap://{number}.example/" for number in range(MAX_URLS)]
        self.assertEqual(self.urls(*ldap[:-1], *urls), urls[:1])
        self.assertEqual(self.urls(*ldap, *urls), [])

    def test_rules(self) -> None:
        """The address rules of OCSP hold, as far as they can be known before a lookup."""
        places = self.places("http://10.1.2.3/", "http://127.0.0.1:8080/a.crl", "http://pki.example:8080/")
        self.assertEqual([each.destination.host for each in places.open], ["10.1.2.3"])
        self.assertEqual(len(places.hindrances), 2)
        self.assertIn("http://127.0.0.1:8080/a.crl", places.hindrances[0])

    def test_names(self) -> None:
        """A list is stored by its URL and its issuer, whatever the rules are; the bounds are the profile's."""
        [one] = self.places("http://pki.example/").open
        [two] = self.places("http://pki.example/", crl_timeout=3.0).open
        about = CrlSubject.of(device("http://pki.example/").der, ISSUER.der)
        assert isinstance(about, CrlSubject)
        [three] = places_of(about, ROOT.der, profile()).open
        self.assertEqual((one.name, one.rules), (two.name, rules_of(profile())))
        self.assertNotIn(one.name, (three.name, ""))
        self.assertEqual((two.rules.seconds, two.rules.most), (3.0, profile().crl_max_bytes))
