"""`agwtwisted.core.reports.revocation_report`: what `--check` shows of the check of revocation."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.tables import WIDTH
from agwtwisted.core.http.service_urls import StoreAddress
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.reports.revocation_report import revocation_tables
from agwtwisted.core.resources.certificates import CrlFile
from agwtwisted.core.resources.resources import Config, RevocationScope, RevocationUnavailable
from tests import configurations

OCSP, CRL = RevocationSource


def config(gateway: dict[str, Any] | None = None, **keys: Any) -> Config:
    """GOOD, with other values of its profile and of the gateway."""
    made = configurations.plan(configurations.changed()).config
    listener = next(each for each in made.http_listeners if each.ssl_profile is not None)
    assert listener.ssl_profile is not None
    listener = attrs.evolve(listener, ssl_profile=attrs.evolve(listener.ssl_profile, **keys))
    return attrs.evolve(made, http_listeners=(listener,), gateway=attrs.evolve(made.gateway, **gateway or {}))


def lines(gateway: dict[str, Any] | None = None, **keys: Any) -> list[str]:
    """The lines of the tables, with single spaces."""
    text = "\n".join(revocation_tables(config(gateway, **keys)))
    assert max(map(len, text.splitlines()), default=0) <= WIDTH
    return [" ".join(line.split()) for line in text.splitlines()]


class RevocationReportTests(SynchronousTestCase):
    """The tables."""

    def test_none(self) -> None:
        """Without a source there is no table."""
        self.assertEqual(lines(), [])

    def test_ocsp(self) -> None:
        """Scope, responders, what becomes of clients without an answer, and how long one is believed."""
        found = lines(verify_client_revocation=(OCSP,))
        for line in (
            "certificates asked about the client's own",
            "at ports 80, 443",
            "in networks public and private ones, not this machine",
            "clients without an answer refused",
            "answers are kept in memory alone",
        ):
            self.assertIn(line, found)
        found = lines(
            {"state_directory": "s"},
            verify_client_revocation=(OCSP,),
            ocsp_scope=RevocationScope.CHAIN,
            ocsp_unavailable=RevocationUnavailable.ALLOW,
            ocsp_responder_url="http://ocsp.internal/",
        )
        for line in (
            "certificates asked about all of the chain but the root",
            "responder http://ocsp.internal/, whatever certificates name",
            "clients without an answer ALLOWED (ocsp_unavailable = Allow)",
            "answers are kept in state_directory",
        ):
            self.assertIn(line, found)

    def test_crl(self) -> None:
        """Scope, files, and bounds of downloads."""
        found = lines(verify_client_revocation=(CRL,), crl_scope=RevocationScope.CHAIN, crl_max_bytes=5000)
        for line in (
            "certificates looked for in CRLs all of the chain but the root",
            "CRLs those that certificates name",
            "at ports 80, 443",
            "a CRL that is downloaded at most 5000 bytes, within 30 s",
        ):
            self.assertIn(line, found)
        files = (CrlFile(path="a"), CrlFile(path="b"))
        found = lines(verify_client_revocation=(CRL,), crl_files=files)
        self.assertIn("CRLs 2 files (crl_files), and those that certificates name", found)

    def test_both(self) -> None:
        """Of two sources the order is said, addresses once, and that each of them has to allow."""
        allow = {"ocsp_unavailable": RevocationUnavailable.ALLOW}
        store = {"revocation_store": StoreAddress(host="redis.internal")}
        found = lines(store, verify_client_revocation=(CRL, OCSP), **allow)
        for line in (
            "asked CRL, then OCSP, where the one before cannot say",
            "clients without an answer refused",
            "answers are shared over redis://redis.internal:6379",
        ):
            self.assertIn(line, found)
        self.assertEqual(found.count("at ports 80, 443"), 1)
        allow["crl_unavailable"] = RevocationUnavailable.ALLOW
        found = lines(verify_client_revocation=(CRL, OCSP), **allow)
        self.assertIn("clients without an answer ALLOWED (crl_unavailable = Allow, ocsp_unavailable = Allow)", found)
