"""`agwtwisted.core.sections.arm_keys`: how a gateway that comes as ARM JSON is run here."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.sections import ini, settings
from agwtwisted.core.sections.arm_keys import ARM, page_of, value_of
from agwtwisted.core.sections.settings import Row


def read(text: str) -> tuple[Row, list[str]]:
    """A section from its lines, and what is wrong with it."""
    [section] = ini.parse(f"[arm]\n{text}".encode(), "gw.overlay.ini").sections
    row, problems = settings.read(section, ARM)
    return row, [str(problem) for problem in problems]


class ArmKeysTests(SynchronousTestCase):
    """The section [arm]."""

    def test_values(self) -> None:
        """Each key and family has its value."""
        row, problems = read(
            "name = gw1\naddress = 0.0.0.0\naddress.private.ip = 127.0.0.9\nports = 443=8443, 80 = 8080\n"
            "port_offset = 8000\ntls_policy = AppGwSslPolicy20220101\nparameters = a.json, b.json\n"
            "backend.app = 127.0.0.1:9000, localhost\ncertificate.site = site.pfx\npassword.site = site.password\n"
            "page.1 = https://pages.example/502.html pages/5 02.html\nparameter.size =\nparameter.text = a;b=c\n"
            "value.1 = reference('a=b').x=1=2;c\n"
        )
        self.assertEqual(problems, [])
        expected: dict[str, Any] = {
            "name": "gw1",
            "address": "0.0.0.0",
            "ports": ((443, 8443), (80, 8080)),
            "port_offset": 8000,
            "tls_policy": "AppGwSslPolicy20220101",
            "parameters": ("a.json", "b.json"),
        }
        self.assertEqual(row.fields(), expected)
        self.assertEqual(row.family("address"), {"private.ip": "127.0.0.9"})
        self.assertEqual(row.family("backend"), {"app": ("127.0.0.1:9000", "localhost")})
        self.assertEqual(row.family("certificate") | row.family("password"), {"site": "site.password"})
        self.assertEqual(row.family("page"), {1: ("https://pages.example/502.html", "pages/5 02.html")})
        self.assertEqual(row.family("parameter"), {"size": "", "text": "a;b=c"})
        self.assertEqual(row.family("value"), {1: ("reference('a=b').x", "1=2;c")})

    def test_refused(self) -> None:
        """What is no value is refused, with its key."""
        for line, said in (
            ("ports = 443", "ports has '443', but must be pairs of ports: 443=8443, 80=8080"),
            ("ports = 443=8443, 443=8444", "ports gives a port of the document twice"),
            ("ports = 443=8443, 444=8443", "ports gives 8443 in place of two ports"),
            ("password.site = a", "password.site has no effect without certificate.site"),
            ("ports = 443=0", "must be a whole number from 1 to 65535"),
            ("address = localhost", "must be an IP address"),
            ("address. = 127.0.0.1", "the part after the dot must be a name of the document"),
            ("backend.app = ftp://x", "backend.app "),
            ("tls_policy = AppGwSslPolicy20170401", "tls_policy is not usable: "),
            ("page.1 = https://pages.example/502.html", "must be a URL, a space and the path of a file"),
            ("value.1 = reference('a=b')", "must be an expression of the template, = and its value"),
        ):
            _, problems = read(line)
            self.assertEqual(len(problems), 1, (line, problems))
            self.assertIn(said, problems[0])

    def test_expressions(self) -> None:
        """The first equals sign outside of brackets and quotes ends an expression; a quote is doubled in its text."""
        self.assertEqual(value_of("a=b=c"), ("a", "b=c"))
        self.assertEqual(value_of("f('it''s = x', g(1=2))[0].b = "), ("f('it''s = x', g(1=2))[0].b", ""))
        self.assertRaises(UnacceptableError, value_of, "f(a=b")

    def test_pages(self) -> None:
        """A URL has no space, the path of a file may have one; shells and quotes are not around it."""
        self.assertEqual(page_of("https://x/ a b.html"), ("https://x/", "a b.html"))
        self.assertRaises(UnacceptableError, page_of, 'https://x/ "a.html"')
