"""What may stand in the header list of a request."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2.field_rules import MalformedRequest, malformed_lines, parted
from agwtwisted.core.http2.header_codec import Fields
from tests.core.http2.test_requests import GET, with_pseudo


class SoundTests(SynchronousTestCase):
    """Header lists that are sound."""

    def test_parted(self) -> None:
        """Pseudo-header fields by name, and the others in their order."""
        lines: Fields = ((b"te", b"Trailers"), (b"x_a!", b""), (b"x", b"a\tb \xe4"), (b"host", b"a.example"))
        self.assertEqual(parted((*GET, *lines)), (dict(GET), lines))

    def test_connect(self) -> None:
        """CONNECT has an authority alone, and with :protocol all the others (RFC 8441 section 4)."""
        connect = ((b":method", b"CONNECT"), (b":authority", b"a:443"))
        self.assertEqual(parted(connect), (dict(connect), ()))
        extended = with_pseudo(method=b"CONNECT", protocol=b"websocket")
        self.assertEqual(parted(extended), (dict(extended), ()))

    def test_lines(self) -> None:
        """Trailers are held to the same rules."""
        self.assertIsNone(malformed_lines(((b"x", b"y"),)))
        self.assertIsNotNone(malformed_lines(((b":path", b"/"),)))


class MalformedTests(SynchronousTestCase):
    """Header lists that are none."""

    def refused(self, fields: Fields) -> None:
        """Asserts that the list is malformed."""
        with self.subTest(fields=fields):
            self.assertIsInstance(parted(fields), MalformedRequest)

    def test_names(self) -> None:
        """A name is a token in lower case."""
        for name in (b"", b"X-A", b"a b", b"a:", b"a\r\nb", b"a\0", b"\xe4", b" a", b"a\t", b"a(", b":a"):
            self.refused((*GET, (name, b"b")))

    def test_values(self) -> None:
        """A value has nothing that ends a line, or is cut from its ends."""
        for value in (b"a\rb", b"a\nb", b"a\0b", b" a", b"a ", b"\ta", b"a\t", b" ", b"a\x01", b"a\x7f", b"a\r\n\r\nG"):
            self.refused((*GET, (b"x", value)))
            for name, _ in GET:
                self.refused(tuple((each, value if each == name else other) for each, other in GET))

    def test_pseudo(self) -> None:
        """Pseudo-header fields are known, there once, and before the others."""
        self.refused((*GET, (b"x", b"y"), (b":path", b"/")))
        self.refused((*GET[:3], (b"x", b"y"), GET[3]))
        for field in GET:
            self.refused((*GET, field))
            self.refused((field, *GET))
        self.refused((*GET, (b":status", b"200")))
        self.refused((*GET, (b":x", b"y")))
        for name in ("method", "scheme", "path"):
            self.refused(with_pseudo(**{name: None}))
            self.refused(with_pseudo(**{name: b""}))
        self.refused(())
        self.refused(with_pseudo(method=b"G T"))
        self.refused(with_pseudo(scheme=b"1"))

    def test_paths(self) -> None:
        """A path begins with a slash."""
        for path in (b"a", b"*", b"http://a.example/", b"//a"[2:]):
            self.refused(with_pseudo(path=path))

    def test_hosts(self) -> None:
        """Host does not say another thing than :authority."""
        for host in (b"b.example", b"A.example", b"a.example:443", b""):
            self.refused((*GET, (b"host", host)))

    def test_connect(self) -> None:
        """CONNECT has an authority alone, and :protocol makes it another one."""
        self.refused(((b":method", b"CONNECT"),))
        self.refused(with_pseudo(method=b"CONNECT"))
        self.refused(with_pseudo(protocol=b"websocket"))
        self.refused(with_pseudo(method=b"CONNECT", protocol=b"websocket", path=None))
        self.refused(with_pseudo(method=b"CONNECT", protocol=b"websocket", scheme=None))

    def test_connection(self) -> None:
        """What concerns a connection of HTTP/1.1 has no place."""
        for name in (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"):
            self.refused((*GET, (name, b"close")))
        for value in (b"gzip", b"trailers, gzip", b""):
            self.refused((*GET, (b"te", value)))
