"""The gateway's own pages."""

from __future__ import annotations

import shutil
import unittest
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.pages import (
    PHRASES,
    ErrorInfo,
    Page,
    certificate_error,
    no_certificate,
    page,
    plain_http,
    standard,
    without_body,
)

AZURE = "Microsoft-Azure-Application-Gateway/v2"


class PageTests(SynchronousTestCase):
    """What a page looks like."""

    def test_no_certificate(self) -> None:
        """Without a certificate the client reads the page that the product sends, line by line."""
        self.assertEqual(
            no_certificate(server=AZURE),
            Page(
                status=400,
                phrase=b"Bad Request",
                body=b"<html>\r\n"
                b"<head><title>400 No required SSL certificate was sent</title></head>\r\n"
                b"<body>\r\n"
                b"<center><h1>400 Bad Request</h1></center>\r\n"
                b"<center>No required SSL certificate was sent</center>\r\n"
                b"<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n"
                b"</body>\r\n"
                b"</html>\r\n",
            ),
        )

    def test_standard(self) -> None:
        """A status without more to say has its phrase as title and heading and no text."""
        self.assertEqual(
            standard(413, server=AZURE).body,
            b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n"
            b"<center><h1>413 Request Entity Too Large</h1></center>\r\n"
            b"<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n</body>\r\n</html>\r\n",
        )

    def test_no_server_name(self) -> None:
        """An empty server name leaves the footer out and nothing else."""
        named = standard(404, server="me").body
        self.assertEqual(standard(404, server="").body, named.replace(b"<hr><center>me</center>\r\n", b""))
        self.assertIn(b"<hr>", named)

    def test_certificate_error_shows_the_reason(self) -> None:
        """A refused client reads why, below the product's own sentence."""
        body = certificate_error("certificate has expired", server="").body
        self.assertIn(b"<title>400 The SSL certificate error</title>", body)
        self.assertIn(
            b"<center>The SSL certificate error</center>\r\n<center>certificate has expired</center>\r\n</body>", body
        )

    def test_certificate_error_without_reason(self) -> None:
        """Without a reason there is no empty line for it."""
        self.assertNotIn(b"<center></center>", certificate_error("", server="").body)

    def test_plain_http(self) -> None:
        """HTTP on a TLS port gets nginx's explanation."""
        self.assertIn(
            b"<center>The plain HTTP request was sent to HTTPS port</center>\r\n", plain_http(server=AZURE).body
        )

    def test_markup_is_escaped(self) -> None:
        """Markup in a reason, a title or a server name stays text."""
        for body in (
            certificate_error("<script>'\"&", server="").body,
            page(400, title="<script>", server=""),
            page(400, server="<script>"),
        ):
            self.assertNotIn(b"<script>", body)
            self.assertIn(b"&lt;script&gt;", body)

    @given(st.text())
    def test_any_reason(self, reason: str) -> None:
        """Whatever the reason holds, the page has eight or nine lines of printable ASCII and no tag of the reason."""
        body = certificate_error(reason, server="x").body
        lines = body.decode("ascii").split("\r\n")
        harmless = certificate_error("r" if reason.strip() else "", server="x").body
        self.assertEqual(len(lines), 10 if reason.strip() else 9)
        self.assertTrue(all(line.isprintable() for line in lines))
        self.assertEqual(body.count(b"<"), harmless.count(b"<"))

    def test_every_phrase_has_a_page(self) -> None:
        """Each status with a phrase names it in its page, and a status without is an error of the caller."""
        for status, phrase in PHRASES.items():
            self.assertIn(b"<h1>%d %b</h1>" % (status, phrase), standard(status, server="").body)
        self.assertRaises(KeyError, standard, 299, server="")

    def test_without_body(self) -> None:
        """An answer may be its head alone."""
        page = without_body(415)
        self.assertEqual((page.status, page.phrase, page.body), (415, b"Unsupported Media Type", b""))

    def test_every_status_of_the_product(self) -> None:
        """There is a page for each status that the product itself answers with."""
        statuses = (301, 302, 303, 307, 400, 403, 404, 408, 413, 421, 499, 500, 502, 503, 504)
        self.assertLessEqual({*statuses}, {*PHRASES})
        for status in (status for status in statuses if status != 499):
            lines = standard(status, server="").body.decode().split("\r\n")
            self.assertEqual(lines[1:2], [f"<head><title>{status} {PHRASES[status].decode()}</title></head>"])

    @unittest.skipUnless(shutil.which("nginx"), "nginx not found")
    def test_nginx_has_the_same_pages(self) -> None:
        """The upper part of each error page stands as it is in nginx's program, whose pages are the product's."""
        program = Path(shutil.which("nginx") or "").read_bytes()
        missing = (431, 499)  # nginx answers 400 to a head that is too large, and 499 has no answer
        pages = [standard(status, server="") for status in PHRASES if status > 300 and status not in missing]
        for made in (*pages, no_certificate(server=""), certificate_error("", server=""), plain_http(server="")):
            self.assertIn(made.body.removesuffix(b"</body>\r\n</html>\r\n"), program)


class ErrorInfoTests(SynchronousTestCase):
    """The product's codes."""

    def test_values(self) -> None:
        """Each code is its name with the product's prefix, and all sixteen are there."""
        self.assertEqual([info.value for info in ErrorInfo], [f"ERRORINFO_{info.name}" for info in ErrorInfo])
        self.assertEqual(len(ErrorInfo), 17)
