"""Files that are followed: read anew where they have changed, and left where they are bad or gone."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.certificates import CrlFile
from agwtwisted.revocation import crl_following
from agwtwisted.revocation.crl_files import ReadCrlFiles, read_crl_files
from agwtwisted.revocation.crl_following import CrlFilesFollower, reread
from tests.clocks import ThreadedReactor
from tests.revocation_lists import DEVICE, at_once, crl, profile


class FollowingTests(SynchronousTestCase):
    """Two files."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.paths = [Path(temporary.name) / name for name in ("one.crl", "two.crl")]
        for path in self.paths:
            path.write_bytes(crl().der())
        self.files = read_crl_files([profile(crl_files=tuple(CrlFile(path=str(path)) for path in self.paths))])

    def numbers(self, files: ReadCrlFiles) -> list[int | None]:
        """Of the lists of all files."""
        return [each.head.number for file in files.files.values() for each in file.unproven]

    def test_reread(self) -> None:
        """One that has changed is read; one that is bad or gone stays as it was, and the bad one is not tried again."""
        one, two = self.paths
        one.write_bytes(crl(DEVICE, number=2).der())
        two.unlink()
        files, problems = reread(self.files)
        self.assertEqual((self.numbers(files), problems), ([2, 1], []))
        two.write_bytes(b"nothing")
        files, problems = reread(files)
        self.assertEqual((self.numbers(files), len(problems)), ([2, 1], 1))
        self.assertIn("two.crl", problems[0])
        self.assertEqual(reread(files)[1], [])

    def test_follower(self) -> None:
        """Files are looked at while that is asked for, and a change that has settled is taken, an earlier one too."""
        self.patch(crl_following, "in_thread", at_once)
        clock, taken = ThreadedReactor(), list[ReadCrlFiles]()
        follower = CrlFilesFollower(clock, taken.append)
        follower.start()
        self.addCleanup(follower.stop)
        follower.use(self.files)
        self.paths[0].write_bytes(crl(DEVICE, number=2).der())
        clock.pump([1.0] * 5)
        self.assertEqual(taken, [])
        follower.follow(True)
        clock.pump([1.0, 1.0])
        self.paths[0].write_bytes(crl(DEVICE, number=30).der())
        clock.pump([1.0] * 5)
        self.assertEqual([self.numbers(each) for each in taken], [[2, 1], [30, 1]])
        follower.stop()
        follower.stop()
        self.assertEqual(clock.getDelayedCalls(), [])
