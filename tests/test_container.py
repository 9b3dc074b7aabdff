"""Dockerfile and deploy/compose.yaml, as far as they can be tested without an image."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.parser import parse

ROOT = Path(__file__).parent.parent


class ContainerTests(SynchronousTestCase):
    """What they say of the package."""

    def test_commands(self) -> None:
        """Every command line of `agw` in them is one that the program takes."""
        dockerfile = (ROOT / "Dockerfile").read_text()
        compose = (ROOT / "deploy" / "compose.yaml").read_text()
        commands = [["agw", *json.loads(found)] for found in re.findall(r'(?m)^CMD (\["run".*)$', dockerfile)]
        commands += [json.loads(found) for found in re.findall(r'(?m)^    CMD (\["agw".*)$', dockerfile)]
        commands += [["agw", *json.loads(found)] for found in re.findall(r'(?m)command: (\["demo".*)$', compose)]
        commands += [shlex.split(found) for found in re.findall(r"(?s)exec (agw init .*?)\n    volumes", compose)]
        commands += [shlex.split(found) for found in re.findall(r"(?m)exec gateway (agw .*)$", compose)]
        self.assertEqual([each[1] for each in commands], ["run", "status", "demo", "demo", "init", "status"])
        for command in commands:
            self.assertEqual(parse(command[1:]).command.name, command[1])

    def test_sources(self) -> None:
        """What the image is built from is there, and not left out of what the builder sees."""
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        for line in re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text()):
            for name in line.split():
                self.assertTrue((ROOT / name).exists(), name)
                self.assertIn(f"!{name}", ignored)

    def test_no_root(self) -> None:
        """The image's user is not root, and every service has a root file system that cannot be written."""
        self.assertRegex((ROOT / "Dockerfile").read_text(), r"(?m)^USER 10001:10001$")
        _, _, services = (ROOT / "deploy" / "compose.yaml").read_text().partition("\nservices:\n")
        names = re.findall(r"(?m)^  (\w+):\n    (.*)$", services)
        self.assertEqual({first for _, first in names}, {"<<: *hardened"})
        self.assertEqual([name for name, _ in names], ["init", "backend", "responder", "gateway"])
