"""The limit of the process's file descriptors."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

RAISES = """
import resource
soft, hard = map(int, __import__("sys").argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from agwtwisted.transport.descriptors import raise_limit
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


class RaiseTests(SynchronousTestCase):
    """In a process of its own, since a hard limit cannot be raised again."""

    def test_raises(self) -> None:
        """The soft limit is raised to the hard one, where it is not there already."""
        for soft in (256, 512):
            words = [sys.executable, "-c", RAISES, str(soft), "512"]
            printed = subprocess.run(words, capture_output=True, check=True, text=True).stdout
            self.assertEqual(printed, "512 512 512\n")
