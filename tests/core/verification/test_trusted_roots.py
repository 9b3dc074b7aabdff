"""Files of CA certificates against which servers are verified."""

from __future__ import annotations

from datetime import timedelta

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.verification.trusted_roots import TrustedRoots, read_roots
from tests import pki

LATE = pki.NOW - timedelta(days=1)


def said(data: bytes) -> list[str]:
    """Every problem with a file."""
    found = read_roots(data, "roots.pem", pki.NOW)
    assert not isinstance(found, TrustedRoots)
    return [str(problem) for problem in found]


class ReadRootsTests(SynchronousTestCase):
    """What is taken, and what is not."""

    def taken(self, data: bytes) -> TrustedRoots:
        """What a good file holds."""
        found = read_roots(data, "roots.pem", pki.NOW)
        assert isinstance(found, TrustedRoots), found
        return found

    def test_any_number(self) -> None:
        """Roots and intermediates, each once, in PEM or DER."""
        one, other = pki.Authority.root("One"), pki.Authority.root("Other")
        issuer = one.intermediate("Issuer")
        found = self.taken(pki.bundle(issuer, one, other, one))
        self.assertEqual(found.certificates, tuple(each.parsed for each in (issuer, one, other)))
        self.assertEqual(found.warnings, ())
        self.assertEqual(self.taken(one.der).certificates, (one.parsed,))

    def test_no_root(self) -> None:
        """Intermediates alone are no end of a chain."""
        issuer = pki.Authority.root().intermediate("Issuer")
        [line] = said(issuer.pem)
        self.assertIn("roots.pem:1 no root CA certificate (self-signed) in the file", line)

    def test_no_authority(self) -> None:
        """A certificate that an authority issued to a server is no root; the line is reported."""
        root = pki.Authority.root()
        leaf = root.issue_server("app.example")
        [line] = said(pki.bundle(root, leaf))
        self.assertIn(f"roots.pem:{len(root.pem.splitlines()) + 1} not a CA certificate", line)

    def test_self_signed(self) -> None:
        """The self-signed certificate of a server is taken with a warning: it is trusted itself."""
        found = self.taken(pki.self_signed("app.example").pem)
        self.assertIn("self-signed and no CA (basicConstraints CA:TRUE)", found.warnings[0])

    def test_what_does_not_belong(self) -> None:
        """Private keys, garbage, and nothing at all."""
        root = pki.Authority.root()
        self.assertIn("a private key does not belong in this file", "".join(said(root.pem + root.key_pem)))
        self.assertIn("neither PEM", "".join(said(b"not a certificate")))
        self.assertIn("the file is empty", "".join(said(b"\n")))

    def test_unreadable(self) -> None:
        """A certificate whose extensions cannot be read."""
        twice = pki.Authority.root(extra=[pki.key_usage("key_cert_sign")])
        self.assertIn("cannot be parsed", "".join(said(twice.pem)))

    def test_time(self) -> None:
        """One that is out of its time is reported; when no root is in its time, no server can be verified."""
        good, old = pki.Authority.root("Good"), pki.Authority.root("Old", not_after=LATE)
        young = pki.Authority.root("Young", not_before=pki.NOW + timedelta(days=1))
        found = self.taken(pki.bundle(good, old, young))
        self.assertEqual(
            [warning.partition(": ")[2][:14] for warning in found.warnings], ["'CN=Old': expi", "'CN=Young': no"]
        )
        line, *_ = self.taken(pki.bundle(old, young)).warnings
        self.assertIn("no server can be verified: line 1: 'CN=Old': expired on 2026-05-31", line)
        unasked = read_roots(old.pem, "roots.pem")
        assert isinstance(unasked, TrustedRoots)
        self.assertEqual(unasked.warnings, ())
