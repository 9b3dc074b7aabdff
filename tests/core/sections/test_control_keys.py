"""The section `[control]`, and where a command finds the control socket."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.gateway import Control
from agwtwisted.core.sections.control_keys import OFF, located, socket_path
from tests.configurations import GOOD, load, plan


class SocketPathTests(SynchronousTestCase):
    """The rules for its place."""

    def test_order(self) -> None:
        """The key counts first, then the state directory, then the runtime directory; without any there is none."""
        self.assertEqual(socket_path("/a/b", "/state", "/run/x"), "/a/b")
        self.assertEqual(socket_path(None, "/state", "/run/x"), "/state/control.sock")
        self.assertEqual(socket_path(None, None, "/run/x"), "/run/x/control.sock")
        self.assertIsNone(socket_path(None, None, ""))
        self.assertIsNone(socket_path(OFF, "/state", "/run/x"))


class LocatedTests(SynchronousTestCase):
    """From the bytes of a file."""

    def at(self, text: str) -> str | None:
        """Where it is, for a file in /etc/agw."""
        return located(text.encode(), "/etc/agw/gw.ini", "/run/agwtwisted")

    def test_with_errors(self) -> None:
        """Whatever else is wrong with the file, the path is found, relative to the file."""
        self.assertEqual(self.at("nonsense\n[control]\nsocket = c.sock\n[http_listener\nx = 1\n"), "/etc/agw/c.sock")
        self.assertEqual(self.at("[gateway]\nstate_directory = ../state\nfoo\n"), "/etc/agw/../state/control.sock")
        self.assertEqual(self.at("[gateway]\nstate_directory = /s\n[control]\nsocket =\n"), "/s/control.sock")
        self.assertEqual(self.at("\0\xff"), "/run/agwtwisted/control.sock")
        self.assertIsNone(self.at("[control]\nsocket = off\n"))


class SectionTests(SynchronousTestCase):
    """In a configuration."""

    def test_as_the_gateway_has_it(self) -> None:
        """The gateway's path is that which a command finds; without the section there is none of it."""
        self.assertIsNone(load(GOOD).control)
        for value, expected in (("c.sock", "conf/c.sock"), ("/run/c.sock", "/run/c.sock"), (OFF, OFF)):
            text = f"{GOOD}\n[control]\nsocket = {value}\n"
            self.assertEqual(load(text).control, Control(socket=expected))
            self.assertEqual(located(text.encode(), "conf/gw.ini", ""), None if value == OFF else expected)
        self.assertIn("control", plan(f"{GOOD}\n[control]\nsocket = off\n").fingerprints)
