"""What the gateway's own log says of listeners."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports.announcements import reload_lines, start_lines
from tests import configurations

COMMON = """
[ssl_certificate site]
certificate_file = pki/site.pem
key_file = pki/site.key
[trusted_client_certificate devices]
file = pki/clients-ca.pem
[ssl_profile devices]
trusted_client_certificates = devices
refusal = Http400
verify_client_revocation = OCSP
[ssl_profile open]
verify_client_auth_mode = Passthrough
[backend_address_pool app]
backend_addresses = 10.0.0.1
[backend_http_settings app]
port = 80
[backend_settings app]
port = 81
"""


def http(name: str, number: int, *, port: int, protocol: str = "Https", more: str = "") -> str:
    """An HTTP listener and its rule."""
    more += "\nssl_certificate = site" if protocol == "Https" else ""
    listener = f"[http_listener {name}]\nport = {port}\nprotocol = {protocol}\n{more}\n"
    rule = f"http_listener = {name}\nbackend_address_pool = app\nbackend_http_settings = app\n"
    return f"{listener}[request_routing_rule {name}]\npriority = {number}\n{rule}"


L4 = """
[listener mqtt]
address = ::1
port = 8883
protocol = Tls
ssl_certificate = site
ssl_profile = devices
[routing_rule mqtt]
priority = 900
listener = mqtt
backend_address_pool = app
backend_settings = app
"""


def plan(*parts: str) -> Plan:
    """Of these parts of a file."""
    return configurations.plan("\n".join(["[gateway]", COMMON, *parts]))


class LinesTests(SynchronousTestCase):
    """A line for each listener."""

    def test_start(self) -> None:
        """Each says where it listens, its section, what it speaks, and what it asks of clients."""
        made = plan(
            http("shop", 3, port=443, more="host_names = shop.example, *.shop.example\nssl_profile = devices"),
            http("bare", 1, port=444, more="enable_http2 = true"),
            http("open", 2, port=445, more="ssl_profile = open"),
            http("plain", 4, port=80, protocol="Http"),
            L4,
        )
        self.assertEqual(
            list(start_lines(made)),
            [
                "Listening on 0.0.0.0:443: http_listener shop (Https, shop.example, *.shop.example; ssl_profile"
                " devices: Strict, Http400, OCSP)",
                "Listening on 0.0.0.0:444: http_listener bare (Https, HTTP/2, any host; no ssl_profile: clients are"
                " asked for no certificate)",
                "Listening on 0.0.0.0:445: http_listener open (Https, any host; ssl_profile open: Passthrough)",
                "Listening on 0.0.0.0:80: http_listener plain (Http, any host)",
                "Listening on [::1]:8883: listener mqtt (Tls, any host; ssl_profile devices: Strict, Handshake, OCSP)",
            ],
        )

    def test_reload(self) -> None:
        """Listeners that went, and those that came, have a line; the others none, whatever changed in them."""
        before = plan(http("a", 1, port=80, protocol="Http"), http("b", 2, port=81, protocol="Http"))
        after = plan(
            http("b", 3, port=81, protocol="Http", more="host_names = b.example"),
            http("a", 1, port=82, protocol="Http"),
            http("c", 4, port=83, protocol="Http"),
        )
        self.assertEqual(
            list(reload_lines(before, after)),
            [
                "No longer listening on 0.0.0.0:80: http_listener a",
                "Listening on 0.0.0.0:82: http_listener a (Http, any host)",
                "Listening on 0.0.0.0:83: http_listener c (Http, any host)",
            ],
        )
        self.assertEqual(list(reload_lines(before, before)), [])

    def test_nowhere(self) -> None:
        """A configuration that serves nothing has a line of its own, at the start and where it comes by a reload."""
        empty = parse(b"[gateway]", configurations.FILE, configurations.files().read, may_be_empty=True)
        nowhere = "Listening nowhere: no listener has a rule"
        self.assertEqual(list(start_lines(empty)), [nowhere])
        some = plan(http("a", 1, port=80, protocol="Http"))
        went = "No longer listening on 0.0.0.0:80: http_listener a"
        self.assertEqual(list(reload_lines(some, empty)), [went, nowhere])
        self.assertEqual(list(reload_lines(empty, some)), ["Listening on 0.0.0.0:80: http_listener a (Http, any host)"])
        self.assertEqual(list(reload_lines(empty, empty)), [])
