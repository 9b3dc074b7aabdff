"""Fingerprints of TLS clients."""

from __future__ import annotations

import re
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.tls import ja4 as module
from agwtwisted.core.tls.ja4 import FORM, LONGEST, ClientHelloReader, ja4, whole_hello
from tests.core.tls.hellos import RECORDED

GREASE = tuple(each << 8 | each for each in range(0x0A, 0x100, 0x10))


def vector(content: bytes, width: int) -> bytes:
    """Content behind its length."""
    return len(content).to_bytes(width, "big") + content


def numbers(*values: int) -> bytes:
    """Two octets for each."""
    return b"".join(value.to_bytes(2, "big") for value in values)


def hello(suites: tuple[int, ...], *extensions: tuple[int, bytes], version: int = 0x0303) -> bytes:
    """The message ClientHello of a client that offers these."""
    said = b"".join(numbers(kind) + vector(content, 2) for kind, content in extensions)
    beginning = numbers(version) + bytes(32) + vector(b"s" * 32, 1) + vector(numbers(*suites), 2) + b"\x01\x00"
    return beginning + (vector(said, 2) if extensions else b"")


def algorithms(*values: int) -> tuple[int, bytes]:
    """The extension signature_algorithms."""
    return 13, vector(numbers(*values), 2)


def protocols(*names: bytes) -> tuple[int, bytes]:
    """The extension ALPN."""
    return 16, vector(b"".join(vector(name, 1) for name in names), 2)


def versions(*values: int) -> tuple[int, bytes]:
    """The extension supported_versions."""
    return 43, vector(numbers(*values), 1)


def hashed(text: str) -> str:
    """The end of a fingerprint that is made of this text."""
    return sha256(text.encode()).hexdigest()[:12]


def in_records(message: bytes, *sizes: int) -> bytes:
    """The message in records of these sizes, and one more with the rest."""
    whole = b"\x01" + vector(message, 3)
    found, at = b"", 0
    for size in (*sizes, len(whole) - sum(sizes)):
        found += b"\x16\x03\x01" + vector(whole[at : at + size], 2)
        at += size
    return found


class ClientTests(SynchronousTestCase):
    """Real clients."""

    def test_recorded(self) -> None:
        """The fingerprints of real clients are those that another program finds."""
        for recorded in RECORDED:
            message = ClientHelloReader().feed(recorded.records)
            assert message is not None
            self.assertEqual(ja4(message).decode(), recorded.ja4, recorded.client)

    def test_shuffled(self) -> None:
        """A browser that shuffles its extensions and placeholders has one fingerprint."""
        twice = [each for each in RECORDED if each.ja4.startswith("t13d1517h2")]
        self.assertEqual([len({each.records for each in twice}), len({each.ja4 for each in twice})], [2, 1])

    def test_published(self) -> None:
        """A browser whose lists and fingerprint a public site shows, in any order and with placeholders."""
        suites = (0x002F, 0x0035, 0x009C, 0x009D, 0x1301, 0x1302, 0x1303, 0xC013, 0xC014, 0xC02B, 0xC02C, 0xC02F)
        suites = (0x1A1A, *suites, 0xC030, 0xCCA8, 0xCCA9)
        others = (0x05, 0x0A, 0x0B, 0x12, 0x17, 0x1B, 0x23, 0x2D, 0x33, 0x44CD, 0xFE0D, 0xFF01, 0x0A0A, 0x3A3A)
        offered = algorithms(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)
        extensions = [*((kind, b"") for kind in others), offered, (0, b"name"), protocols(b"h2", b"http/1.1")]
        message = hello(tuple(reversed(suites)), *extensions, versions(0x7A7A, 0x0304, 0x0303))
        self.assertEqual(ja4(message), b"t13d1516h2_8daaf6152771_d8a2da3f94cd")


class PartTests(SynchronousTestCase):
    """The parts of a fingerprint."""

    def test_nothing(self) -> None:
        """A client without suites and extensions has zeros for them."""
        self.assertEqual(ja4(hello(())), b"t12i000000_000000000000_000000000000")
        self.assertEqual(ja4(hello(GREASE, *((each, b"") for each in GREASE))), b"t12i000000_000000000000_000000000000")

    def test_hashes(self) -> None:
        """Suites and extensions are sorted, signature algorithms are not; name and protocols count, unhashed."""
        found = ja4(
            hello((0x1302, 0x1301), (35, b""), algorithms(0x0804, 0x0403), (0, b"x"), protocols(b"h2"), (5, b""))
        )
        expected = f"t12d0205h2_{hashed('1301,1302')}_{hashed('0005,000d,0023_0804,0403')}"
        self.assertEqual(found.decode(), expected)
        self.assertEqual(ja4(hello((1,), (5, b""))).decode(), f"t12i010100_{hashed('0001')}_{hashed('0005')}")
        placeholders = ja4(hello((1,), algorithms(0x0A0A, 0x0403))).decode()
        self.assertEqual(placeholders, f"t12i010100_{hashed('0001')}_{hashed('000d_0403')}")

    def test_versions(self) -> None:
        """The highest version that is offered counts, of old clients that of the message."""
        for version, offered, shown in (
            (0x0303, (0x0303, 0x0304, 0xFAFA), b"13"),
            (0x0303, (0x0302, 0x0303), b"12"),
            (0x0303, (0x0A0A,), b"12"),
            (0x0302, (), b"11"),
            (0x0301, (), b"10"),
            (0x0300, (), b"s3"),
            (0x0002, (), b"s2"),
            (0x0305, (), b"00"),
        ):
            message = hello((1,), *([versions(*offered)] if offered else []), version=version)
            self.assertEqual(ja4(message)[1:3], shown)

    def test_protocols(self) -> None:
        """The first and last character of the first protocol; of one with others there, of its hexadecimal form."""
        for names, shown in (
            ((b"http/1.1", b"h2"), b"h1"),
            ((b"h2",), b"h2"),
            ((b"h",), b"hh"),
            ((b"\xab",), b"ab"),
            ((b"\xab\xcd",), b"ad"),
            ((b"\x30\xab",), b"3b"),
            ((b"\x30\x31\xab\xcd",), b"3d"),
            ((b"\x0a\x0a", b"h2"), b"0a"),
        ):
            self.assertEqual(ja4(hello((1,), protocols(*names)))[8:10], shown, names)

    def test_many(self) -> None:
        """No more than 99 are counted."""
        message = hello(tuple(range(1, 200)), *((each, b"") for each in range(100, 300)))
        self.assertEqual(ja4(message)[:10], b"t12i999900")

    def test_malformed(self) -> None:
        """A message whose parts do not fit into each other has none."""
        whole = hello((0x1301,), algorithms(0x0403), protocols(b"h2"), versions(0x0304))
        beginning = 2 + 32 + 33 + 4 + 2
        for size in range(len(whole)):
            if size != beginning:  # a message without extensions
                self.assertEqual(ja4(whole[:size]), b"", size)
        for kind in (13, 16, 43):
            self.assertEqual(ja4(hello((1,), (kind, b"\xff\xff\xff"))), b"")
            self.assertEqual(ja4(hello((1,), (kind, b""))), b"")

    def test_half_a_number(self) -> None:
        """A list of numbers ends within one, wherever it is."""
        beginning = numbers(0x0303) + bytes(33)
        self.assertEqual(ja4(beginning + vector(b"odd", 2) + b"\x01\x00"), b"")
        self.assertEqual(ja4(hello((1,), (13, vector(b"odd", 2)))), b"")
        self.assertEqual(ja4(hello((1,), (43, vector(b"odd", 1)))), b"")

    @given(st.binary(max_size=300), st.booleans())
    def test_anything(self, data: bytes, framed: bool) -> None:
        """Whatever the bytes are, there is a fingerprint or none."""
        found = ja4(numbers(0x0303) + bytes(33) + data if framed else data)
        self.assertTrue(not found or re.fullmatch(FORM, found.decode()))


class MemoryTests(SynchronousTestCase):
    """What is remembered of clients."""

    def kept(self, message: bytes) -> bool:
        """Whether the fingerprint of a message is remembered from the first time to the second."""
        made: list[bytes] = []

        def note(text: bytes) -> bytes:
            made.append(text)
            return hash_of(text)

        hash_of = module._hash
        self.patch(module, "_hash", note)
        first = ja4(message)
        self.assertTrue(made)
        made.clear()
        self.assertEqual(ja4(message), first)
        return not made

    def test_long(self) -> None:
        """A client of any usual kind is remembered, and none whose lists are long: it would take much room."""
        for recorded in RECORDED:
            message = ClientHelloReader().feed(recorded.records)
            assert message is not None
            module._remembered_fingerprint.cache_clear()
            self.assertTrue(self.kept(message), recorded.client)
        self.assertFalse(self.kept(hello(tuple(range(LONGEST)))))
        self.assertFalse(self.kept(hello((1,), *((each, b"") for each in range(100, 101 + LONGEST)))))
        self.assertFalse(self.kept(hello((1,), algorithms(*range(LONGEST)))))


class ReaderTests(SynchronousTestCase):
    """Messages in pieces."""

    def fed(self, records: bytes, size: int) -> list[bytes | None]:
        """The answers to pieces of this size, up to the first that is not None."""
        reader = ClientHelloReader()
        answers: list[bytes | None] = []
        for at in range(0, len(records), size):
            answers.append(reader.feed(records[at : at + size]))
            if answers[-1] is not None:
                break
        return answers

    def test_in_pieces(self) -> None:
        """However it is cut, into pieces or into records, the message is the same, once its last byte is there."""
        message = hello((0x1301,), algorithms(0x0403), protocols(b"h2"))
        for records in (in_records(message), in_records(message, 1, 2, 1, 40, 1), in_records(message, *[1] * 40)):
            for size in (1, 2, 7, 64, 10_000):
                answers = self.fed(records, size)
                self.assertEqual(answers[-1], message)
                self.assertEqual({*answers[:-1]} | {None}, {None})
                self.assertGreaterEqual(len(answers) * size, len(records))
            self.assertEqual(self.fed(records + b"more", 10_000), [message])

    def test_whole(self) -> None:
        """A message in one record, and nothing else, is found without a reader; what is anything else is not."""
        message = hello((0x1301,), algorithms(0x0403), protocols(b"h2"))
        one = in_records(message)
        self.assertEqual(whole_hello(one), message)
        others = (one[:-1], one + b"x", in_records(message, 4), in_records(message, 10), b"", one[:8], one[:9])
        changed = [one[:at] + bytes((one[at] ^ 1,)) + one[at + 1 :] for at in (0, 3, 4, 5, 6, 7, 8)]
        self.assertEqual({whole_hello(each) for each in (*others, *changed)}, {None})

    @given(st.binary(max_size=60))
    def test_whole_as_read(self, data: bytes) -> None:
        """What is found without a reader is what one finds."""
        for records in (data, b"\x16\x03\x01" + vector(data, 2), in_records(data)):
            found = whole_hello(records)
            self.assertIn(found, (None, ClientHelloReader().feed(records)))

    def test_large(self) -> None:
        """A message may be larger than a record; one of more than 16 KiB has no fingerprint, which would cost much."""
        message = hello((1,), (21, bytes(16_384 - len(hello((1,), (21, b""))))))
        self.assertEqual(len(message), 16_384)
        self.assertEqual(self.fed(in_records(message, 16_384), 1000)[-1], message)
        self.assertEqual(ja4(message)[:10], b"t12i010100")
        longer = hello((1,), (21, bytes(60_000)))
        self.assertEqual(self.fed(in_records(longer, *[16_384] * 3), 10_000), [None, b""])

    def test_many_records(self) -> None:
        """A message in more than 64 records has no fingerprint either."""
        message = hello((0x1301,), algorithms(0x0403), protocols(b"h2"))
        self.assertEqual(self.fed(in_records(message, *[1] * 63), 10_000), [message])
        self.assertEqual(self.fed(in_records(message, *[1] * 64), 10_000), [b""])

    def test_no_message(self) -> None:
        """Another record, another message, an empty record, and one that is too long."""
        whole = in_records(hello((1,)))
        for records in (
            b"\x15" + whole[1:],
            whole[:5] + b"\x02" + whole[6:],
            b"\x16\x03\x01\x00\x00" + whole,
            in_records(hello((1,)), 4)[:9] + b"\x17" + whole,
            b"\x16\x03\x01\x00\x04\x01\x10\x00\x00",
        ):
            self.assertEqual(self.fed(records, 1)[-1], b"", records[:12])

    @given(st.binary(max_size=60), st.integers(1, 20))
    def test_anything(self, data: bytes, size: int) -> None:
        """Whatever the bytes are, the answer does not depend on their pieces."""
        self.assertEqual(self.fed(b"\x16" + data, size)[-1], self.fed(b"\x16" + data, 1000)[-1])
