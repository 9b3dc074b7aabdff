"""Both ways to OpenSSL's records do the same."""

from __future__ import annotations

import contextlib
from unittest import mock

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted import openssl
from agwtwisted.openssl import PIECE, RECORD, DirectRecords, PublicRecords, Records
from tests.clients import TLS_1_2, TLS_1_3, client_context
from tests.configurations import site

WAYS = (PublicRecords, DirectRecords)
VERSIONS = (TLS_1_2, TLS_1_3)
SIZES = (1, 1300, RECORD, RECORD + 1, PIECE)


def noise(size: int) -> bytes:
    """Bytes that do not repeat within a record."""
    return b"".join(b"%08x" % number for number in range(size // 8 + 1))[:size]


def connections(version: int) -> tuple[SSL.Connection, SSL.Connection]:
    """A server and its client after their handshake."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(site().certificate)
    context.use_privatekey(site().key)
    context.set_options(SSL.OP_NO_TICKET)
    server, client = SSL.Connection(context, None), SSL.Connection(client_context(version=version), None)
    server.set_accept_state()
    client.set_connect_state()
    ends = [(client, server), (server, client)] * 3
    for near, far in ends:
        with contextlib.suppress(SSL.WantReadError):
            near.do_handshake()
        with contextlib.suppress(SSL.WantReadError):
            far.bio_write(near.bio_read(PIECE))
    return server, client


class RecordsTests(SynchronousTestCase):
    """A `Records` between the two ends of a connection, each in either way."""

    def each(self) -> list[tuple[Records, SSL.Connection, SSL.Connection]]:
        """Every way, over every version."""
        pairs = [(way, connections(version)) for way in WAYS for version in VERSIONS]
        return [(way(server), server, client) for way, (server, client) in pairs]

    def test_data(self) -> None:
        """What is encrypted is decrypted, whatever its size, again and again."""
        for records, _, client in self.each():
            peer = PublicRecords(client)
            for size in SIZES * 2:
                data = noise(size)
                self.assertEqual(peer.decrypt(bytes(records.encrypt(data))), (data, None))
                self.assertEqual(records.decrypt(bytes(peer.encrypt(data))), (data, None))

    def test_pieces(self) -> None:
        """Records may come in pieces: nothing comes of a record before its last byte."""
        for records, _, client in self.each():
            sealed = bytes(PublicRecords(client).encrypt(b"data"))
            self.assertEqual(records.decrypt(sealed[:7]), (b"", None))
            self.assertEqual(records.decrypt(b""), (b"", None))
            self.assertEqual(records.decrypt(sealed[7:]), (b"data", None))

    def test_much(self) -> None:
        """More than a piece may come at once."""
        for records, _, client in self.each():
            peer = PublicRecords(client)
            data = noise(3 * PIECE + 5)
            sealed = b"".join(bytes(peer.encrypt(data[at : at + PIECE])) for at in range(0, len(data), PIECE))
            self.assertEqual(records.decrypt(sealed), (data, None))

    def test_nothing(self) -> None:
        """No data makes no record."""
        for records, _, _ in self.each():
            self.assertEqual(records.encrypt(b""), b"")

    def test_farewell(self) -> None:
        """What came before a close_notify is told with it."""
        for records, _, client in self.each():
            sealed = bytes(PublicRecords(client).encrypt(b"last"))
            client.shutdown()
            data, end = records.decrypt(sealed + client.bio_read(RECORD))
            self.assertEqual(data, b"last")
            self.assertIsInstance(end, SSL.ZeroReturnError)
            self.assertIsInstance(records.decrypt(b"")[1], SSL.ZeroReturnError)

    def test_forged(self) -> None:
        """A record that was changed on its way ends the connection; those before it count, and an alert is written."""
        for records, server, client in self.each():
            peer = PublicRecords(client)
            good, bad = bytes(peer.encrypt(b"good")), bytearray(bytes(peer.encrypt(b"bad")))
            bad[-1] ^= 1
            data, end = records.decrypt(good + bytes(bad))
            self.assertEqual(data, b"good")
            self.assertIs(type(end), SSL.Error)
            self.assertTrue(server.bio_read(RECORD))
            self.assertIsInstance(peer.decrypt(b"")[1], type(None))

    def test_broken(self) -> None:
        """Nothing can be encrypted on a connection that failed."""
        for records, _, _ in self.each():
            records.decrypt(b"\x17\x03\x03\x00\x10" + bytes(16))
            with self.assertRaises(SSL.Error):
                records.encrypt(b"data")

    def test_no_memory_between(self) -> None:
        """Connections share the room to work in, and nothing else."""
        ends = self.each()
        sealed = [bytes(records.encrypt(b"%d" % number)) for number, (records, _, _) in enumerate(ends)]
        told = [PublicRecords(client).decrypt(sealed[number])[0] for number, (_, _, client) in enumerate(ends)]
        self.assertEqual(told, [b"%d" % number for number in range(len(ends))])


class ChoiceTests(SynchronousTestCase):
    """Which of the two is taken."""

    def test_known(self) -> None:
        """The functions of this library are as they are known."""
        self.assertIs(openssl.records_of, DirectRecords)

    def test_unknown(self) -> None:
        """A library where one is missing or does something else is not taken for one that is known."""
        self.assertTrue(openssl._is_known())
        for name, other in (("BIO_read", None), ("BIO_write", lambda *_: 0), ("SSL_get_error", lambda *_: 0)):
            library = mock.Mock(wraps=openssl._lib)
            setattr(library, name, other)
            self.patch(openssl, "_lib", library)
            self.assertFalse(openssl._is_known(), name)
