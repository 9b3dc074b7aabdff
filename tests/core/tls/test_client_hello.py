"""What a TLS client offers."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.tls.client_hello import has_begun, offered_suites, server_name_in, suite_names


def hello(ciphers: str, *, highest: int = SSL.TLS1_2_VERSION, name: bytes = b"") -> bytes:
    """The ClientHello of a real client that offers these suites."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(highest)
    context.set_cipher_list(ciphers.encode())
    client = SSL.Connection(context, None)
    client.set_connect_state()
    if name:
        client.set_tlsext_host_name(name)
    with contextlib.suppress(SSL.WantReadError):
        client.do_handshake()
    return client.bio_read(1 << 16)


class ClientHelloTests(SynchronousTestCase):
    """Cipher suites and the server name of a ClientHello."""

    def test_server_name(self) -> None:
        """The name is found that a real client asks for, in both versions, or that it asks for none."""
        for highest in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            for name in (b"", b"a.example", b"A" * 255):
                self.assertEqual(server_name_in(hello("DEFAULT", highest=highest, name=name)), name)

    def test_server_name_in_pieces(self) -> None:
        """Of an incomplete message, or one in several records, nothing is known; what follows it does not count."""
        whole = hello("DEFAULT", name=b"a.example")
        self.assertEqual({server_name_in(whole[:size]) for size in range(len(whole))}, {None})
        self.assertEqual(server_name_in(whole + b"more"), b"a.example")
        parts = [b"\x16\x03\x01" + len(part).to_bytes(2, "big") + part for part in (whole[5:60], whole[60:])]
        self.assertIsNone(server_name_in(b"".join(parts)))

    def test_names(self) -> None:
        """They bear OpenSSL's names, in the client's order."""
        offered = "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:AES256-SHA"
        names = suite_names(offered_suites(hello(offered))).decode()
        self.assertEqual(names.removesuffix(":TLS_EMPTY_RENEGOTIATION_INFO_SCSV"), offered)

    def test_all_that_openssl_offers(self) -> None:
        """Every suite that OpenSSL offers by itself has its name."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_cipher_list(b"DEFAULT")
        known = {*SSL.Connection(context, None).get_cipher_list(), "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"}
        names = suite_names(offered_suites(hello("DEFAULT", highest=SSL.TLS1_3_VERSION))).decode().split(":")
        self.assertGreater(len(names), 20)
        self.assertLessEqual({*names}, known)

    def test_unknown(self) -> None:
        """One without a name is shown by its number, the placeholders of browsers for instance."""
        self.assertEqual(suite_names(b"\x1a\x1a\x13\x01"), b"0x1a1a:TLS_AES_128_GCM_SHA256")
        self.assertEqual(suite_names(b""), b"")

    def test_in_pieces(self) -> None:
        """An incomplete message gives nothing; truncation never makes up a suite."""
        whole = hello("DEFAULT")
        suites = offered_suites(whole)
        for size in range(len(whole)):
            self.assertIn(offered_suites(whole[:size]), (b"", suites))

    def test_begun(self) -> None:
        """A handshake has begun with its first whole record, or with what can become none."""
        whole = hello("DEFAULT")
        self.assertEqual({has_begun(whole[:size]) for size in range(len(whole))}, {False})
        self.assertTrue(has_begun(whole))
        self.assertTrue(has_begun(bytearray(whole + b"more")))
        for data, begun in (
            (b"\x16\x03\x01\x40\x00", False),
            (b"\x16\x03\x01\x40\x01", True),
            (b"\x16\x02\x01\x00\x09", True),
            (b"\x16\x03\x01\x00\x00", True),
        ):
            self.assertEqual(has_begun(data), begun)

    @given(st.binary(max_size=200))
    def test_anything(self, data: bytes) -> None:
        """Whatever the bytes are, there is an answer."""
        server_name_in(data)
        server_name_in(
            b"\x16\x03\x01" + (4 + len(data)).to_bytes(2, "big") + b"\x01\0" + len(data).to_bytes(2, "big") + data
        )
        self.assertTrue(suite_names(offered_suites(data)).isascii())
        self.assertTrue(suite_names(offered_suites(b"\x16\x03\x01\x00\x00\x01" + data)).isascii())
