"""What the process takes."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.operations.process_usage import ProcessUsage


class UsageTests(SynchronousTestCase):
    """Of this process."""

    def test_now(self) -> None:
        """Numbers of a Python that runs: megabytes, some descriptors, and fewer than there may be."""
        usage = ProcessUsage.now()
        self.assertGreater(usage.cpu_seconds, 0.0)
        self.assertGreater(usage.resident_bytes, 1 << 20)
        self.assertTrue(2 < usage.open_descriptors <= usage.max_descriptors)

    def test_descriptors(self) -> None:
        """One more that is open is one more."""
        before = ProcessUsage.now().open_descriptors
        descriptor = os.open("/dev/null", os.O_RDONLY)
        try:
            self.assertEqual(ProcessUsage.now().open_descriptors, before + 1)
        finally:
            os.close(descriptor)

    def test_without_proc(self) -> None:
        """Where the system says nothing it is 0, and no error."""

        def missing(*_: object) -> None:
            raise FileNotFoundError

        self.patch(os, "stat", missing)
        self.assertEqual(ProcessUsage.now().open_descriptors, 0)
