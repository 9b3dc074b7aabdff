"""Notes about what the product would not take."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.limits import LIMITED_KINDS, PRODUCT_RESOURCES
from agwtwisted.core.sections.schema import KINDS
from tests.configurations import GOOD, changed, load, noted, said


class LimitTests(SynchronousTestCase):
    """Numbers and ports."""

    def test_numbers(self) -> None:
        """One more than the product takes is a note, at the first section that is too many."""
        pools = "".join(f"\n[backend_address_pool p{number}]\n" for number in range(PRODUCT_RESOURCES.highest - 1))
        self.assertEqual(load(GOOD + pools).notes, ())
        [note] = load(f"{GOOD}{pools}\n[backend_address_pool last]\n").notes
        self.assertEqual(note.section, "backend_address_pool last")
        self.assertEqual(note.message, "is one of 101: the product has at most 100 of them")

    def test_listeners(self) -> None:
        """Listeners of both kinds count together; one that serves needs no note."""
        listeners = "".join(
            f"\n[http_listener l{number}]\naddress = 127.0.0.1\nport = {number + 1}\nprotocol = Http\n"
            for number in range(200)
        )
        [note] = load(GOOD + listeners).notes
        self.assertEqual(
            (note.section, note.message), ("http_listener l199", "is one of 201: the product has at most 200 of them")
        )

    def test_ports(self) -> None:
        """Ports that the product keeps for itself are ports here; servers may have any."""
        self.assertEqual(
            noted(changed(("port = 8443", "port = 65200"))),
            ["port 65200: a listener of the product has one from 1 to 65199"],
        )
        self.assertEqual(noted(changed(("port = 8443", "port = 65199"), ("port = 9000", "port = 65535"))), [])

    def test_kinds(self) -> None:
        """Kinds with a limit are kinds."""
        self.assertFalse({*LIMITED_KINDS} - {*KINDS})


class CodeTests(SynchronousTestCase):
    """Errors that the product has a code for."""

    def test_profiles(self) -> None:
        """Of a profile that says nothing, and of a policy that was retired."""
        for section, code in (
            ("[ssl_profile p]\n", "ApplicationGatewaySslProfileMustSpecifyPolicyOrCertificates"),
            (
                "[ssl_profile p]\nssl_policy = AppGwSslPolicy20150501\n",
                "ApplicationGatewayDeprecatedTlsVersionUsedInSslPolicy",
            ),
        ):
            [line] = [each for each in said(f"{GOOD}\n{section}") if each.startswith("ERROR")]
            self.assertTrue(line.endswith(f"({code})"), line)
