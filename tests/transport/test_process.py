"""What a process that serves installs."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import unittest
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.transport import process
from tests import running

INSTALLS = """
import gc, linecache, sys
from agwtwisted.transport.process import install_reactor, spare_the_collector
assert "twisted.internet.reactor" not in sys.modules
install_reactor()
assert linecache.cache
spare_the_collector()
assert not linecache.cache
from twisted.internet import reactor
print(type(reactor).__name__, gc.get_threshold(), gc.get_freeze_count() > 10000)
"""


KEEPS = """
import resource
from agwtwisted.transport.process import keep_freed_memory
keep_freed_memory()
def read():
    return [b"x" * 262144 for _ in range(8)]
read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    read()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before < 1000)
"""


class ProcessTests(SynchronousTestCase):
    """In a process of its own, and where the system lacks something."""

    def test_installs(self) -> None:
        """The reactor is ours; the collector looks at little, and not at modules, whose texts are not kept."""
        words = [sys.executable, "-P", "-c", INSTALLS]
        done = subprocess.run(
            words, env=running.environment(), capture_output=True, text=True, check=False, timeout=running.PATIENCE
        )
        self.assertEqual((done.stdout, done.stderr), (f"LeanEPollReactor {process.COLLECTED} True\n", ""))

    @unittest.skipUnless(hasattr(ctypes.CDLL(None), "mallopt"), "the C library has no mallopt")
    def test_keeps(self) -> None:
        """Memory of large reads is used again: the kernel makes no page anew for each."""
        words = [sys.executable, "-P", "-c", KEEPS]
        done = subprocess.run(
            words, env=running.environment(), capture_output=True, text=True, check=False, timeout=running.PATIENCE
        )
        self.assertEqual((done.stdout, done.stderr), ("True\n", ""))

    def test_fallback(self) -> None:
        """Where the reactor does not work, that is said; without epoll there is nothing to say, and none of ours."""
        self.assertEqual(process.reactor_fallback(), "")
        with mock.patch("agwtwisted.transport.reactor.FALLBACK", "is slower"):
            self.assertEqual(process.reactor_fallback(), "is slower")
        with mock.patch.dict(sys.modules, {"agwtwisted.transport.reactor": None}):
            self.assertEqual(process.reactor_fallback(), "")
            process.install_reactor()
