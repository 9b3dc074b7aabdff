"""Where certificates may send the gateway: not into itself, and not where its machine alone may go."""

from __future__ import annotations

import contextlib
from ipaddress import ip_network

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.http import destinations
from agwtwisted.core.http.destinations import Destination, PortRange, closed, destination, hindrance, network


class DestinationTests(SynchronousTestCase):
    """URLs of responders."""

    def test_urls(self) -> None:
        """http and https, names and addresses, with a port or without; the URL itself stays as it was."""
        table = (
            ("http://ocsp.example", "http", "ocsp.example", 80),
            ("http://OCSP.example:8080/a?b", "http", "ocsp.example", 8080),
            ("https://ocsp.example/", "https", "ocsp.example", 443),
            ("http://192.0.2.1/", "http", "192.0.2.1", 80),
            ("http://[2001:DB8::1]:81/", "http", "2001:db8::1", 81),
        )
        for url, scheme, host, port in table:
            self.assertEqual(destination(url), Destination(url=url, scheme=scheme, host=host, port=port))

    def test_junk(self) -> None:
        """Other schemes, user names, fragments, odd characters, and what only looks like a URL."""
        for url in (
            "",
            "ldap://ldap.example/",
            "file:///etc/passwd",
            "//ocsp.example/",
            "http:ocsp.example",
            "http://",
            "http://user@ocsp.example/",
            "http://ocsp.example@127.0.0.1/",
            "http://ocsp.example/#a",
            "http://ocsp.example\\@127.0.0.1/",
            "http://ocsp.example/ a",
            "http://ocsp.example/\r\nHost: a",
            "http://ocsp.example/\u00e4",
            "http://ocsp.example:0/",
            "http://ocsp.example:65536/",
            "http://ocsp.example:http/",
            "http://2130706433/",
            "http://[::1/",
            "http://[fe80::1%25eth0]/",
            "http://ocsp.example/" + "a" * destinations.MAX_URL_LENGTH,
        ):
            self.assertRaises(UnacceptableError, destination, url)

    @given(st.text() | st.text().map("http://{}".format))
    @example("http://[v1.a]/")
    def test_anything(self, url: str) -> None:
        """Whatever the text is, it is a destination or refused."""
        with contextlib.suppress(UnacceptableError):
            self.assertIn(destination(url).scheme, ("http", "https"))


class ClosedTests(SynchronousTestCase):
    """Addresses that nothing is sent to."""

    def test_closed(self) -> None:
        """This machine, link-local, multicast, metadata, in every way to write them."""
        for address in (
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.1.1",
            "169.254.169.254",
            "168.63.129.16",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fe80::1%eth0",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "192.0.0.192",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:42::42",
            "fec0::1",
            "::127.0.0.1",
            "::169.254.169.254",
            "::ffff:0:127.0.0.1",
            "::ffff:100.100.100.200",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::8.8.8.8",
            "2002:7f00:1::",
            "2001:0:7f00:1::",
            "2001:0:808:808:0:0:5601:5601",
            "2001:db8::5efe:127.0.0.1",
            "2001:db8::200:5efe:169.254.169.254",
        ):
            self.assertTrue(closed(address, ()), address)

    def test_open(self) -> None:
        """The world and private networks are open."""
        for address in (
            "192.0.2.1",
            "10.0.0.1",
            "192.168.1.1",
            "168.63.129.17",
            "100.100.100.201",
            "2001:db8::1",
            "fd12::1",
            "fd20:ce::253",
            "::8.8.8.8",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::",
            "2001:0:808:808:0:0:f7f7:f7f7",
            "2001:db8::5efe:8.8.8.8",
        ):
            self.assertFalse(closed(address, ()), address)

    def test_opened(self) -> None:
        """What the operator lists is open, and nothing beside it; a mapped address is the address it stands for."""
        opened = tuple(map(ip_network, ("127.0.0.2/32", "fe80::/64", "::1/128", "2002::/16", "64:ff9b:1:2::/96")))
        for address, expected in (
            ("127.0.0.2", False),
            ("::ffff:127.0.0.2", False),
            ("127.0.0.1", True),
            ("fe80::5%eth0", False),
            ("fe80:0:0:1::", True),
            ("::1", False),
            ("::2", True),
            ("2002:7f00:2::", False),
            ("2002:7f00:1::", True),
            ("64:ff9b:1:2::1", False),
            ("64:ff9b:1:3::1", True),
        ):
            self.assertEqual(closed(address, opened), expected, address)


class HindranceTests(SynchronousTestCase):
    """What is known before any lookup."""

    def test_hindrance(self) -> None:
        """Another scheme, another port, an address that is closed: each is named with the key; a name is not known."""
        ports = (PortRange(lowest=80, highest=80), PortRange(lowest=8000, highest=8099))
        for url, words in (
            ("http://ocsp.example/", ""),
            ("http://ocsp.example:8042/x", ""),
            ("http://192.0.2.1/", ""),
            ("http://[2001:db8::1]/", ""),
            ("http://10.0.0.1/", ""),
            ("https://ocsp.example/", "ocsp_allowed_ports = 443"),
            ("http://127.0.0.1/", "ocsp_allowed_networks = 127.0.0.1"),
            ("https://[::1]/", "ocsp_allowed_networks = ::1 and ocsp_allowed_ports = 443"),
            ("http://127.0.0.2/", ""),
        ):
            found = hindrance(url, (network("127.0.0.2"),), ports)
            self.assertEqual(
                found.partition("refuse")[2].partition(": ")[2], f"{words} would allow it" if words else "", url
            )
            self.assertTrue(found.startswith("is not used: the address rules refuse") if words else not found, url)
        self.assertIn("must begin with http:// or https://", hindrance("ftp://ocsp.example/", (), ports))


class RefusalTests(SynchronousTestCase):
    """Why a responder is not connected to."""

    def test_keys(self) -> None:
        """The reason names host, port, addresses, and every key that it takes, in one message."""
        ports = (PortRange(lowest=80, highest=80), PortRange(lowest=8000, highest=8099))
        where = destination("http://ocsp.example:8100/")
        both = destinations.refusal_of(where, ["10.0.0.1", "127.0.0.1"], ports)
        self.assertEqual(
            both,
            "the address rules refuse ocsp.example port 8100 at 10.0.0.1, 127.0.0.1:"
            " ocsp_allowed_networks = 10.0.0.1, 127.0.0.1 and ocsp_allowed_ports = 8100 would allow it",
        )
        port = destinations.refusal_of(where, [], ports)
        self.assertIn("ocsp_allowed_ports = 8100 would", port)
        network = destinations.refusal_of(destination("http://ocsp.example:8001/"), ["127.0.0.1"], ports)
        self.assertIn("ocsp_allowed_networks = 127.0.0.1 would", network)


class ConfigurationTests(SynchronousTestCase):
    """Networks and ports as they are written."""

    def test_networks(self) -> None:
        """A network or one address; bits beyond its mask are a mistake."""
        self.assertEqual(destinations.network("10.0.0.0/8"), ip_network("10.0.0.0/8"))
        self.assertEqual(destinations.network("::1"), ip_network("::1/128"))
        for text in ("10.0.0.1/8", "10.0.0.0/33", "localhost", ""):
            self.assertRaises(UnacceptableError, destinations.network, text)

    def test_ports(self) -> None:
        """A port, or from one to another."""
        self.assertEqual(destinations.port_range("80"), PortRange(lowest=80, highest=80))
        ports = destinations.port_range("8000 - 8099")
        self.assertEqual([each in ports for each in (7999, 8000, 8099, 8100)], [False, True, True, False])
        for text in ("0", "65536", "8099-8000", "1-", "-1", "a", "1-2-3", "\u0661"):
            self.assertRaises(UnacceptableError, destinations.port_range, text)

    def test_responder(self) -> None:
        """The operator's URL is taken as it stands, where it is one."""
        self.assertEqual(destinations.responder_url("http://127.0.0.1:9/"), "http://127.0.0.1:9/")
        self.assertRaises(UnacceptableError, destinations.responder_url, "ocsp.example")
