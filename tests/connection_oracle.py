"""h2 as a second server: whole connections of HTTP/2, and what both make of what one client sends."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from struct import pack

import attrs
import hpack
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset, TrailersReceived
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame, RstStreamFrame

from agwtwisted.core.http.messages import Framing, RequestHead
from agwtwisted.core.http2 import codes, frames
from agwtwisted.core.http2.windows import CONNECTION_WINDOW, STREAM_WINDOW
from tests import frame_oracle
from tests.frame_oracle import BEGIN, RESERVED, frame, split
from tests.http1.test_frontend import Asked
from tests.http2.connections import Http2Case
from tests.http2_clients import FrameClient, MemoryWire

Fields = list[tuple[bytes, bytes]]

_COMPARED = re.compile(rb"cookie|x-[a-z0-9]{1,3}")
"""Names of headers that are forwarded as they came: neither managed nor odd."""


@attrs.define
class Said:
    """One request, as a server has read it."""

    method: bytes
    path: bytes
    authority: bytes
    others: Fields  # as far as they are compared
    body: bytes = b""
    whole: bool = False


class OurServer:
    """Http2ClientProtocol in memory, with exchanges that answer once a request is whole, or never.

    Unless one `takes` bodies, their octets stay in the windows.
    """

    def __init__(self, *, answers: bool, takes: bool = True) -> None:
        self.case = Http2Case("setUp")
        self.case.setUp()
        self.answers = answers
        if not takes:
            self.case.begun = lambda asked: asked.reply.pause_body()
        self.client = FrameClient(MemoryWire(self.case.line.send, self.case._taken, lambda: True))

    def take(self, octets: bytes) -> None:
        """Has the server read them."""
        if not self.case.line.eof:
            self.case.line.send(octets)
        self.client.more()
        if self.answers:
            for asked in self.case.asked:
                head = asked.request
                if asked.whole or (isinstance(head, RequestHead) and head.framing is Framing.NONE and not head.upgrade):
                    self._answer(asked)
            self.client.more()

    def _answer(self, asked: Asked) -> None:
        if not hasattr(asked, "answered") and not asked.lost:
            asked.answered = True  # type: ignore[attr-defined]
            asked.answer()

    @property
    def ended(self) -> bool:
        """Whether the connection is over by an error."""
        return any(isinstance(each, GoAwayFrame) and each.error_code for each in self.client.frames)

    @property
    def reset(self) -> set[int]:
        """The streams that were reset, and those that got a page in place of being forwarded."""
        sent = {each.stream_id for each in self.client.frames if isinstance(each, RstStreamFrame)}
        unfit = {number for number, each in self.streams() if not isinstance(each.request, RequestHead)}
        return sent | unfit | {number for number, each in self.streams() if each.refused}

    def outcome(self) -> tuple[object, ...]:
        """How all of it ended: requests, refusals, resets and the end of the connection."""
        sent = self.client.frames
        return (
            self.requests(),
            [(number, type(each.request), each.refused, each.lost) for number, each in self.streams()],
            {(each.stream_id, each.error_code) for each in sent if isinstance(each, RstStreamFrame)},
            [each.error_code for each in sent if isinstance(each, GoAwayFrame)],
        )

    def is_closed(self, stream: int) -> bool:
        """Whether it was opened and is not any more."""
        streams = self.case.protocol._streams
        return stream not in streams.open and not streams.is_idle(stream)

    def streams(self) -> Iterator[tuple[int, Asked]]:
        """What was asked, with the number of its stream."""
        for asked in self.case.asked:
            yield asked.reply.number, asked  # type: ignore[attr-defined]

    def requests(self) -> dict[int, Said]:
        """What would be forwarded."""
        return {number: _ours(each) for number, each in self.streams() if isinstance(each.request, RequestHead)}


def _ours(asked: Asked) -> Said:
    head = asked.request
    assert isinstance(head, RequestHead)
    return Said(
        b"CONNECT" if head.upgrade else head.method,
        head.target,
        head.authority,
        sorted(each for each in head.headers if _COMPARED.fullmatch(each[0])),
        asked.data,
        asked.reply.body_of_request.whole if head.upgrade else asked.whole or head.framing is Framing.NONE,  # type: ignore[attr-defined]
    )


class H2Server:
    """The same by h2."""

    def __init__(self, *, answers: bool, takes: bool = True) -> None:
        self.answers = answers
        self.takes = takes
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        values = {
            SettingCodes.MAX_CONCURRENT_STREAMS: 100,
            SettingCodes.MAX_HEADER_LIST_SIZE: 16384,
            SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
            SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
        }
        self.h2.local_settings = Settings(client=False, initial_values=values)
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(CONNECTION_WINDOW - codes.DEFAULT_WINDOW)
        self.requests: dict[int, Said] = {}
        self.left: set[int] = set()  # reset, by either side
        self.problem: ProtocolError | None = None

    def take(self, octets: bytes) -> None:
        """Has h2 read them; `problem` is why it ends the connection."""
        try:
            for event in self.h2.receive_data(octets):
                self._happened(event)
        except ProtocolError as problem:
            self.problem = problem

    def _happened(self, event: Event) -> None:
        match event:
            case RequestReceived():
                self.requests[event.stream_id] = _theirs(event.headers)
            case DataReceived():
                self._data(event)
            case StreamEnded():
                self.requests[event.stream_id].whole = True
                if self.answers and event.stream_id not in self.left:
                    self.h2.send_headers(event.stream_id, [(b":status", b"200")], end_stream=True)
            case StreamReset():
                self.left.add(event.stream_id)
            case TrailersReceived() | _:
                pass

    def _data(self, event: DataReceived) -> None:
        said = self.requests[event.stream_id]
        if self.takes and said.method != b"CONNECT":  # a tunnel waits until a server has agreed to it
            said.body += event.data
        if self.takes and event.flow_controlled_length:
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)


def _theirs(fields: Fields) -> Said:
    pseudo = {name: value for name, value in fields if name.startswith(b":")}
    host = next((value for name, value in fields if name == b"host"), b"")
    return Said(
        pseudo[b":method"],
        pseudo.get(b":path", b""),
        pseudo.get(b":authority", host),
        sorted((name, value) for name, value in fields if _COMPARED.fullmatch(name)),
    )


def connections_agree(octets: bytes, *, answers: bool, takes: bool = True) -> tuple[int, set[str]]:
    """What h2 refuses is refused, by an end, a reset or a page; what both take are the same requests.

    Returns how many requests both took, and the ways in which the gateway was stricter.
    """
    ours, theirs = OurServer(answers=answers, takes=takes), H2Server(answers=answers, takes=takes)
    stricter: set[str] = set()
    given_up: set[int] = set()  # streams that only the gateway has refused
    preface, *raws = split(octets)
    for raw in (preface, *raws):
        if raw is not preface and not frame_oracle.is_whole(raw):
            break  # of a long DATA frame the gateway takes what there is, and h2 nothing
        before = ours.reset
        ours.take(raw)
        theirs.take(raw)
        if theirs.problem is not None:
            refused = ours.ended or ours.reset > before or _may_take(raw, given_up, ours)
            assert refused, (raw, theirs.problem, ours.case.asked, ours.client.frames)
            break
        if ours.ended:
            stricter.add(ours.case.session.misuses[-1][1])
            break
        given_up |= ours.reset - theirs.left
        stricter |= {f"stream refused by frame type {raw[3]}" for _ in ours.reset - theirs.left - before}
        _compare(ours, theirs, given_up, raw)
        if raw[3:4] == bytes((codes.GOAWAY,)):
            break  # behind which h2 takes no frame, though streams may go on (RFC 9113 section 6.8)
    return len(theirs.requests.keys() - given_up), stricter


def _may_take(raw: bytes, given_up: set[int], ours: OurServer) -> bool:
    """Whether h2 refuses a frame that RFC 9113 allows.

    On a stream that the gateway has reset it may still come, and WINDOW_UPDATE on one that is closed means nothing
    (section 5.1).
    """
    if len(raw) < codes.FRAME_HEAD or raw == codes.PREFACE[: len(raw)]:
        return False
    stream = int.from_bytes(raw[5:9], "big") & codes.LARGEST_STREAM
    if raw[3] == codes.WINDOW_UPDATE and ours.is_closed(stream):
        return True
    return stream in given_up or frame_oracle.h2_is_too_strict(raw)


def _compare(ours: OurServer, theirs: H2Server, given_up: set[int], raw: bytes) -> None:
    said = ours.requests()
    gone = given_up | theirs.left
    same = {number: each for number, each in said.items() if number not in gone}
    expected = {number: each for number, each in theirs.requests.items() if number not in gone}
    assert same == expected, (raw, same, expected)
    for number in theirs.left & said.keys():
        assert said[number].method == theirs.requests[number].method, (raw, number)


# What they are given

_USUAL: Fields = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.example"), (b":path", b"/p?q")]
_MORE: list[Fields] = [
    [(b"x-a", b"1")],
    [(b"cookie", b"a=b"), (b"cookie", b"c=d")],
    [(b"user-agent", b"u"), (b"accept", b"*/*")],
    [(b"te", b"trailers")],
    [(b"host", b"a.example")],
    [(b"x-a", b"")],
    [(b"x-a", bytes(range(0x80, 0x100)))],
]
_ODD_FIELDS: list[Fields] = [
    [(b"X-A", b"1")],
    [(b"connection", b"close")],
    [(b"connection", b"x-a")],
    [(b"transfer-encoding", b"chunked")],
    [(b"upgrade", b"websocket")],
    [(b"keep-alive", b"1")],
    [(b"proxy-connection", b"close")],
    [(b"te", b"gzip")],
    [(b"te", b"trailers, gzip")],
    [(b"host", b"b.example")],
    [(b"content-length", b"3"), (b"content-length", b"3")],
    [(b"content-length", b"3"), (b"content-length", b"4")],
    [(b"content-length", b"+3")],
    [(b"content-length", b"x")],
    [(b"x-a", b" 1")],
    [(b"x-a", b"1\t")],
    [(b"x-a", b"1\r\nx-b: 2")],
    [(b"x-a", b"\0")],
    [(b"x-a", b"\n")],
    [(b"", b"1")],
    [(b"x a", b"1")],
    [(b"x-a:", b"1")],
    [(b":path", b"/other")],
    [(b":method", b"POST")],
    [(b":status", b"200")],
    [(b":unknown", b"1")],
    [(b":protocol", b"websocket")],
    [(b"x-\xe9", b"1")],
    [(b"content-length", b"0")],
]
_ODD_PSEUDO: list[Fields] = [
    [(b":method", b"CONNECT")],
    [(b":method", b"CONNECT"), (b":protocol", b"websocket")],
    [(b":method", b"get")],
    [(b":method", b"")],
    [(b":method", b"GE T")],
    [(b":scheme", b"ftp")],
    [(b":scheme", b"")],
    [(b":path", b"")],
    [(b":path", b"*")],
    [(b":path", b"p")],
    [(b":path", b"/a b")],
    [(b":path", b"/a\r\nx")],
    [(b":path", b"/#f")],
    [(b":path", b"http://b/")],
    [(b":authority", b"")],
    [(b":authority", b"u@a.example")],
    [(b":authority", b"a.example:99999")],
    [(b":authority", b"a/b")],
]


class Conversation:
    """What one client sends, by chance; with `right` nothing that is wrong."""

    def __init__(self, chosen: random.Random, *, right: bool) -> None:
        self.chosen = chosen
        self.right = right
        self.encoder = hpack.Encoder()
        self.next = 1
        self.open: list[int] = []  # without END_STREAM
        self.parts = [BEGIN, frames.SETTINGS_ACK]

    def octets(self) -> bytes:
        """All of it."""
        steps = [self.request] * 3 + [self.data] * 3 + [self.trailers, self.beside, self.leave]
        for _ in range(self.chosen.randrange(1, 12)):
            self.chosen.choice(steps)()
            if not self.right and self.chosen.random() < 0.15:
                self.odd()
        return b"".join(self.parts)

    def request(self) -> None:
        """HEADERS on a new stream."""
        chosen, fields = self.chosen, list(_USUAL)
        ends = chosen.random() < 0.5
        if not ends:
            fields[0] = (b":method", chosen.choice((b"POST", b"PUT")))
        fields += chosen.choice((_MORE[0], [], chosen.choice(_MORE)))
        if not self.right and chosen.random() < 0.4:
            fields = self.wrong(fields)
        self.headers(self.next, fields, ends)
        if not ends:
            self.open.append(self.next)
        self.next += 2

    def wrong(self, fields: Fields) -> Fields:
        """A list with one thing changed."""
        match self.chosen.randrange(5):
            case 0:
                del fields[self.chosen.randrange(4)]
            case 1:
                self.chosen.shuffle(fields)
            case 2:
                changed = dict(self.chosen.choice(_ODD_PSEUDO))
                fields = [(name, changed.pop(name, value)) for name, value in fields]
                fields[4:4] = changed.items()
            case _:
                fields += self.chosen.choice(_ODD_FIELDS)
        return fields

    def headers(self, stream: int, fields: Fields, ends: bool) -> None:
        """A block in one frame or several, with padding, priority, both or neither."""
        block = self.encoder.encode(fields, huffman=self.chosen.random() < 0.5)
        match self.chosen.randrange(4):
            case 0:
                flags = codes.END_HEADERS | codes.HAS_PRIORITY | (codes.END_STREAM if ends else 0)
                self.parts.append(frame(codes.HEADERS, pack(">IB", 0, 15) + block, flags=flags, stream=stream))
            case 1:
                flags = codes.END_HEADERS | codes.PADDED | (codes.END_STREAM if ends else 0)
                self.parts.append(frame(codes.HEADERS, b"\2" + block + b"\0\0", flags=flags, stream=stream))
            case 2:
                self.parts.append(frames.headers(stream, block, ends, max(1, len(block) // 3)))
            case _:
                self.parts.append(frames.headers(stream, block, ends))

    def data(self) -> None:
        """DATA on a stream that is open."""
        if self.open:
            stream, ends = self.chosen.choice(self.open), self.chosen.random() < 0.4
            octets = self.chosen.choice((b"", b"abc", b"d" * 300, b"e" * 2000))
            if self.chosen.random() < 0.3:
                flags = codes.PADDED | (codes.END_STREAM if ends else 0)
                self.parts.append(frame(codes.DATA, b"\3" + octets + bytes(3), flags=flags, stream=stream))
            else:
                self.parts.append(frames.data(stream, octets, ends))
            if ends:
                self.open.remove(stream)

    def trailers(self) -> None:
        """A header block that ends a stream."""
        if self.open:
            stream = self.chosen.choice(self.open)
            fields: Fields = [(b"x-checksum", b"1")]
            if not self.right and self.chosen.random() < 0.4:
                fields = [*fields, *self.chosen.choice(_ODD_FIELDS)]
            self.headers(stream, fields, self.right or self.chosen.random() < 0.8)
            self.open.remove(stream)

    def leave(self) -> None:
        """RST_STREAM."""
        if self.open:
            stream = self.open.pop(self.chosen.randrange(len(self.open)))
            self.parts.append(frames.rst_stream(stream, codes.CANCEL))

    def beside(self) -> None:
        """A frame that is about no body."""
        stream = self.chosen.choice(self.open) if self.open else 0
        self.parts.append(
            self.chosen.choice(
                (
                    frames.ping(b"12345678"),
                    frames.window_update(stream, 1000),
                    frames.window_update(0, 1000),
                    frames.settings([(codes.INITIAL_WINDOW_SIZE, 1 << 20)]),
                    frame(codes.PRIORITY, pack(">IB", 0, 15), stream=self.next),
                    frame(codes.PRIORITY_UPDATE, pack(">I", self.next) + b"u=1", stream=0),
                    frame(0xEE, b"abc", stream=stream),
                )
            )
        )

    def odd(self) -> None:
        """A frame that may be wrong where it stands."""
        chosen = self.chosen
        stream = chosen.choice((1, 3, self.next - 2, self.next, self.next + 4, 2, 0)) & codes.LARGEST_STREAM
        match chosen.randrange(8):
            case 0:
                self.headers(stream, list(_USUAL), chosen.random() < 0.5)
            case 1:
                self.parts.append(frames.data(stream, b"odd", chosen.random() < 0.5))
            case 2:
                self.parts.append(frames.rst_stream(stream, codes.CANCEL))
            case 3:
                self.parts.append(frames.window_update(stream, chosen.choice((0, 1, RESERVED - 1))))
            case 4:
                self.parts.append(frames.headers(stream, chosen.randbytes(chosen.randrange(1, 9)), True))
            case 5:
                self.parts.append(frames.settings([(chosen.randrange(1, 9), chosen.choice((0, 1, 2, RESERVED)))]))
            case 6:
                self.parts.append(frame(codes.CONTINUATION, b"a", flags=codes.END_HEADERS, stream=stream))
            case _:
                self.parts.append(frames.goaway(0, 0))


def uploads(chosen: random.Random) -> bytes:
    """Bodies whose DATA may be more than the windows have room for: of a stream, or of the connection."""
    parts = [BEGIN, frames.SETTINGS_ACK]
    encoder = hpack.Encoder()
    open_streams = [1, 3, 5][: chosen.randrange(1, 4)]
    for stream in open_streams:
        parts.append(frames.headers(stream, encoder.encode([(b":method", b"PUT"), *_USUAL[1:]]), False))
    room = chosen.choice((STREAM_WINDOW, CONNECTION_WINDOW)) + chosen.randrange(-1, 2)
    stream = open_streams[0]
    while room > 0:
        size = min(room, 16_384)
        room -= size
        parts.append(frames.data(stream, bytes(size), False))
        if chosen.random() < 0.1:
            stream = chosen.choice(open_streams)
    return b"".join(parts)
