"""An operator's files: what is read of them, and what is wrong with them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import SectionError
from agwtwisted.core.resources.certificates import CrlFile, TrustedClientCertificate
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.verification.chains import TrustedChain, read_chain
from agwtwisted.revocation.crl_files import NO_CRL_FILES, ReadCrlFiles, read_crl_files
from tests import pki
from tests.crls import DELTA, extension
from tests.revocation_lists import DEVICE, ISSUER, OTHER, ROOT, crl, profile


def trusted(*authorities: pki.Authority) -> tuple[TrustedClientCertificate, ...]:
    """A chain of CAs that a profile trusts."""
    chain = read_chain(pki.bundle(*authorities), "trusted.pem", pki.NOW)
    assert isinstance(chain, TrustedChain), chain
    return (TrustedClientCertificate(name="devices", chain=chain),)


class CrlFilesTests(SynchronousTestCase):
    """Files in a directory of their own."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)

    def path(self, data: bytes, name: str = "ca.crl") -> str:
        """A file with this in it."""
        path = self.directory / name
        path.write_bytes(data)
        return str(path)

    def profile(self, *paths: str, **keys: Any) -> SslProfile:
        """One that names files, and trusts the devices' CAs."""
        files = tuple(CrlFile(path=path) for path in paths)
        return profile(**{"crl_files": files, "trusted_client_certificates": trusted(ROOT, ISSUER), **keys})

    def read(self, *paths: str, **keys: Any) -> ReadCrlFiles:
        """What is read of these files."""
        return read_crl_files([self.profile(*paths, **keys)])

    def problem(self, path: str, **keys: Any) -> str:
        """What is wrong with a file, without its name."""
        error = self.assertRaises(SectionError, self.read, path, **keys)
        self.assertEqual(error.section, "ssl_profile strict")
        self.assertTrue(error.reason.startswith("crl_files: "), error.reason)
        return str(error.reason.removeprefix("crl_files: ").replace(path, "PATH"))

    def test_forms(self) -> None:
        """A file is DER, or PEM with several lists among other blocks; lists of trusted CAs are proven at once."""
        stranger = pki.Authority.root("Stranger")
        several = ISSUER.pem + b"".join(each.pem() for each in (crl(DEVICE), crl(signer=ROOT), crl(signer=stranger)))
        found = self.read(self.path(crl(DEVICE, OTHER).der()), self.path(several, "several.pem"))
        der, pem = found.files.values()
        self.assertEqual([len(each.crl.table) for each in der.proven], [2])
        self.assertEqual([len(each.crl.table) for each in pem.proven], [1, 0])
        self.assertEqual([each.stored.issuer for each in pem.proven], [ISSUER.der, ROOT.der])
        self.assertEqual(len(pem.unproven), 1)
        self.assertEqual({each.file for each in pem.proven}, {pem.path})

    def test_other_key(self) -> None:
        """Of the lists that no trusted CA has signed those with the name of one are told from those of strangers."""
        stranger, alien = pki.Authority.root("Stranger"), attrs.evolve(pki.Authority.root("x"), subject=ISSUER.subject)
        [found] = self.read(self.path(crl(signer=stranger).pem() + crl(signer=alien).pem())).files.values()
        self.assertEqual([each.is_of_other_key for each in found.unproven], [False, True])

    def test_expired(self) -> None:
        """A list that has ended is taken: it revokes, and its successor may come any moment."""
        found = self.read(self.path(crl(DEVICE, days=-0.5).der()))
        self.assertEqual(len(found.files[self.path(crl(DEVICE, days=-0.5).der())].proven), 1)

    def test_bad(self) -> None:
        """What can never count is an error of the configuration, with the section that names the file."""
        self.assertEqual(self.problem(str(self.directory / "none")), "cannot read PATH: No such file or directory")
        self.assertIn("cannot read PATH", self.problem(str(self.directory)))
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        self.assertEqual(self.problem(str(fifo)), "cannot read PATH: it is no regular file")
        self.assertIn("PATH: the file has no CRL", self.problem(self.path(b"")))
        self.assertIn("PATH: the file has no CRL", self.problem(self.path(ISSUER.pem)))
        self.assertIn("cannot be read", self.problem(self.path(crl().der()[:-1])))
        self.assertIn("nextUpdate", self.problem(self.path(crl(next_update=None).der())))
        self.assertIn("delta", self.problem(self.path(crl(extensions=[extension(DELTA, pki.tlv(2, b"\1"))]).der())))
        self.assertIn("signature", self.problem(self.path(crl().der()[:-4] + b"1234")))
        data = crl(DEVICE).der()
        message = f"PATH: a CRL has {len(data)} bytes, of at most crl_max_bytes (100)"
        self.assertEqual(self.problem(self.path(data), crl_max_bytes=100), message)

    def test_largest_bound(self) -> None:
        """Of profiles that share a file the largest bound counts, and it is read once."""
        path = self.path(crl(DEVICE).der())
        found = read_crl_files([self.profile(path, name="small", crl_max_bytes=100), self.profile(path)])
        self.assertEqual(list(found.files), [path])

    def test_unchanged(self) -> None:
        """A file that has not changed is not read again, unless other CAs are trusted."""
        path = self.path(crl(DEVICE).der())
        before = self.read(path)
        again = read_crl_files([self.profile(path)], before)
        self.assertIs(again.files[path], before.files[path])
        self.assertEqual(again.followed.keys(), {path})
        others = self.profile(path, trusted_client_certificates=trusted(ROOT))
        self.assertEqual(len(read_crl_files([others], before).files[path].unproven), 1)
        self.path(crl(DEVICE, number=2).der())
        self.assertEqual(read_crl_files([self.profile(path)], before).files[path].proven[0].crl.number, 2)
        self.assertEqual(NO_CRL_FILES.followed, {})
