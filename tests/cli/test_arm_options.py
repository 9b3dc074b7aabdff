"""`agwtwisted.cli.arm_options`: what commands are told about a gateway in ARM JSON."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.arm_options import add_arm_options, add_overlay, arm_arguments
from agwtwisted.core.arm.inputs import with_arm
from agwtwisted.core.sections import settings
from agwtwisted.core.sections.arm_keys import ARM
from agwtwisted.core.sections.ini import parse
from tests.arm_gateways import gateway, https
from tests.cli.calls import call

WORDS = (
    "--overlay=o.ini",
    "--port=443=8443,80=8080",
    "--port=81=8081",
    "--port-offset=1000",
    "--address=127.0.0.9",
    "--address=private=127.0.0.8",
    "--backend=app=127.0.0.1:1,127.0.0.1:2",
    "--certificate=site=a.pfx:a.password",
    "--certificate=ca=/ca.pem",
    "--page=https://x/?a=b=5.html",
    "--parameters=a.json",
    "--parameters=/b.json",
    "--parameter=text=a=b",
    "--value=reference('x').y=1",
    "--tls-policy=AppGwSslPolicy20220101",
    "--name=gw",
)


def parser() -> argparse.ArgumentParser:
    """One with all of them."""
    made = argparse.ArgumentParser()
    add_arm_options(made)
    return made


class OptionsTests(SynchronousTestCase):
    """From words to keys of [arm]."""

    def test_keys(self) -> None:
        """Each option is a key of [arm] with its text; paths are absolute."""
        found = arm_arguments(parser().parse_args(WORDS))
        here = os.getcwd()
        self.assertEqual(found.overlay, f"{here}/o.ini")
        expected = {
            "ports": "443=8443,80=8080, 81=8081",
            "port_offset": "1000",
            "address": "127.0.0.9",
            "address.private": "127.0.0.8",
            "backend.app": "127.0.0.1:1,127.0.0.1:2",
            "certificate.site": f"{here}/a.pfx",
            "password.site": f"{here}/a.password",
            "certificate.ca": "/ca.pem",
            "page.1000001": f"https://x/?a=b {here}/5.html",
            "parameters": f"{here}/a.json\n/b.json",
            "parameter.text": "a=b",
            "value.1000001": "reference('x').y=1",
            "tls_policy": "AppGwSslPolicy20220101",
            "name": "gw",
        }
        self.assertEqual(dict(found.keys), expected)

    def test_every_key_is_known(self) -> None:
        """The section takes all of them."""
        keys = arm_arguments(parser().parse_args(WORDS)).keys
        [section] = with_arm(parse(b"", ""), "", keys).sections
        _, problems = settings.read(section, ARM)
        self.assertEqual(problems, [])

    def test_nothing(self) -> None:
        """Without options nothing is said, also by commands that have the overlay alone, or none of them."""
        overlay = argparse.ArgumentParser()
        add_overlay(overlay)
        for made in (parser(), overlay, argparse.ArgumentParser()):
            self.assertFalse(arm_arguments(made.parse_args([])))
        self.assertTrue(arm_arguments(overlay.parse_args(["--overlay", "a"])))

    def test_without_a_name(self) -> None:
        """What has to be NAME=VALUE and is not is wrong usage."""
        for words in (["--backend", "x"], ["--certificate", "=x"], ["--parameter", "x"], ["--value", ""]):
            with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit):
                parser().parse_args(words)
            self.assertIn("has no name: write NAME=VALUE", said.getvalue())


class CommandTests(SynchronousTestCase):
    """Commands that take a document."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.file = self.write("gateway.json", json.dumps(gateway(), indent=1))

    def write(self, name: str, text: str) -> str:
        """A file, and its path."""
        path = self.directory / name
        path.touch(0o600)
        path.write_text(text)
        return str(path)

    def test_check(self) -> None:
        """A document is checked with its notes, as file or as --config; options count, and --strict minds no note."""
        done = call("check", self.file, "--port", "80=8087", "--strict")
        if "WARNING" in done.err:  # of this machine's descriptors
            done = call("check", self.file, "--port", "80=8087")
        self.assertEqual(done.status, 0, done.err)
        self.assertIn("127.0.0.1:8087", done.out)
        self.assertIn("NOTE", done.err)
        answer = json.loads(call("check", "--json", "--config", self.file, "--backend", "app=127.0.0.1:7").out)
        [server] = answer["configuration"]["backend_address_pool app"]["backend_addresses"]
        self.assertEqual(server["port"], 7)
        self.assertTrue(any(each["path"] for each in answer["notes"]), answer["notes"])

    def test_refused(self) -> None:
        """What a document has wrong is said with line and path; options are said to be on the command line."""
        self.write("gateway.json", json.dumps(gateway(backendHttpSettingsCollection=[]), indent=1))
        done = call("check", self.file, "--name", "other")
        self.assertEqual(done.status, 1)
        self.assertIn("has no application gateway named 'other', but 'edge'", done.err)
        done = call("run", "--config", self.file, "--port", "80")
        self.assertEqual(done.status, 1)
        self.assertIn("ERROR command line [arm] ports has '80'", done.err)
        self.assertIn("properties.requestRoutingRules[0].properties.backendHttpSettings", done.err)
        self.assertNotIn("NOTE", done.err)

    def test_explain_and_diff(self) -> None:
        """A listener of a document is explained, and two documents are compared, each with its own overlay."""
        self.write("gateway.json", json.dumps(https(), indent=1))
        other = self.write("other.json", json.dumps(https(), indent=1))
        for name, timeout in (("gateway", 20), ("other", 7)):
            self.write(f"{name}.overlay.ini", f"[backend_http_settings plain]\nrequest_timeout = {timeout}\n")
        done = call("diff", self.file, other, "--port-offset", "8000")
        self.assertEqual((done.status, done.err), (1, ""))
        self.assertIn("equestTimeout: 20 -> 7", done.out)
        done = call("explain", "--config", self.file, "--listener", "none", "--port-offset", "8000", self.file)
        self.assertIn("none", done.err)
        self.assertEqual(done.status, 2)
