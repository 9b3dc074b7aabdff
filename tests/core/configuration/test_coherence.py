"""What must fit together between sections."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests import pki
from tests.configurations import GOOD, Files, changed, files, said, with_listener

PASSTHROUGH = "\n[ssl_profile lax]\nverify_client_auth_mode = Passthrough\n"
PLAIN = """
[http_listener plain]
address = 127.0.0.1
port = {port}
protocol = Http

[request_routing_rule plain]
priority = 900
http_listener = plain
backend_address_pool = {pool}
backend_http_settings = {settings}
"""


def on(address: str, port: int, name: str) -> str:
    """One more listener at an address."""
    return with_listener(name, port=port, profile="strict").replace("address = 127.0.0.1", f"address = {address}")


class PortTests(SynchronousTestCase):
    """Listeners that share a port."""

    def test_two_basic_listeners(self) -> None:
        """Which of them should answer?"""
        [line] = said(GOOD + with_listener("other", profile="strict"))
        self.assertIn("[http_listener other] and http_listener public are both basic listeners", line)
        self.assertTrue(line.endswith("(ApplicationGatewayHttpListenersUsingSameFrontendPort)"), line)

    def test_many_on_one_port(self) -> None:
        """Each of them is reported once, beside the first one, not beside each of the others."""
        found = said(GOOD + "".join(with_listener(name, profile="strict") for name in "abcd"))
        self.assertEqual(len(found), 4)
        self.assertTrue(all("and http_listener public are both basic" in line for line in found), found)

    def test_sites_by_name(self) -> None:
        """A basic listener and any number of named ones share a port."""
        text = GOOD + with_listener("a", profile="strict", extra="host_names = a.b, *.c.d\n")
        self.assertEqual(said(text + with_listener("e", profile="strict", extra="host_names = e.f\n")), [])

    def test_same_host_name(self) -> None:
        """A name belongs to one listener of a port, in whatever form it is written."""
        text = GOOD + with_listener("a", profile="strict", extra="host_names = a.b, C.example.\n")
        for other in ("c.EXAMPLE", "x.y, c.example"):
            [line] = said(text + with_listener("e", profile="strict", extra=f"host_names = {other}\n"))
            self.assertIn("host name 'c.example' is also one of http_listener a", line)
        self.assertEqual(said(text + with_listener("e", port=8444, profile="strict", extra="host_names = a.b\n")), [])

    def test_http_and_https(self) -> None:
        """One port speaks one protocol, whichever of the two listeners comes first."""
        plain = PLAIN.format(port=8443, pool="app", settings="app").replace("Http\n", "Http\nhost_names = a.b\n")
        for text, other in ((GOOD + plain, "public"), (plain + GOOD, "plain")):
            errors = [line for line in said(text) if line.startswith("ERROR")]
            self.assertEqual(len(errors), 1, errors)
            self.assertIn(f"and http_listener {other} speak Http and Https on one port", errors[0])

    def test_wrong_host_names(self) -> None:
        """A listener whose names are wrong is not taken for a basic one."""
        [line] = said(GOOD + with_listener("a", profile="strict", extra="host_names = a_b\n"))
        self.assertIn("not a host name", line)

    def test_overlapping_addresses(self) -> None:
        """A wildcard address and one of its own cannot both be bound; two addresses can."""
        for one, other in (("0.0.0.0", "127.0.0.2"), ("::1", "::")):
            text = changed(("address = 127.0.0.1", f"address = {one}"))
            [line] = said(text + on(other, 8443, "other"))
            self.assertIn("one port cannot be bound to both", line)
            self.assertEqual(said(text + on(other, 8444, "other")), [])
        self.assertEqual(said(GOOD + on("127.0.0.2", 8443, "a") + on("::", 8443, "b")), [])

    def test_found_beside_other_faults(self) -> None:
        """A fault elsewhere in the section does not hide a conflict of ports."""
        lines = said(GOOD + with_listener("other", profile="nobody", extra="unknown = 1\n"))
        self.assertEqual(len(lines), 3, lines)


class PolicyTests(SynchronousTestCase):
    """TLS policies that share a port or a gateway."""

    def test_groups_of_a_port(self) -> None:
        """Sites of one port agree on groups for key exchange."""
        profile = "\n[ssl_profile own]\ntrusted_client_certificates = devices\n"
        site = with_listener("own", profile="own", extra="host_names = a.b\n")
        self.assertEqual(said(GOOD + profile + site), [])
        [line] = said(f"{GOOD}{profile}tls_groups = x25519, P-256\n{site}")
        self.assertIn("different tls_groups, which must be the same for all listeners of a port", line)

    def test_versions_of_a_port(self) -> None:
        """Sites of one port agree on versions and TLS 1.3 suites; their TLS 1.2 suites may differ."""
        suites = "cipher_suites = TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"
        custom = "\n[ssl_profile own]\ntrusted_client_certificates = devices\npolicy_type = CustomV2\n"
        site = with_listener("own", profile="own", extra="host_names = a.b\n")
        self.assertEqual(said(f"{GOOD}{custom}min_protocol_version = TLSv1_2\n{suites}{site}"), [])
        newer = f"{GOOD}{custom}min_protocol_version = TLSv1_3\n"
        [line] = said(newer + site)
        self.assertIn("listeners of one port must agree on TLS versions", line)
        self.assertEqual(said(newer + site.replace("port = 8443", "port = 8444")), [])

    def test_old_and_new(self) -> None:
        """Policies of 2022 and older ones are not on one gateway; the first that breaks the rule is named."""
        old = "\n[ssl_profile old]\nssl_policy = AppGwSslPolicy20170401S\n"
        site = with_listener("old", port=8444, profile="old") + with_listener("again", port=8445, profile="again")
        site += "\n[ssl_profile again]\nssl_policy = AppGwSslPolicy20170401S\n"
        [line] = said(GOOD + old + site)
        self.assertIn("[ssl_profile old]", line)
        self.assertIn("cannot be used in one gateway", line)
        self.assertEqual(
            said((GOOD + old + site).replace("access_log = -", "ssl_policy = AppGwSslPolicy20170401S")), []
        )

    def test_gateway_counts(self) -> None:
        """The gateway's own policy is one of them, even where every profile has another."""
        key = "verify_client_auth_mode = Strict"
        [line] = said(changed((key, f"{key}\nssl_policy = AppGwSslPolicy20170401S")))
        self.assertIn("cannot be used in one gateway", line)

    def test_wrong_policy_of_the_gateway(self) -> None:
        """Where the gateway's policy is wrong, profiles with their own are looked at without it."""
        key = "verify_client_auth_mode = Strict"
        text = changed(("access_log = -", "ssl_policy = x"), (key, f"{key}\nssl_policy = AppGwSslPolicy20170401S"))
        [line] = said(text)
        self.assertIn("[gateway] unknown TLS policy", line)


class ProfileTests(SynchronousTestCase):
    """Profiles and listeners."""

    def test_unused_profile(self) -> None:
        """A profile that no listener uses protects nothing: a warning."""
        [line] = said(GOOD + PASSTHROUGH)
        self.assertTrue(line.startswith("WARNING"), line)
        self.assertIn("[ssl_profile lax] no listener uses this profile", line)


class ShadowTests(SynchronousTestCase):
    """Laxer listeners before stricter ones."""

    def shadows(self, lax: str, strict: str, profile: str = "lax") -> bool:
        """Whether a lax listener with these names is warned about beside a strict one with those."""
        text = changed(("address = 127.0.0.1", f"address = 127.0.0.1\nhost_names = {strict}"))
        text += PASSTHROUGH + with_listener("lax", profile=profile, extra=f"host_names = {lax}\n")
        lines = [line for line in said(text) if "before http_listener public" in line]
        self.assertTrue(all(line.startswith("WARNING") and "[http_listener lax]" in line for line in lines))
        return bool(lines)

    def test_names_taken_away(self) -> None:
        """An exact name takes itself from a wildcard, the longer wildcard from the shorter."""
        self.assertTrue(self.shadows("a.b.c", "*.b.c"))
        self.assertTrue(self.shadows("a.b.c", "*.b.c", profile="lax\nrequire_server_name_indication = true"))
        self.assertTrue(self.shadows("*.a.b.c", "*.b.c"))
        self.assertTrue(self.shadows("api-*.c", "*.c"))
        self.assertTrue(self.shadows("a?.c", "?a.c"))

    def test_names_left_alone(self) -> None:
        """Where the stricter listener comes first, or the names never meet, there is nothing to say."""
        self.assertFalse(self.shadows("*.b.c", "a.b.c"))
        self.assertFalse(self.shadows("a.b.c", "x.b.c"))
        self.assertFalse(self.shadows("*.x", "*.y"))
        self.assertFalse(self.shadows("?.b.c", "*a.b.c"))
        self.assertFalse(self.shadows("a.b.c", "*.b.c", profile="strict"))

    def test_basic_listener(self) -> None:
        """A strict basic listener stands for every name, a lax one takes none away."""
        text = PASSTHROUGH + with_listener("lax", profile="lax", extra="host_names = a.b\n")
        [line] = said(GOOD + text)
        self.assertIn("before http_listener public", line)
        named = changed(("address = 127.0.0.1", "address = 127.0.0.1\nhost_names = a.b"))
        self.assertEqual(said(named + PASSTHROUGH + with_listener("lax", profile="lax")), [])

    def test_other_port(self) -> None:
        """Another port is a separate way in, which clients do not use by accident."""
        self.assertEqual(
            said(GOOD + PASSTHROUGH + with_listener("lax", port=8444, profile="lax", extra="host_names = a.b\n")), []
        )


class WayInTests(SynchronousTestCase):
    """Ways round a Strict listener, and what servers get."""

    def test_plain_listener(self) -> None:
        """A plain listener to the servers of a Strict one is a warning, whatever pool they are listed in."""
        [line] = said(GOOD + PLAIN.format(port=8080, pool="app", settings="app"))
        self.assertTrue(line.startswith("WARNING") and "[request_routing_rule plain]" in line, line)
        again = "\n[backend_address_pool again]\nbackend_addresses = 127.0.0.1\n"
        self.assertEqual(len(said(GOOD + again + PLAIN.format(port=8080, pool="again", settings="app"))), 1)

    def test_plain_listener_elsewhere(self) -> None:
        """One to other servers is none."""
        other = "\n[backend_address_pool other]\nbackend_addresses = 127.0.0.1:9001\n"
        self.assertEqual(said(GOOD + other + PLAIN.format(port=8080, pool="other", settings="app")), [])

    def test_headers_that_nobody_verified(self) -> None:
        """rfc9440 and xfcc behind a Passthrough listener are a warning, behind a Strict one they are not."""
        for words in ("rfc9440", "on, xfcc", "rfc9440, xfcc"):
            text = changed(("port = 9000", f"client_certificate_headers = {words}"))
            self.assertEqual(said(text), [])
            [line] = said(text + PASSTHROUGH + with_listener("lax", port=8444, profile="lax"))
            self.assertTrue(line.startswith("WARNING") and "[request_routing_rule lax]" in line, line)
        text = changed(("port = 9000", "client_certificate_headers = all"))
        self.assertEqual(said(text + PASSTHROUGH + with_listener("lax", port=8444, profile="lax")), [])


class DemoTests(SynchronousTestCase):
    """Certificates whose keys are no secret."""

    def demo(self) -> dict[str, Files]:
        """Files with a demo server certificate, and with a demo CA of clients, the name in subject or issuer."""
        authority = pki.Authority.root(pki.name("Demo Root", organization_name="agwtwisted DEMO"))
        server = authority.issue_server("localhost")
        sub = authority.intermediate("Sub")
        return {
            "ssl_certificate": files(site_pem=pki.bundle(server, authority), site_key=server.key_pem),
            "ssl_profile": files(**{"clients-ca_pem": pki.bundle(sub, authority)}),
        }

    def test_beyond_this_machine(self) -> None:
        """On an address that others reach they are an error, at the key that brings them in."""
        for address in ("0.0.0.0", "::", "192.0.2.1"):
            text = changed(("address = 127.0.0.1", f"address = {address}"))
            for key, source in self.demo().items():
                [line] = said(text, source)
                number = text[: text.index(f"\n{key} = ")].count("\n") + 2
                self.assertTrue(line.startswith(f"ERROR conf/gw.ini:{number} [http_listener public] "), line)
                self.assertIn("certificates of the demo", line)
            self.assertEqual(said(text), [])

    def test_on_this_machine(self) -> None:
        """On a loopback address they are fine."""
        for address in ("127.0.0.1", "127.1.2.3", "::1"):
            for source in self.demo().values():
                self.assertEqual(said(changed(("address = 127.0.0.1", f"address = {address}")), source), [])

    def test_plain_listener(self) -> None:
        """A listener without certificates may be anywhere."""
        text = PLAIN.format(port=8080, pool="other", settings="app").replace("127.0.0.1", "0.0.0.0")
        other = "\n[backend_address_pool other]\nbackend_addresses = 127.0.0.1:9001\n"
        self.assertEqual(said(GOOD + other + text, self.demo()["ssl_certificate"]), [])

    def test_allowed(self) -> None:
        """Who says so may take them anywhere."""
        text = changed(("address = 127.0.0.1", "address = 0.0.0.0"), ("access_log = -", "allow_demo = true"))
        for source in self.demo().values():
            self.assertEqual(said(text, source), [])
            self.assertEqual(len(said(text.replace("allow_demo = true", "allow_demo = false"), source)), 1)

    def test_unreadable_name(self) -> None:
        """A server certificate whose name cannot be read stops nothing."""
        subject = pki.tlv(0x30, pki.tlv(0x31, pki.tlv(0x30, bytes.fromhex("0603550403"), pki.tlv(0x0C, b"\xff"))))
        odd = pki.Authority.root("Root").issue(subject)
        text = changed(("address = 127.0.0.1", "address = 0.0.0.0"))
        self.assertEqual(said(text, files(site_pem=odd.pem, site_key=odd.key_pem)), [])


class ProbeTests(SynchronousTestCase):
    """Probes and the settings that use them."""

    def problems(self, probe: str, settings: str = "probe = deep\n", name: str = "deep") -> list[str]:
        """What is said about this probe and these settings."""
        text = changed(("port = 9000\n", f"port = 9000\n{settings}"))
        return said(f"{text}\n[probe {name}]\n{probe}\n")

    def test_used(self) -> None:
        """A probe that some settings use is fine; several may use it."""
        self.assertEqual(self.problems("protocol = Http"), [])

    def test_unknown(self) -> None:
        """An unknown name is reported with the nearest one, and the probe with that name is unused."""
        self.assertEqual(
            self.problems("protocol = Http", "probe = deep\n", "deeper"),
            [
                "ERROR conf/gw.ini:27 [backend_http_settings app] there is no probe 'deep'; did you mean 'deeper'?"
                " (InvalidResourceReference)",
                "WARNING conf/gw.ini:35 [probe deeper] no backend settings use this probe, so it has no effect",
            ],
        )

    def test_unused(self) -> None:
        """An unused probe is a warning."""
        [line] = self.problems("protocol = Http", "")
        self.assertIn("WARNING conf/gw.ini:34 [probe deep] no backend settings use this probe", line)

    def test_protocols(self) -> None:
        """A probe speaks what its settings speak; the product's code says so, too."""
        for protocol in ("Https", "Tcp", "Tls"):
            [line] = self.problems(f"protocol = {protocol}")
            self.assertEqual(
                line,
                f"ERROR conf/gw.ini:27 [backend_http_settings app] probe deep has the protocol {protocol}, these"
                " settings Http: they must be the same"
                " (ApplicationGatewayProbeProtocolMustMatchBackendHttpSettinsProtocol)",
            )

    def test_unknown_protocol(self) -> None:
        """Where the protocol is wrong in itself, nothing is made of it."""
        [line] = self.problems("protocol = Http2")
        self.assertIn("[probe deep] protocol is 'Http2'", line)

    def test_picked_host(self) -> None:
        """A probe can pick a host name only from settings that have one."""
        picks = "protocol = Http\npick_host_name_from_backend_http_settings = true"
        [line] = self.problems(picks)
        self.assertIn("probe deep has pick_host_name_from_backend_http_settings, and these settings have no host", line)
        for host in ("host_name = a", "pick_host_name_from_backend_address = true"):
            self.assertEqual(self.problems(picks, f"probe = deep\n{host}\n"), [])
