"""Which certificates are stapled, what is stapled to them, and when it is renewed."""

from __future__ import annotations

import gc
import weakref
from datetime import timedelta
from typing import Any

import attrs
from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.stapling import (
    MAX_DELAY,
    MAX_RETRY,
    MIN_DELAY,
    NotStapled,
    Staple,
    StapleSubject,
    is_demanded,
    proven_staple,
    renewal_delay,
    retry_delay,
    subject_of,
    subjects_of,
)
from agwtwisted.core.revocation.status import Unusable
from tests import pki, servers
from tests.responder import Response, Single, delegate

NOW = pki.NOW.timestamp()
HOUR = timedelta(hours=1)
ROOT = pki.Authority.root("Root")
ISSUER = ROOT.intermediate("Issuer")
SITE = ISSUER.issue_server("site.example", ocsp_url="http://ocsp.example/")
MUST_STAPLE = x509.Extension(x509.TLSFeature.oid, False, x509.TLSFeature([x509.TLSFeatureType.status_request]))


def subject(site: pki.Credential = SITE) -> StapleSubject:
    """The subject of a certificate that is in a file with its issuer's."""
    found = subject_of(servers.own(site))
    assert isinstance(found, StapleSubject)
    return found


def response(status: str = "good", signer: pki.Credential = ISSUER, **options: Any) -> bytes:
    """A response about SITE."""
    certificates = () if signer is ISSUER else (signer,)
    single = Single(certificate=SITE, status=status, **options)
    return Response(signer=signer, singles=[single], certificates=certificates, produced_at=single.this_update).der()


class SubjectTests(SynchronousTestCase):
    """Which certificates are asked about."""

    def reason(self, site: pki.Credential, **changes: Any) -> str:
        """Why nothing is stapled to it."""
        found = subject_of(attrs.evolve(servers.own(site), **changes))
        assert isinstance(found, NotStapled)
        return found.reason

    def test_subject(self) -> None:
        """A certificate whose issuer is in its file is asked about at the responders that it names."""
        found = subject()
        self.assertEqual([each.url for each in found.responders], ["http://ocsp.example/"])
        self.assertEqual(found.request.issuer.der, ISSUER.der)
        self.assertEqual(found.names, ("own",))
        self.assertFalse(found.is_demanded)

    def test_none(self) -> None:
        """What cannot be asked about has a reason: switched off, no issuer in the file, another CA, no responder."""
        self.assertEqual(self.reason(SITE, ocsp_stapling=False), "ocsp_stapling is false")
        alone = (SITE.certificate,)
        lacking = "the certificate of its issuer is not in its file"
        self.assertEqual(self.reason(SITE, certificates=alone), lacking)
        other = ROOT.intermediate("Issuer")  # of the same name, with another key
        self.assertEqual(self.reason(SITE, certificates=(*alone, other.certificate)), lacking)
        self.assertEqual(self.reason(SITE, certificates=(*alone, *alone)), lacking)
        self.assertEqual(self.reason(ISSUER.issue_server("a.example")), "it names no OCSP responder")
        ldap = ISSUER.issue_server("a.example", ocsp_url="ldap://ocsp.example/")
        self.assertEqual(self.reason(ldap), "it names no OCSP responder")
        own = pki.self_signed("site.example", ocsp_url="http://ocsp.example/")
        self.assertEqual(self.reason(own, certificates=(own.certificate, own.certificate)), lacking)

    def test_found_once(self) -> None:
        """A certificate is read once, as long as it is there: its key goes with its configuration."""
        certificate = servers.own(SITE)
        self.assertIs(subject_of(certificate), subject_of(certificate))
        seen = weakref.ref(certificate)
        gc.disable()
        self.addCleanup(gc.enable)
        del certificate
        self.assertIsNone(seen())

    def test_order_in_the_file(self) -> None:
        """The issuer is found among other certificates, wherever it stands."""
        chain = (SITE.certificate, ROOT.certificate, ISSUER.certificate)
        found = subject_of(attrs.evolve(servers.own(SITE), certificates=chain))
        assert isinstance(found, StapleSubject)
        self.assertEqual(found.request.issuer.der, ISSUER.der)

    def test_demanded(self) -> None:
        """A certificate with the TLS feature status_request demands a staple; one with another feature does not."""
        site = ISSUER.issue_server("a.example", ocsp_url="http://ocsp.example/", extra=(MUST_STAPLE,))
        self.assertTrue(subject(site).is_demanded)
        self.assertTrue(is_demanded(servers.own(site)))
        feature = x509.UnrecognizedExtension(x509.TLSFeature.oid, bytes.fromhex("3003020111"))
        other = ISSUER.issue_server("a.example", extra=(pki.extension(feature),))
        self.assertFalse(is_demanded(servers.own(other)))
        broken = x509.UnrecognizedExtension(x509.TLSFeature.oid, b"\x30\x05\x02")
        self.assertFalse(is_demanded(servers.own(ISSUER.issue_server("a.example", extra=(pki.extension(broken),)))))
        self.assertFalse(is_demanded(servers.own(SITE)))

    def test_each_once(self) -> None:
        """A certificate of two sections is one subject with both names; what cannot be stapled is left out."""
        twice = [attrs.evolve(servers.own(SITE), name=name) for name in ("a", "b", "a")]
        found = subjects_of([*twice, servers.own(ISSUER.issue_server("a.example"))])
        self.assertEqual([each.names for each in found], [("a", "b")])


class ProvenTests(SynchronousTestCase):
    """What is stapled of a response."""

    def assert_unusable(self, data: bytes, words: str, now: float = NOW) -> None:
        """Nothing is stapled of it, for this reason."""
        found = proven_staple(data, subject(), now)
        assert isinstance(found, Unusable), found
        self.assertIn(words, found.reason)

    def test_good(self) -> None:
        """A good response is stapled until its nextUpdate."""
        data = response()
        expected = Staple(response=data, is_revoked=False, this_update=NOW, until=NOW + 3600)
        self.assertEqual(proven_staple(data, subject(), NOW), expected)

    def test_revoked(self) -> None:
        """A revocation is stapled too, and ends what was good before it at whatever age; it is not dated ahead."""
        data = response("revoked")
        found = proven_staple(data, subject(), NOW + 7200)
        self.assertEqual(found, Staple(response=data, is_revoked=True, this_update=NOW, until=NOW + 3600))
        ahead = proven_staple(response("revoked", this_update=pki.NOW + HOUR * 99), subject(), NOW)
        assert isinstance(ahead, Staple)
        self.assertEqual(ahead.this_update, NOW)

    def test_proves_nothing(self) -> None:
        """Nothing is stapled that a client could not believe: unknown, over, of another signer or certificate, junk."""
        self.assert_unusable(response("unknown"), "does not know")
        self.assert_unusable(response(), "expired", NOW + 3600)
        self.assert_unusable(response(this_update=pki.NOW + HOUR), "not valid yet")
        self.assert_unusable(response(signer=delegate(ROOT)), "not of the same issuer")
        self.assert_unusable(response(serial=7), "another certificate")
        self.assert_unusable(response()[:-20], "cannot be read")
        self.assert_unusable(b"", "cannot be read")

    def test_delegates(self) -> None:
        """A delegate may sign; without nocheck, too, since each client judges that by its own rules."""
        for signer in (delegate(ISSUER), delegate(ISSUER, extra=())):
            self.assertIsInstance(proven_staple(response(signer=signer), subject(), NOW), Staple)

    def test_long_lived(self) -> None:
        """A response may be old as long as its nextUpdate is ahead; one without nextUpdate lasts for minutes."""
        old = {"this_update": pki.NOW - timedelta(days=90), "next_update": pki.NOW + HOUR}
        self.assertIsInstance(proven_staple(response(**old), subject(), NOW), Staple)
        found = proven_staple(response(next_update=None), subject(), NOW)
        assert isinstance(found, Staple)
        self.assertEqual(found.until, NOW + 300)

    def test_news(self) -> None:
        """The newer response counts, and of two of one moment the revocation."""

        def staple(this_update: float, *, revoked: bool = False) -> Staple:
            return Staple(response=b"x", is_revoked=revoked, this_update=this_update, until=9.0)

        self.assertTrue(staple(1).is_news_after(None))
        self.assertTrue(staple(2).is_news_after(staple(1)))
        self.assertTrue(staple(2).is_news_after(staple(1, revoked=True)))
        self.assertTrue(staple(1).is_news_after(staple(1)))
        self.assertTrue(staple(1, revoked=True).is_news_after(staple(1)))
        self.assertFalse(staple(1).is_news_after(staple(2)))
        self.assertFalse(staple(1).is_news_after(staple(1, revoked=True)))
        self.assertFalse(staple(1, revoked=True).is_news_after(staple(2)))


class DelayTests(SynchronousTestCase):
    """When the next request is due."""

    def test_renewal(self) -> None:
        """A response is renewed after half to four fifths of its time, at least once a day, not at every moment."""
        self.assertEqual(renewal_delay(3600.0, 0.0, 0.0), 1800.0)
        self.assertAlmostEqual(renewal_delay(3600.0, 0.0, 1.0), 2880.0)
        self.assertEqual(renewal_delay(1e9, 0.0, 0.5), MAX_DELAY)
        self.assertEqual(renewal_delay(-1e9, 0.0, 0.5), MIN_DELAY)

    def test_retries(self) -> None:
        """After failures the requests become rarer, down to one in ten minutes, and are spread."""
        delays = [retry_delay(failures, 1.0) for failures in (1, 2, 3, 4, 99)]
        self.assertEqual(delays, [10.0, 20.0, 40.0, 80.0, MAX_RETRY])
        self.assertEqual(retry_delay(1, 0.0), 5.0)
