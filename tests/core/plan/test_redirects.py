"""Where redirects lead."""

from __future__ import annotations

from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.http import pages
from agwtwisted.core.http.framing import request_head
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.messages import RequestHead
from agwtwisted.core.plan.redirects import Redirect, redirect_url
from agwtwisted.core.resources.resources import HttpListener, Protocol, RedirectConfiguration, RedirectType


def to_listener(*host_names: str, port: int = 443, protocol: Protocol = Protocol.HTTPS, keep: str = "") -> Redirect:
    """A redirect to a listener that keeps what `keep` names: path, query."""
    listener = HttpListener(name="target", port=port, protocol=protocol, host_names=host_names)
    return Redirect.of(
        RedirectConfiguration(
            name="redirect",
            redirect_type=RedirectType.PERMANENT,
            target_listener=listener,
            include_path="path" in keep,
            include_query_string="query" in keep,
        )
    )


def to_url(url: str, keep: str = "") -> Redirect:
    """A redirect to a URL."""
    return Redirect.of(
        RedirectConfiguration(
            name="redirect",
            redirect_type=RedirectType.FOUND,
            target_url=url,
            include_path="path" in keep,
            include_query_string="query" in keep,
        )
    )


class ListenerTests(SynchronousTestCase):
    """Redirects to another listener."""

    def test_scheme_host_and_port(self) -> None:
        """Those of the listener; without a host name of its own, the request's host, without the request's port."""
        for redirect, expected in (
            (to_listener(), b"https://www.example.com/"),
            (to_listener(port=8443), b"https://www.example.com:8443/"),
            (to_listener(port=80, protocol=Protocol.HTTP), b"http://www.example.com/"),
            (to_listener(port=443, protocol=Protocol.HTTP), b"http://www.example.com:443/"),
            (to_listener("api.example.org"), b"https://api.example.org/"),
            (to_listener("api.example.org", port=8443), b"https://api.example.org:8443/"),
        ):
            self.assertEqual(redirect.location("www.example.com", b"/a?b"), expected)
        self.assertEqual(to_listener(port=8443).location("[::1]", b"/"), b"https://[::1]:8443/")

    def test_path_and_query(self) -> None:
        """Each is kept on its own, and neither unless it is wanted."""
        for keep, expected in {
            "": b"https://h/",
            "path": b"https://h/a/b",
            "query": b"https://h/?c=d?e",
            "path query": b"https://h/a/b?c=d?e",
        }.items():
            self.assertEqual(to_listener(keep=keep).location("h", b"/a/b?c=d?e"), expected)
            self.assertEqual(to_listener("h", keep=keep).location("other", b"/a/b?c=d?e"), expected)

    def test_no_query(self) -> None:
        """Without a query, or with an empty one, no question mark is left over."""
        for target in (b"/a", b"/a?"):
            self.assertEqual(to_listener(keep="path query").location("h", target), b"https://h/a")

    def test_whole_server(self) -> None:
        """``OPTIONS *`` has no path."""
        self.assertEqual(to_listener(keep="path").location("h", b"*"), b"https://h/")

    def test_slashes(self) -> None:
        """A path that begins with two slashes is no host."""
        location = to_listener(keep="path").location("h", b"//evil.example/x")
        self.assertEqual(location, b"https://h//evil.example/x")


class UrlTests(SynchronousTestCase):
    """Redirects to a URL."""

    def test_as_it_stands(self) -> None:
        """Without path and query the URL is the Location."""
        for url in ("https://example.org", "http://example.org:81/a/", "https://example.org/a?b=c#d"):
            self.assertEqual(to_url(url).location("h", b"/x?y"), url.encode())

    def test_path(self) -> None:
        """The request's path follows the URL's, with one slash between them."""
        for url, expected in {
            "https://example.org": b"https://example.org/x/y",
            "https://example.org/": b"https://example.org/x/y",
            "https://example.org/a": b"https://example.org/a/x/y",
            "https://example.org/a/": b"https://example.org/a/x/y",
            "https://example.org/a/?b=c#d": b"https://example.org/a/x/y?b=c#d",
        }.items():
            self.assertEqual(to_url(url, "path").location("h", b"/x/y?z"), expected)

    def test_query(self) -> None:
        """The request's query follows the URL's, and both stand before the fragment."""
        for url, expected in {
            "https://example.org/a": b"https://example.org/a?y=z",
            "https://example.org/a?b=c": b"https://example.org/a?b=c&y=z",
            "https://example.org/a#d": b"https://example.org/a?y=z#d",
            "https://example.org/a?b#d": b"https://example.org/a?b&y=z#d",
        }.items():
            self.assertEqual(to_url(url, "query").location("h", b"/x?y=z"), expected)


class ConfiguredUrlTests(SynchronousTestCase):
    """What may be written as a target."""

    def test_taken(self) -> None:
        """Any URL of HTTP, as it stands."""
        for url in (
            "https://example.org",
            "HTTP://example.org:8080/a%20b?c=d#e",
            "https://[::1]:8443/",
            "http://127.0.0.1?a",
        ):
            self.assertEqual(redirect_url(url), url)

    def test_refused(self) -> None:
        """Other schemes, half URLs, names of users, and what a header cannot carry as it stands."""
        for url in (
            "",
            "/a",
            "//example.org/",
            "example.org",
            "https://",
            "https:///a",
            "ftp://example.org/",
            "javascript:alert(1)",
            "https://user@example.org/",
            "https://example.org:0/",
            "https://example.org:65536/",
            "https://example.org:/",
            "https://exa mple.org/",
            "https://bücher.example/",
            "https://example.org/é",
            "https://example.org/a b",
            "https://example.org/a\nb: c",
            "https://example.org\\@evil.example/",
        ):
            self.assertRaises(UnacceptableError, redirect_url, url)

    @given(st.text(max_size=20).map(lambda rest: f"https://example.org{rest}") | st.text())
    def test_any_text(self, text: str) -> None:
        """Whatever is taken fits into a header."""
        try:
            self.assertRegex(redirect_url(text), r"\A[!-~]+\Z")
        except UnacceptableError as error:
            self.assertTrue(error.message)


class AnswerTests(SynchronousTestCase):
    """What goes with a Location."""

    def test_statuses(self) -> None:
        """The product's four types, each with the page that nginx has for its status."""
        statuses = {
            each: Redirect.of(
                RedirectConfiguration(name="a", redirect_type=each, target_url="https://example.org/")
            ).status
            for each in RedirectType
        }
        self.assertEqual([*statuses.values()], [301, 302, 303, 307])
        for status, title in {
            301: b"Moved Permanently",
            302: b"Found",
            303: b"See Other",
            307: b"Temporary Redirect",
        }.items():
            self.assertEqual(
                pages.standard(status, server="me").body,
                b"<html>\r\n<head><title>%d %b</title></head>\r\n<body>\r\n<center><h1>%d %b</h1></center>\r\n"
                b"<hr><center>me</center>\r\n</body>\r\n</html>\r\n" % (status, title, status, title),
            )

    @given(
        st.binary(max_size=20) | st.builds(lambda text: b"/" + text.encode(), st.text(max_size=20)),
        st.binary(max_size=20) | st.from_regex(rb"\A[a-z.\[\]:0-9]{1,20}\Z"),
        st.sampled_from(
            [to_listener(keep="path query"), to_url("https://a.example/b?c#d", "path query"), to_listener("a.example")]
        ),
    )
    def test_any_request(self, target: bytes, authority: bytes, redirect: Redirect) -> None:
        """Whatever a request says: if it is taken at all, the Location is one word of ASCII that leads to the target.

        So no request can end the header line, add one, or choose another host than its own.
        """
        head = request_head(b"GET", target, b"1.1", [(b"Host", authority)], HeaderNames())
        if not isinstance(head, RequestHead):
            return
        location = redirect.location(head.host, head.target)
        self.assertRegex(location, rb"\A[!-~]+\Z")
        parts = urlsplit(location)
        self.assertEqual(parts.scheme, b"https")
        self.assertIn(parts.netloc, (head.host.encode(), b"a.example"))
