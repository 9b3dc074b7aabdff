"""URLs of the operator's own services."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.http.service_urls import ProxyAddress, StoreAddress, proxy_address, store_address


class StoreTests(SynchronousTestCase):
    """A Redis server."""

    def test_read(self) -> None:
        """Scheme, user, host, port and database are read, and written again."""
        for text, expected, again in (
            ("redis://r", StoreAddress(host="r"), "redis://r:6379"),
            ("redis://r/", StoreAddress(host="r"), "redis://r:6379"),
            (
                "rediss://gw@[::1]:7000/3",
                StoreAddress(host="::1", port=7000, is_encrypted=True, user="gw", database=3),
                "rediss://gw@[::1]:7000/3",
            ),
        ):
            found = store_address(text)
            self.assertEqual((found, str(found)), (expected, again))
            self.assertEqual(store_address(again), expected)

    def test_refused(self) -> None:
        """Everything else is an error, a password in the URL too, which no message repeats."""
        for text in ("r", "http://r", "redis://", "redis://r/x", "redis://r:0", "redis://r?a=b", "redis://u:geheim@r"):
            with self.assertRaises(UnacceptableError) as raised:
                store_address(text)
            self.assertNotIn("geheim", str(raised.exception))

    def test_loopback(self) -> None:
        """Whether it is on this machine is known of addresses and of localhost."""
        hosts = (("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("r", False))
        for host, expected in hosts:
            self.assertIs(StoreAddress(host=host).is_loopback, expected)


class ProxyTests(SynchronousTestCase):
    """An HTTP proxy."""

    def test_read(self) -> None:
        """Host and port are needed, credentials are read with their escapes."""
        self.assertEqual(proxy_address("http://p:3128"), ProxyAddress(host="p", port=3128))
        found = proxy_address("http://gw:a%40b@[fd00::1]:3128/")
        self.assertEqual(found, ProxyAddress(host="fd00::1", port=3128, user="gw", password="a@b"))

    def test_secret(self) -> None:
        """Credentials are in no text about it."""
        found = proxy_address("http://gw:geheim@p:3128")
        self.assertEqual(str(found), "http://p:3128")
        self.assertNotIn("geheim", repr(found))

    def test_refused(self) -> None:
        """Everything else is an error that does not repeat what was given."""
        for text in ("p:3128", "https://p:1", "http://p", "http://geheim@p:1", "http://u:geheim@x@p:1", "http://p:1/a"):
            with self.assertRaises(UnacceptableError) as raised:
                proxy_address(text)
            self.assertNotIn("geheim", str(raised.exception))
