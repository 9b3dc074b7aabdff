"""What lists in files say about a certificate that is explained."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.reports.examination import Examination
from agwtwisted.core.resources.certificates import CrlFile
from agwtwisted.core.verification.verdicts import Refused, Trusted
from agwtwisted.explaining.explain import ExplainError
from agwtwisted.explaining.list_files import with_list_files
from tests import configurations, pki
from tests.core.reports.test_examination import examined
from tests.crls import Crl, revoked

GOOD = configurations.clients_root().issue("listed nowhere")
BAD = configurations.clients_root().issue("listed")


class ListFilesTests(SynchronousTestCase):
    """A profile with a file."""

    def setUp(self) -> None:
        self.file = Path(self.mktemp())
        self.write(Crl(signer=configurations.clients_root(), entries=[revoked(BAD)]))

    def write(self, *lists: Crl) -> None:
        """The file has these lists."""
        self.file.write_bytes(b"".join(each.pem() for each in lists))

    def examination(self, device: pki.Credential) -> Examination:
        """A client, before anything is known."""
        keys = {"verify_client_revocation": tuple(RevocationSource)[::-1], "crl_files": (CrlFile(path=str(self.file)),)}
        found = examined(Trusted(), **keys)
        return attrs.evolve(found, evidence=attrs.evolve(found.evidence, chain=device.chain_der))

    def known(self, device: pki.Credential) -> tuple[object, object]:
        """The status by the list, and by OCSP."""
        [certificate] = with_list_files(self.examination(device)).known
        lists, answers = certificate["sources"]
        self.assertEqual((lists["source"], answers["source"]), ("CRL", "OCSP"))
        return lists["known"]["status"], answers["known"]["status"]

    def test_statuses(self) -> None:
        """Revoked, or good; OCSP is not asked."""
        self.assertEqual(self.known(BAD), ("revoked", None))
        self.assertEqual(self.known(GOOD), ("good", None))
        self.assertFalse(with_list_files(self.examination(BAD)).accepted)
        self.assertTrue(with_list_files(self.examination(GOOD)).accepted)

    def test_over(self) -> None:
        """A list that is over at the time of the examination says good of none, and revoked still."""
        root = configurations.clients_root()
        self.write(Crl(signer=root, entries=[revoked(BAD)], next_update=pki.NOW - timedelta(hours=1)))
        self.assertEqual(self.known(GOOD), (None, None))
        self.assertEqual(self.known(BAD), ("revoked", None))

    def test_of_others(self) -> None:
        """A list of another issuer says nothing."""
        self.write(Crl(signer=pki.Authority.root("Another")))
        self.assertEqual(self.known(GOOD), (None, None))

    def test_nothing_to_know(self) -> None:
        """A certificate that is refused is not looked for."""
        refused = attrs.evolve(self.examination(GOOD), verdict=Refused("x"))
        self.assertIs(with_list_files(refused), refused)

    def test_no_list(self) -> None:
        """A file without lists, or that is not there, is an error as at a start."""
        for content in (b"none", None):
            if content is None:
                self.file.unlink()
            else:
                self.file.write_bytes(content)
            self.assertRaises(ExplainError, with_list_files, self.examination(GOOD))
