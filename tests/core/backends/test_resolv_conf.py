"""resolv.conf(5)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.backends.resolv_conf import MAX_DOTS, MAX_NAME, ResolvConf, parse


class ParseTests(SynchronousTestCase):
    """What the file says."""

    def test_servers(self) -> None:
        """At most three, in their order; what is no address, or one with a zone, cannot be asked."""
        text = b"# mine\nnameserver 192.0.2.53\n nameserver\t2001:db8::53 ; the other\nnameserver fe80::1%eth0\n"
        self.assertEqual(parse(text).servers, ("192.0.2.53", "2001:db8::53"))
        self.assertEqual(parse(b"nameserver\nnameserver localhost\nnameservers 192.0.2.1").servers, ())
        self.assertEqual(len(parse(b"nameserver 192.0.2.1\n" * 9).servers), 3)

    def test_search(self) -> None:
        """The last of domain and search counts; there are six domains at most."""
        self.assertEqual(parse(b"search a.example B.example.\n").search, ("a.example", "b.example"))
        self.assertEqual(parse(b"search a.example\ndomain b.example c.example").search, ("b.example",))
        self.assertEqual(parse(b"domain a.example\nsearch .").search, ())
        self.assertEqual(len(parse(b"search " + b"a.example " * 9).search), 6)

    def test_dots(self) -> None:
        """ndots among other options, within bounds."""
        self.assertEqual(parse(b"").dots, 1)
        self.assertEqual(parse(b"options rotate ndots:5 edns0").dots, 5)
        self.assertEqual(parse(b"options ndots:99999999").dots, MAX_DOTS)
        self.assertEqual(parse(b"options ndots:x ndots: ndots ndots:-1 ndots:" + b"9" * 5000).dots, 1)

    @given(st.binary(max_size=200))
    def test_anything(self, data: bytes) -> None:
        """Whatever the file holds, it says something or nothing."""
        self.assertIsInstance(parse(b"search " + data), ResolvConf)
        self.assertIsInstance(parse(data), ResolvConf)


class CandidatesTests(SynchronousTestCase):
    """For which names is asked."""

    def candidates(self, name: str, dots: int = 1) -> list[str]:
        """The names, with two domains to search."""
        return [*ResolvConf(search=("a.example", "b.example"), dots=dots).candidates(name)]

    def test_order(self) -> None:
        """A name with dots enough is tried as it stands first, another one last."""
        self.assertEqual(self.candidates("app"), ["app.a.example", "app.b.example", "app"])
        self.assertEqual(self.candidates("app.x"), ["app.x", "app.x.a.example", "app.x.b.example"])
        self.assertEqual(self.candidates("app.x", dots=2)[-1], "app.x")
        self.assertEqual([*ResolvConf().candidates("app")], ["app"])

    def test_length(self) -> None:
        """What would be no name any more is left out."""
        domain = len(".a.example")
        for length, longest in ((MAX_NAME - domain, MAX_NAME), (MAX_NAME - domain + 1, MAX_NAME - domain + 1)):
            self.assertEqual(max(map(len, self.candidates("x" * length))), longest)
