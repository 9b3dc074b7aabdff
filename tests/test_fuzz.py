"""The table of what is fuzzed, without a fuzzer: seeds and a few mutations of them."""

from __future__ import annotations

import random
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.der import elements
from fuzz.mutation import mutated, mutated_frames
from fuzz.targets import CERTIFICATES, HTTP2_FRAMES, TARGETS
from tests.frame_oracle import split

MUTATIONS = 40


class TargetTests(SynchronousTestCase):
    """Every target."""

    def test_holds_for_its_seeds(self) -> None:
        """What the fuzzer begins with is fine, and short enough to be taken; nothing at all is fine too."""
        for name, target in TARGETS.items():
            seeds = list(target.seeds())
            self.assertGreater(len(seeds), 1, name)
            for seed in (*seeds, b""):
                target.run(seed[: target.longest])

    def test_holds_for_mutations(self) -> None:
        """A byte changed or a piece lost, and in DER an element."""
        for name, target in TARGETS.items():
            chosen = random.Random(name)
            seeds = [seed for seed in target.seeds() if seed]
            for _ in range(MUTATIONS):
                data = bytearray(chosen.choice(seeds)[: target.longest])
                at = chosen.randrange(len(data))
                data[at : at + chosen.choice((0, 1, 1, 9))] = chosen.choice((b"", b"\0", b"\xff", b"\r\n", b"\x80"))
                target.run(mutated(bytes(data), chosen) if target.is_der else bytes(data))

    def test_the_page_names_them_all(self) -> None:
        """fuzz/README.md says of every target what must hold."""
        page = (Path(__file__).parent.parent / "fuzz" / "README.md").read_text()
        for name in TARGETS:
            self.assertIn(f"`{name}`", page)


class MutationTests(SynchronousTestCase):
    """`fuzz.mutation`."""

    def test_keeps_der_whole(self) -> None:
        """The outermost lengths are right whatever happened inside; something did; what is no DER is left alone."""
        chosen = random.Random(0)
        for certificate in CERTIFICATES:
            for _ in range(20):
                changed = mutated(certificate, chosen)
                elements(changed)
                self.assertNotEqual(changed, certificate)
        self.assertEqual(mutated(b"\x30", chosen), b"\x30")

    def test_keeps_frames_whole(self) -> None:
        """However often frames are changed, each is as long as it says; where there is none nothing is changed."""
        chosen = random.Random(0)
        for octets in HTTP2_FRAMES[:2]:
            changed = octets
            for _ in range(20):
                changed = mutated_frames(changed, chosen)
                self.assertEqual(b"".join(split(changed)), changed)
                preface, *found = split(changed)
                self.assertEqual(preface, octets[: len(preface)])
                self.assertEqual([len(each) - 9 for each in found], [int.from_bytes(each[:3], "big") for each in found])
            self.assertNotEqual(changed, octets)
        self.assertEqual(mutated_frames(b"PRI", chosen), b"PRI")
