"""Checks across sections for `control`."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.configurations import GOOD, load, said


class ControlPortTests(SynchronousTestCase):
    """The control API on TCP."""

    def errors(self, control: str, text: str = GOOD) -> list[str]:
        """What is wrong with a section, less the place."""
        lines = [each for each in said(f"{text}\n[control]\n{control}\n") if "[control]" in each]
        return [each.partition("] ")[2] for each in lines]

    def test_values(self) -> None:
        """Address, port and token are read; the address is 127.0.0.1 unless it is given."""
        control = load(f"{GOOD}\n[control]\nport = 9901\ntoken_file = t\n").control
        assert control is not None
        self.assertEqual((control.address, control.port, control.token_file), ("127.0.0.1", 9901, "conf/t"))
        six = load(f"{GOOD}\n[control]\nport = 9901\naddress = ::1\ntoken_file = /t\n").control
        assert six is not None
        self.assertEqual((six.address, six.token_file), ("::1", "/t"))

    def test_loopback_alone(self) -> None:
        """An address that other machines reach, or a name, is an error."""
        for address in ("0.0.0.0", "::", "192.0.2.1", "localhost", "::ffff:127.0.0.1"):
            found = self.errors(f"port = 9901\ntoken_file = t\naddress = {address}")
            self.assertEqual(len(found), 1, address)
            self.assertIn("address", found[0])
        self.assertEqual(self.errors("port = 9901\ntoken_file = t\naddress = 127.1.2.3"), [])

    def test_without_port(self) -> None:
        """Without a port the other keys have no effect, which is an error."""
        self.assertEqual(self.errors("address = ::1"), ["address has no effect without port"])
        self.assertEqual(self.errors("token_file = t"), ["token_file has no effect without port"])

    def test_token(self) -> None:
        """A port needs a place for its token."""
        (error,) = self.errors("port = 9901")
        self.assertIn("port needs a token: set token_file, or state_directory in [gateway]", error)
        self.assertEqual(self.errors("port = 9901", f"[gateway]\nstate_directory = s\n{GOOD}"), [])

    def test_arm(self) -> None:
        """A control plane needs a state directory and a port of its own; without it its keys have no effect."""
        state = f"[gateway]\nstate_directory = s\n{GOOD}".replace("[gateway]\naccess_log = -\n", "")
        self.assertEqual(self.errors("arm = true\naddress = ::1", state), [])
        (error,) = self.errors("arm = true")
        self.assertIn("arm needs state_directory in [gateway]", error)
        (error,) = self.errors("arm = true\narm_port = 8443", state)
        self.assertIn("listens on port 8443 of 127.0.0.1, too", error)
        (error,) = self.errors("arm = true\nport = 8902", state)
        self.assertIn("arm_port is 8902, as port is", error)
        for key in ("arm_port = 8902", "arm_subscription = 00000000-0000-0000-0000-000000000001"):
            self.assertEqual(self.errors(key), [f"{key.partition(' ')[0]} has no effect without arm = true"])
        (error,) = self.errors("arm = true\narm_subscription = mine", state)
        self.assertIn("must be a UUID", error)

    def test_listener(self) -> None:
        """A port that a listener takes is an error, one of another address is none."""
        (error,) = self.errors("port = 8443\ntoken_file = t")
        self.assertIn("listens on port 8443 of 127.0.0.1, too", error)
        self.assertEqual(self.errors("port = 8443\ntoken_file = t\naddress = ::1"), [])
        everywhere = GOOD.replace("address = 127.0.0.1", "address = 0.0.0.0")
        self.assertEqual(len(self.errors("port = 8443\ntoken_file = t", everywhere)), 1)
