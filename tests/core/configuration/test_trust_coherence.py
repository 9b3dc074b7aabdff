"""What must fit together about the authorities that profiles trust."""

from __future__ import annotations

from datetime import timedelta
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.configuration.trust_coherence import key_of
from tests import pki
from tests.configurations import FILE, GOOD, changed, clients_root, files, load, names_of_size, said


class LimitTests(SynchronousTestCase):
    """Limits of a whole gateway."""

    def test_client_authorities(self) -> None:
        """A gateway has at most 200 trusted client certificates, unused ones included; a file counts once."""
        source = files(**{f"c{number}_pem": clients_root().pem for number in range(200)})
        more = "".join(f"\n[trusted_client_certificate c{n}]\nfile = pki/c{n}.pem\n" for n in range(199))
        again = "".join(f"\n[trusted_client_certificate again{n}]\nfile = pki/c0.pem\n" for n in range(5))
        self.assertEqual(len(load(GOOD + again + more, source).http_listeners), 1)
        last = "\n[trusted_client_certificate last]\nfile = pki/c199.pem\n"
        [line] = said(GOOD + again + more + last, source)
        self.assertIn("[trusted_client_certificate last] is one of 201", line)


class PublicTests(SynchronousTestCase):
    """Public CAs."""

    def warned(self, text: str, *roots: pki.Authority) -> list[str]:
        """The warnings where the machine trusts these roots."""
        keys = frozenset(key_of(root.parsed) for root in roots)
        plan = parse(text.encode(), FILE, files().read, now=pki.NOW, system_roots=lambda: keys)
        return [str(warning) for warning in plan.config.warnings]

    def test_a_root_of_the_system(self) -> None:
        """A root that the machine trusts for servers accepts any client with a certificate of a public CA: a
        warning.
        """
        [line] = self.warned(GOOD, pki.Authority.root("Other"), clients_root())
        self.assertIn("WARNING conf/gw.ini:", line)
        self.assertIn("this machine trusts for servers", line)

    def test_read_once(self) -> None:
        """The machine's authorities, which take their time to read, are read once for all that is trusted."""
        more = "".join(f"\n[trusted_client_certificate c{n}]\nfile = pki/clients-ca.pem\n" for n in range(3))
        text = changed(("trusted_client_certificates = devices", "trusted_client_certificates = devices, c0, c1, c2"))
        roots = mock.Mock(return_value=frozenset())
        parse((text + more).encode(), FILE, files().read, system_roots=roots)
        roots.assert_called_once()

    def test_renewed(self) -> None:
        """However the machine's certificate of it is dated, it is the same authority."""
        renewed = pki.Authority.root("Clients Root", key=clients_root().key, not_after=pki.NOW + timedelta(days=1))
        self.assertEqual(len(self.warned(GOOD, renewed)), 1)

    def test_other_roots(self) -> None:
        """Of others nothing is said, not even if they have its name."""
        self.assertEqual(self.warned(GOOD, pki.Authority.root("Clients Root")), [])

    def test_where_it_does_not_matter(self) -> None:
        """Nor is it where only certificates of one issuer are taken, or any at all."""
        pinned = changed(
            ("trusted_client_certificates = ", "verify_client_cert_issuer_dn = true\ntrusted_client_certificates = ")
        )
        self.assertEqual(self.warned(pinned, clients_root()), [])


class TimeTests(SynchronousTestCase):
    """Roots that are out of their time."""

    def lines(self, **roots: pki.Authority) -> list[str]:
        """What is said of a profile that trusts these."""
        written = changed(
            ("trusted_client_certificates = devices", f"trusted_client_certificates = {', '.join(roots)}")
        )
        sections = "".join(f"\n[trusted_client_certificate {name}]\nfile = pki/{name}.pem\n" for name in roots)
        source = files(**{f"{name}_pem": root.pem for name, root in roots.items()})
        return said(written + sections, source)

    def test_one_of_several(self) -> None:
        """Of one there is a warning about its file; the others let clients in."""
        old = pki.Authority.root("Old", not_after=pki.NOW - timedelta(seconds=1))
        lines = self.lines(old=old, good=clients_root())
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("'CN=Old': expired on 2026-06-01", lines[0])

    def test_all(self) -> None:
        """Where all are, the profile refuses every client: a warning too, and the gateway starts."""
        old = pki.Authority.root("Old", not_after=pki.NOW - timedelta(seconds=1))
        new = pki.Authority.root("New", not_before=pki.NOW + timedelta(seconds=1))
        lines = self.lines(old=old, new=new)
        self.assertTrue(all(line.startswith("WARNING") for line in lines), lines)
        [line] = [line for line in lines if "[ssl_profile strict]" in line]
        self.assertIn("every root that it trusts has expired or is not valid yet", line)


class NamesTests(SynchronousTestCase):
    """The names of CAs that go out in every handshake."""

    def lines(self, total: int, keys: str = "", *, mode: str = "Strict") -> list[str]:
        """What is said of a Strict profile whose names have so many bytes, lengths included."""
        names = names_of_size(total)
        roots = {f"c{number}": pki.Authority.root(name, key=KEY) for number, name in enumerate(names)}
        written = changed(
            ("verify_client_auth_mode = Strict", f"verify_client_auth_mode = {mode}\n{keys}"),
            ("trusted_client_certificates = devices", f"trusted_client_certificates = {', '.join(roots)}"),
        )
        sections = "".join(f"\n[trusted_client_certificate {name}]\nfile = pki/{name}.pem\n" for name in roots)
        return said(written + sections, files(**{f"{name}_pem": root.pem for name, root in roots.items()}))

    def test_too_many(self) -> None:
        """More than a handshake can carry are an error that names profile, sizes and key; no word of fewer."""
        self.assertEqual(self.lines(16_000), [])
        [line] = self.lines(65_001)
        for word in ("ERROR", "[ssl_profile strict]", "65 names", "65001 bytes", "65000", "advertise_ca_names = false"):
            self.assertIn(word, line)

    def test_too_many_for_small_clients(self) -> None:
        """More than one record can carry are a warning."""
        for size in (16_001, 65_000):
            [line] = self.lines(size)
            self.assertTrue(line.startswith("WARNING") and f"{size} bytes" in line, line)
            self.assertIn("advertise_ca_names = false", line)

    def test_where_none_are_sent(self) -> None:
        """Where they are not sent any number will do."""
        self.assertEqual(self.lines(65_001, "advertise_ca_names = false"), [])

    def test_without_strict(self) -> None:
        """Without Strict none are sent, and the key says nothing."""
        lines = self.lines(65_001, "advertise_ca_names = true", mode="Passthrough")
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("advertise_ca_names has no effect without Strict", lines[0])


KEY = pki.ec_key()
