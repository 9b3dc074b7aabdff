"""Requests as they are sent."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.destinations import destination
from agwtwisted.core.http.service_urls import proxy_address
from agwtwisted.outbound.fetching import OutboundRequest
from agwtwisted.outbound.requests import authority_of, connect_octets, octets_of

PROXY = proxy_address("http://user:pass@proxy.example:3128")
CREDENTIALS = b"Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"


class OctetsTests(SynchronousTestCase):
    """The octets of a request."""

    def test_get(self) -> None:
        """A GET has no Content-Length; an empty path is the root; a query stays."""
        for url, target in (
            ("http://a.example", b"/"),
            ("http://a.example/x?y=z", b"/x?y=z"),
            ("http://a.example?q", b"/?q"),
        ):
            request = OutboundRequest(method=b"GET", destination=destination(url), headers=((b"Accept", b"*/*"),))
            expected = b"GET %b HTTP/1.1\r\nHost: a.example\r\nAccept: */*\r\n\r\n" % target
            self.assertEqual(octets_of(request), expected)

    def test_post(self) -> None:
        """A POST says how long its body is, were it empty."""
        asked = destination("http://a.example:8080/x")
        for body in (b"hello", b""):
            expected = b"POST /x HTTP/1.1\r\nHost: a.example:8080\r\nContent-Length: %d\r\n\r\n" % len(body)
            self.assertEqual(octets_of(OutboundRequest(method=b"POST", destination=asked, body=body)), expected + body)

    def test_to_a_proxy(self) -> None:
        """A proxy gets the whole URL, and what proves who asks."""
        request = OutboundRequest(method=b"GET", destination=destination("http://a.example:81/x?y"))
        expected = b"GET http://a.example:81/x?y HTTP/1.1\r\nHost: a.example:81\r\n%b\r\n" % CREDENTIALS
        self.assertEqual(octets_of(request, PROXY), expected)

    def test_connect(self) -> None:
        """A tunnel is asked for by host and port."""
        for url, where in (
            ("https://a.example/x", b"a.example:443"),
            ("https://[2001:db8::1]:8443/", b"[2001:db8::1]:8443"),
        ):
            expected = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (where, where, CREDENTIALS)
            self.assertEqual(connect_octets(destination(url), PROXY), expected)

    def test_authority(self) -> None:
        """The port of the scheme is left out; IPv6 addresses have brackets."""
        for url, expected in (
            ("http://a.example:80/", b"a.example"),
            ("https://a.example:443/", b"a.example"),
            ("https://a.example:80/", b"a.example:80"),
            ("http://[::1]:8080/", b"[::1]:8080"),
        ):
            self.assertEqual(authority_of(destination(url)), expected)
