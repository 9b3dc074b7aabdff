"""Clients of HTTP/2 that have the gateway work for little, over TLS: how they end, in the log and in the metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager

from hyperframe.frame import GoAwayFrame

from agwtwisted.core.http2.codes import DATA, END_HEADERS, ENHANCE_YOUR_CALM
from tests.end_to_end import gateway, http2
from tests.end_to_end.lines import wait_until
from tests.end_to_end.traffic import samples_of, scrape
from tests.http2.raw_frames import POST, frame, request, reset, streams, update
from tests.http2_clients import FrameClient, begun, tls


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """One that answers what its metrics are."""
    with http2.stage(state_directory="state") as scene:
        yield scene


class AbuseTests(http2.Http2Case):
    """Each ends its own connection, with a reason."""

    stage = staticmethod(stage)

    def cut(self, reason: str) -> float:
        """How many connections were ended for it, as the metrics say."""
        labels = (("listener", "open"), ("reason", reason))
        return samples_of(scrape(self.gateway)).get(("agw_http2_connections_cut_total", labels), 0)

    def assert_cut(self, reason: str, parts: Iterable[bytes]) -> None:
        """The parts end their connection, and no other one."""
        neighbour, before = self.client("open"), self.cut(reason)
        client = begun(FrameClient(tls(self.gateway.call(self.scene.doors["open"]))))
        with closing(client):
            for part in parts:
                client.send(part)
            self.assertEqual(client.next(GoAwayFrame).error_code, ENHANCE_YOUR_CALM)
        self.told(neighbour.fetch("/"))
        self.assertEqual(self.cut(reason), before + 1)
        self.assertIn(f"was ended: too many {reason.replace('_', ' ')}", self.gateway.output)

    def test_rapid_reset(self) -> None:
        """Requests that are taken back at once (CVE-2023-44487): not half of a thousand begin, each with its line."""
        before = len(self.lost())
        self.assert_cut("resets", [b"".join(request(number) + reset(number) for number in streams(2000))])
        wait_until(lambda: len(self.lost()) > before, "the requests are in the log")
        self.assertLess(len(self.lost()) - before, 500)

    def lost(self) -> list[object]:
        """The lines of requests over HTTP/2 whose client has left."""
        found = [each for each in self.gateway.records() if each.get("httpStatus") == 499]
        self.assertEqual({each["httpVersion"] for each in found} - {"HTTP/2.0"}, set())
        return [*found]

    def test_frames_of_a_byte(self) -> None:
        """20,000 DATA frames of a byte, and as many WINDOW_UPDATEs, which other servers take."""
        self.assert_cut("small_data", [request(1, POST, END_HEADERS) + frame(DATA, 0, 1, b"x") * 20_000])
        self.assert_cut("window_updates", [update(0) * 20_000])
