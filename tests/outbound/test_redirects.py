"""Where a redirect leads."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.destinations import destination
from agwtwisted.outbound.fetching import Fetched
from agwtwisted.outbound.redirects import is_redirect, redirected


def redirect(*locations: bytes) -> Fetched:
    """A redirect to these places."""
    return Fetched(status=307, headers=tuple((b"Location", each) for each in locations))


class RedirectedTests(SynchronousTestCase):
    """The place that is named."""

    def test_not_into_the_clear(self) -> None:
        """A request over https is not followed to http; from http to https is fine."""
        for begun, location, followed in (
            ("https://ocsp.example/", b"http://ocsp.example/", False),
            ("https://ocsp.example/", b"https://other.example/", True),
            ("http://ocsp.example/", b"https://ocsp.example/", True),
        ):
            found = redirected(redirect(location), destination(begun))
            expected = destination(location.decode()) if followed else "the server redirects from https to http"
            self.assertEqual(found, expected)

    def test_relative(self) -> None:
        """A place may be relative to the one that was asked."""
        found = redirected(redirect(b"../b?c"), destination("http://ocsp.example:81/x/a"))
        self.assertEqual(found, destination("http://ocsp.example:81/b?c"))

    def test_nonsense(self) -> None:
        """None, several, other schemes, users, fragments and other octets lead nowhere."""
        asked = destination("http://ocsp.example/")
        for locations in ((), (b"/a", b"/b"), (b"ldap://x/",), (b"http://u@x/",), (b"#a",), (b"http://\xff/",)):
            self.assertEqual(redirected(redirect(*locations), asked), "the server redirects to an invalid URL")

    def test_which(self) -> None:
        """303 is none, as it would change the method; nor is any other status."""
        found = [status for status in range(200, 600) if is_redirect(Fetched(status=status, headers=()))]
        self.assertEqual(found, [301, 302, 307, 308])
