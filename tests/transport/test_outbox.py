"""The outbox: connections send at the end of the turn."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.transport.outbox import NO_OUTBOX, Outbox


class _Held:
    """What is called at the end of the turn."""

    def __init__(self, flush: Callable[[], object]) -> None:
        self._flush = flush

    def flush(self) -> None:
        """Does so."""
        self._flush()


class OutboxTests(SynchronousTestCase):
    """One turn after the other."""

    def test_close(self) -> None:
        """Closing calls all of them once, in order, with the outbox closed already."""
        outbox, sent = Outbox(), list[tuple[str, bool]]()
        outbox.open = True
        outbox.add(_Held(lambda: sent.append(("a", outbox.open))))
        outbox.add(_Held(lambda: sent.append(("b", outbox.open))))
        self.assertEqual(sent, [])
        outbox.close()
        outbox.close()
        self.assertEqual((sent, outbox.open), ([("a", False), ("b", False)], False))

    def test_raises(self) -> None:
        """One that raises does not keep others from sending; its error is logged."""
        outbox, sent = Outbox(), list[str]()

        def fail() -> None:
            raise KeyError("a defect")

        outbox.add(_Held(fail))
        outbox.add(_Held(lambda: sent.append("b")))
        outbox.close()
        self.assertEqual((sent, len(self.flushLoggedErrors(KeyError))), (["b"], 1))

    def test_gather(self) -> None:
        """What is written between turns is sent together at its end, also where that fails."""
        outbox, sent = Outbox(), list[str]()

        def write() -> None:
            outbox.add(_Held(lambda: sent.append("a")))
            self.assertEqual((outbox.open, sent), (True, []))
            raise KeyError("a defect")

        self.assertRaises(KeyError, outbox.gather, write)
        self.assertEqual((outbox.open, sent), (False, ["a"]))
        NO_OUTBOX.gather(lambda: sent.append(str(NO_OUTBOX.open)))
        self.assertEqual(sent, ["a", "False"])

    def test_before_sending(self) -> None:
        """What is to be written at the end of the turn is written while it is open, and what that causes, then sent."""
        outbox, seen = Outbox(), list[tuple[str, bool]]()

        def write(name: str) -> None:
            seen.append((name, outbox.open))
            outbox.add(_Held(lambda: seen.append((f"send {name}", outbox.open))))

        def fail() -> None:
            outbox.before_sending(lambda: write("caused"))
            raise KeyError("a defect")

        outbox.before_sending(lambda: seen.append(("at once", outbox.open)))
        outbox.open = True
        outbox.before_sending(fail)
        outbox.before_sending(lambda: write("a"))
        self.assertEqual(seen, [("at once", False)])
        outbox.close()
        outbox.close()
        wrote = [("a", True), ("caused", True), ("send a", False), ("send caused", False)]
        self.assertEqual((seen[1:], len(self.flushLoggedErrors(KeyError))), (wrote, 1))

    def test_none(self) -> None:
        """Where the reactor has no turns, there is one that is never open."""
        self.assertFalse(NO_OUTBOX.open)
