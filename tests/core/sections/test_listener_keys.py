"""The sections about what clients connect to."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.configurations import (
    changed,
    load,
    noted,
    said,
)


class HttpListenerTests(SynchronousTestCase):
    """What goes with which protocol."""

    def said(self, *changes: tuple[str, str]) -> list[str]:
        """What is said about the section alone."""
        return [
            line.partition("[http_listener public] ")[2] for line in said(changed(*changes)) if "[http_listener" in line
        ]

    def test_https_needs_a_certificate(self) -> None:
        """TLS without a certificate is nothing."""
        self.assertEqual(self.said(("ssl_certificate = site\n", "")), ["an Https listener needs ssl_certificate"])

    def test_http_has_none(self) -> None:
        """A certificate or profile on a plain listener would promise what it does not keep."""
        self.assertEqual(
            self.said(("protocol = Https", "protocol = Http")),
            ["ssl_certificate is not allowed on an Http listener", "ssl_profile is not allowed on an Http listener"],
        )

    def test_plain_listener(self) -> None:
        """Without them it is fine."""
        tls = "ssl_certificate = site\nssl_profile = strict\n"
        self.assertEqual(self.said(("protocol = Https", "protocol = Http"), (tls, "")), [])

    def test_empty_profile_name(self) -> None:
        """`ssl_profile =` is an error: the listener would ask for no certificate."""
        [line] = self.said(("ssl_profile = strict", "ssl_profile ="))
        self.assertIn("ssl_profile is empty", line)

    def test_server_name_indication(self) -> None:
        """It can be required where there are names, and TLS."""
        key = "require_server_name_indication = true\n"
        self.assertEqual(self.said(("ssl_profile = strict\n", f"ssl_profile = strict\n{key}host_names = a.b\n")), [])
        plain = ("protocol = Https\nssl_certificate = site\nssl_profile = strict", "protocol = Http\nhost_names = a.b")
        for changes, reason in (
            (
                ("ssl_profile = strict\n", f"ssl_profile = strict\n{key}"),
                "without host_names to compare the client's with",
            ),
            ((plain[0], f"{plain[1]}\n{key}"), "on an Http listener"),
        ):
            text = changed(changes)
            self.assertEqual(noted(text), [f"require_server_name_indication has no effect {reason}"])
            self.assertFalse(load(text).http_listeners[0].require_server_name_indication)


class Http2Tests(SynchronousTestCase):
    """enable_http2, and the limits of HTTP/2."""

    def test_listeners(self) -> None:
        """A listener with TLS speaks HTTP/2 where it says so, or says nothing and the gateway does; by default not."""
        self.assertFalse(load(changed()).http_listeners[0].http2)
        for whole, own, spoken in (
            ("true", "", True),
            ("true", "false", False),
            ("false", "true", True),
            ("false", "", False),
            ("", "true", True),
        ):
            gateway = f"[gateway]\nenable_http2 = {whole}" if whole else "[gateway]"
            key = f"enable_http2 = {own}\n" if own else ""
            config = load(changed(("[gateway]", gateway), ("ssl_profile = strict\n", f"ssl_profile = strict\n{key}")))
            self.assertEqual(config.http_listeners[0].http2, spoken, (whole, own))

    def test_plain_listener(self) -> None:
        """Without TLS there is none: the gateway's key does not apply, and its own, whatever it says, is an error."""
        tls = ("ssl_certificate = site\nssl_profile = strict\n", "")
        plain = changed(("protocol = Https", "protocol = Http"), tls, ("[gateway]", "[gateway]\nenable_http2 = true"))
        self.assertFalse(load(plain).http_listeners[0].http2)
        for value in ("true", "false"):
            lines = said(plain.replace("protocol = Http\n", f"protocol = Http\nenable_http2 = {value}\n"))
            self.assertIn(
                "enable_http2 is not allowed on an Http listener: clients agree on HTTP/2 in the TLS", "\n".join(lines)
            )

    def test_relayed_listener(self) -> None:
        """A listener of L4 has no such key: its servers say what they speak."""
        relayed = "\n[listener raw]\nport = 8444\nprotocol = Tls\nssl_certificate = site\nenable_http2 = true\n"
        self.assertIn("write alpn_protocols = h2, http/1.1", "\n".join(said(changed() + relayed)))

    def test_limits(self) -> None:
        """The defaults are the product's, and what is beyond a range is an error that names it."""
        found = load(changed()).gateway
        self.assertEqual((found.http2_max_concurrent_streams, found.http2_max_requests), (100, 1000))
        self.assertEqual((found.http2_max_header_list, found.http2_max_header_field), (16384, 8192))
        self.assertEqual((found.http2_idle_timeout, found.enable_http2), (180.0, False))
        for key, value, named in (
            ("http2_max_concurrent_streams", "0", "1 to 1000"),
            ("http2_max_concurrent_streams", "1001", "1 to 1000"),
            ("http2_max_requests", "0", "1 to 1000000000"),
            ("http2_max_header_list", "1023", "1024 to 1048576"),
            ("http2_max_header_field", "1048577", "1024 to 1048576"),
            ("http2_idle_timeout", "0", "1 to 86400"),
        ):
            [line] = said(changed(("[gateway]", f"[gateway]\n{key} = {value}")))
            self.assertIn(f"{key} is '{value}'", line)
            self.assertIn(named, line.replace("from ", ""))

    def test_field_above_the_list(self) -> None:
        """A bound of one field that is above that of all of them is noted."""
        text = changed(("[gateway]", "[gateway]\nhttp2_max_header_field = 20000"))
        self.assertEqual(
            noted(text), ["http2_max_header_field has no effect: it is above http2_max_header_list, 16384"]
        )
        self.assertEqual(noted(changed(("[gateway]", "[gateway]\nhttp2_max_header_list = 4096"))), [])


class WorkersTests(SynchronousTestCase):
    """workers."""

    def test_values(self) -> None:
        """A number, or auto; without the key there is one process."""
        self.assertEqual(load(changed()).gateway.workers, 1)
        for text, value in (("1", 1), ("64", 64), ("auto", "auto")):
            found = load(changed(("[gateway]", f"[gateway]\nworkers = {text}")))
            self.assertEqual(found.gateway.workers, value)

    def test_others(self) -> None:
        """What is neither is an error that names both."""
        for text in ("0", "65", "two", "Auto"):
            [line] = said(changed(("[gateway]", f"[gateway]\nworkers = {text}")))
            self.assertIn(f"workers is '{text}', but must be a whole number from 1 to 64, or auto", line)


class ServerHeaderTests(SynchronousTestCase):
    """server_header."""

    def test_empty_is_a_value(self) -> None:
        """Empty, there is no such header; left out, there is the default."""
        self.assertEqual(load().gateway.server_header, "agwtwisted")
        self.assertEqual(load(changed(("access_log = -", "server_header ="))).gateway.server_header, "")

    def test_printable_ascii(self) -> None:
        """What could end the header or be read in two ways is refused."""
        for text in ("a\n  b", "ü", "a\u2028b"):
            [line] = said(changed(("access_log = -", f"server_header = {text}")))
            self.assertIn("must be printable ASCII", line)
