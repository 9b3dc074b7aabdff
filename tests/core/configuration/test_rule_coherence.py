"""Rules and the listeners that they name, and configurations that serve nothing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import ConfigError, Severity
from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.plan.plan import Plan
from tests import pki, relays
from tests.configurations import FILE, GOOD, changed, files, plan, redirect, said, with_listener

UNSERVED = "[http_listener {name}]\naddress = 127.0.0.1\nport = {port}\nprotocol = Http\n"


def unserved(name: str, port: int = 8444) -> str:
    """A listener without a rule."""
    return "\n" + UNSERVED.format(name=name, port=port)


def emptied(text: str) -> Plan:
    """A configuration that may serve nothing."""
    return parse(text.encode(), FILE, files().read, now=pki.NOW, may_be_empty=True)


class RuleTests(SynchronousTestCase):
    """Rules and listeners."""

    def test_priorities(self) -> None:
        """Two rules of one priority have no order."""
        [line] = said(GOOD + with_listener("other", port=8444, profile="strict", priority=100))
        self.assertIn("priority 100 is also that of request_routing_rule public", line)

    def test_one_rule_a_listener(self) -> None:
        """A second rule for a listener would never be looked at."""
        text = with_listener("other", port=8444, profile="strict").replace(
            "http_listener = other", "http_listener = public"
        )
        lines = said(GOOD + text)
        self.assertTrue(
            any("the listener public already has the rule request_routing_rule public" in line for line in lines)
        )


class LoginTests(SynchronousTestCase):
    """Dedicated connections, and the versions of HTTP that share them."""

    def test_over_http2(self) -> None:
        """HTTP/2 and a dedicated connection are a warning, by whichever key it is switched on; neither alone is."""
        dedicated = ("port = 9000\n", "port = 9000\ndedicated_backend_connection = true\n")
        everywhere = ("[gateway]\n", "[gateway]\nenable_http2 = true\n")
        here = ("port = 8443\n", "port = 8443\nenable_http2 = true\n")
        not_here = ("port = 8443\n", "port = 8443\nenable_http2 = false\n")
        for changes, warned in (
            ((dedicated, everywhere), True),
            ((dedicated, here), True),
            ((dedicated, everywhere, not_here), False),
            ((dedicated,), False),
            ((everywhere,), False),
        ):
            names = [each.name for each in plan(changed(*changes)).config.warnings]
            self.assertEqual(names, ["dedicated-over-http2"] if warned else [], changes)


class UnservedTests(SynchronousTestCase):
    """Listeners without a rule: the product has them while a gateway is put together, piece by piece."""

    def test_warned_of_and_not_bound(self) -> None:
        """Each is a warning with a name, and its port is none of those that are bound."""
        made = plan(GOOD + unserved("other"))
        [warning] = made.config.warnings
        self.assertEqual((warning.severity, warning.name), (Severity.WARNING, "listener-without-rule"))
        self.assertIn("[http_listener other] no request_routing_rule names this listener", str(warning))
        self.assertEqual(made.addresses, (("127.0.0.1", 8443),))
        self.assertEqual([each.name for each in made.config.served], ["public"])
        self.assertEqual([each.name for each in made.config.unserved], ["other"])
        self.assertEqual(made.listener_at(("127.0.0.1", 8444)), "")

    def test_of_both_kinds(self) -> None:
        """Listeners of L4 are treated alike."""
        text = relays.text("a -") + "[listener b]\nport = 1\nprotocol = Tcp\n"
        lines = [line for line in said(text) if "not bound" in line]
        self.assertEqual(len(lines), 1)
        self.assertIn("[listener b] no routing_rule names this listener, so it is not bound", lines[0])

    def test_beside_a_rule_with_errors(self) -> None:
        """Where a rule's listener is not to be read, no listener is said to be without one."""
        lines = said(changed(("http_listener = public", "http_listener =")))
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("http_listener is missing", lines[0])

    def test_still_checked(self) -> None:
        """One that could never be served beside the others is an error before it has a rule."""
        lines = [each for each in said(GOOD + unserved("other", 8443)) if each.startswith("ERROR")]
        self.assertTrue(any("speak Http and Https on one port" in line for line in lines), lines)

    def test_shadows_nothing(self) -> None:
        """Names of one take no request away from a stricter listener."""
        text = GOOD + with_listener("lax", extra="host_names = a.b\n")
        self.assertTrue(any("is answered here" in line for line in said(text)))
        listener, _, _ = text.partition("\n[request_routing_rule lax]")
        self.assertFalse(any("is answered here" in line for line in said(listener)))

    def test_redirected_to(self) -> None:
        """A redirect to one leads to a port where nothing listens: a warning with a name."""
        text = changed(
            ("backend_address_pool = app\nbackend_http_settings = app\n", f"redirect_configuration = r\n{TO_OTHER}")
        )
        warnings = plan(text + unserved("other")).config.warnings
        self.assertEqual(
            [each.name for each in warnings], ["redirect-to-listener-without-rule", "listener-without-rule"]
        )
        self.assertEqual(warnings[0].key, "target_listener")


TO_OTHER = redirect("r", "target_listener = other")


class NothingServedTests(SynchronousTestCase):
    """Configurations in which no listener has a rule."""

    def test_error_unless_allowed(self) -> None:
        """A file of sections has to serve something; one problem says what is missing."""
        self.assertEqual(said(""), [f"ERROR {FILE} serves nothing: it has no http_listener and no listener"])
        lines = said(GOOD.partition("[request_routing_rule")[0])
        self.assertEqual(lines[0], f"ERROR {FILE} serves nothing: no listener has a rule")
        self.assertEqual([line.split()[0] for line in lines], ["ERROR", "WARNING"])

    def test_allowed(self) -> None:
        """Where it is allowed it is a plan without ports, with a warning that has a name."""
        for text in ("", "[gateway]\n", GOOD.partition("[request_routing_rule")[0]):
            made = emptied(text)
            self.assertEqual((made.addresses, made.ports, made.routes, made.relay_routes), ((), (), (), ()))
            self.assertEqual(made.config.warnings[0].name, "serves-nothing")
            self.assertIs(made.config.warnings[0].severity, Severity.WARNING)
        self.assertEqual(emptied(GOOD), plan())

    def test_not_said_beside_errors(self) -> None:
        """A rule that is wrong, or a file that cannot be read, serves nothing only for now."""
        for text in (changed(("http_listener = public", "http_listener = x")), "[http_listener a\n"):
            self.assertFalse([line for line in said(text) if "serves nothing" in line])
        with self.assertRaises(ConfigError):
            emptied("[gateway]\nmax_connections = x\n")
