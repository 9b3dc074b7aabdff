"""Heads as they go on."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.remembering import LONGEST
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.exchange.forwarding import (
    LAST_CHUNK,
    REMEMBERED,
    IdentityBlocks,
    chunk,
    client_address,
    client_framing,
    identity_block,
    informational_bytes,
    request_bytes,
    response_bytes,
    rewritten_request_bytes,
    without,
)
from agwtwisted.core.http.header_lines import HeaderBlock, rendered
from agwtwisted.core.http.managed import canonical
from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead
from agwtwisted.core.identity.clients import Admitted
from agwtwisted.core.resources.resources import CertificateHeaders
from agwtwisted.core.rules.rewriting import RewrittenRequest
from agwtwisted.core.verification.verdicts import Absent, Missing, Refused, Trusted, Unchecked, Verdict
from tests import pki
from tests.identities import admitted, turned_away
from tests.requests import parsed
from tests.strategies import COMMON_NAME, UTF8, certificate, simple_name, string

CLIENT = admitted(address="192.0.2.1", port=7, gateway_port=80)
REQUEST = RequestHead(
    method=b"GET", target=b"/a?b", version=b"1.1", host="a", authority=b"A:8443", headers=((b"X-Own", b"1"),)
)
RESPONSE = ResponseHead(status=200, reason=b"OK", headers=((b"X-Own", b"1"),), framing=Framing.LENGTH, content_length=3)
IDENTITY = b"X-Forwarded-Proto: https\r\n"

NOTHING: frozenset[CertificateHeaders] = frozenset()
ON = frozenset({CertificateHeaders.ON})
ROOT = pki.Authority.root("Root")
DEVICE = ROOT.issue("device").chain_der


def client(
    leaf: bytes,
    *chain: bytes,
    verdict: Verdict = Trusted(),  # noqa: B008
    tls_version: str = "TLSv1.3",
    port: int = 443,
) -> Admitted:
    """One with these certificates, that came to this port of the gateway."""
    certificate = certificate_variables(leaf)
    return admitted(verdict, certificate=certificate, chain_der=chain, tls_version=tls_version, gateway_port=port)


def sent(request: RequestHead) -> dict[bytes, bytes]:
    """The header lines that a backend gets."""
    _, lines = parsed(request_bytes(request, b"backend", IDENTITY, b"192.0.2.1:7", b"0" * 32))
    assert len(dict(lines)) == len(lines)
    return dict(lines)


class ClientTests(SynchronousTestCase):
    """Who the client is."""

    def test_address(self) -> None:
        """Address and port, an IPv6 address in brackets."""
        self.assertEqual(client_address(CLIENT.connection), b"192.0.2.1:7")
        self.assertEqual(client_address(attrs.evolve(CLIENT.connection, address="2001:db8::1")), b"[2001:db8::1]:7")

    def test_identity(self) -> None:
        """The protocol is that of the client's connection; what is said of its certificate follows."""
        nothing: frozenset[CertificateHeaders] = frozenset()
        self.assertEqual(identity_block(CLIENT, nothing), b"X-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\n")
        secure = admitted(Absent(), tls_version="TLSv1.3", gateway_port=8443)
        forwarded = b"X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n"
        self.assertEqual(identity_block(secure, nothing), forwarded)
        said = identity_block(secure, frozenset({CertificateHeaders.ON}))
        self.assertEqual(said, forwarded + b"X-Client-Certificate-Verification: NONE\r\n")

    def test_fingerprint(self) -> None:
        """The fingerprint of the client's TLS is there where the action wants it, and there is one."""
        nothing: frozenset[CertificateHeaders] = frozenset()
        for ja4, lines in ((b"", b""), (b"t13d", b"x-azure-ja4-fingerprint: t13d\r\n")):
            client = admitted(tls_version="TLSv1.3", gateway_port=8443, ja4=ja4)
            forwarded = b"X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n"
            for block in (identity_block, IdentityBlocks().block):
                self.assertEqual(block(client, nothing), forwarded)
                self.assertEqual(block(client, nothing, fingerprinted=True), forwarded + lines)


class IdentityTests(SynchronousTestCase):
    """The memory of identity blocks: it says what `identity_block` says."""

    def test_says_the_same(self) -> None:
        """Clients that differ in port, TLS, certificate, verdict, chain or wanted headers have different blocks."""
        blocks = IdentityBlocks()
        other = ROOT.issue("other").chain_der
        verdicts = (Trusted(), Unchecked(), Absent())
        for port, version in ((443, "TLSv1.3"), (443, ""), (8443, "TLSv1.3")):
            for leaf, *chain in (DEVICE, other, DEVICE[:1]):
                for verdict in verdicts:
                    who = client(leaf, *chain, verdict=verdict, tls_version=version, port=port)
                    for wanted in (NOTHING, ON, frozenset(CertificateHeaders)):
                        self.assertEqual(blocks.block(who, wanted), identity_block(who, wanted))
        self.assertEqual(blocks.block(CLIENT, ON), identity_block(CLIENT, ON))

    def test_turned_away(self) -> None:
        """There is no block for a client that is turned away."""
        for verdict in (Missing(), Refused("why")):
            refused = turned_away(verdict, certificate=certificate_variables(DEVICE[0]))
            with self.assertRaises(AttributeError):
                identity_block(refused, ON)
            with self.assertRaises(AttributeError):
                IdentityBlocks().block(refused, ON)

    def test_remembers(self) -> None:
        """A client that comes again has the block that is there, unless its certificates are long."""
        long = certificate(subject=simple_name((COMMON_NAME, string(UTF8, "a" * LONGEST))))
        for chain, same in ((DEVICE, True), ((long,), False), ((DEVICE[0], long), False)):
            blocks = IdentityBlocks()
            first, second = (blocks.block(client(*chain), ON) for _ in range(2))
            self.assertEqual((first, first is second), (second, same))

    def test_remembers_no_strangers(self) -> None:
        """A certificate that was not verified leaves nothing behind; what clients without one get is remembered."""
        for chain, verdict, same in (
            (DEVICE, Unchecked(), False),
            (DEVICE, Trusted(), True),
            ((), Absent(), True),
        ):
            blocks = IdentityBlocks()
            whos = [client(*chain, verdict=verdict) if chain else admitted(verdict)] * 2
            first, second = (blocks.block(who, ON) for who in whos)
            self.assertEqual((first, first is second), (second, same), verdict)

    def test_remembers_no_fingerprints(self) -> None:
        """Clients without a certificate leave none of the fingerprints that they can make any number of."""
        for known, same in ((client(*DEVICE), True), (admitted(Absent(), ja4=b"t13d"), False)):
            blocks = IdentityBlocks()
            first, second = (blocks.block(known, ON, fingerprinted=True) for _ in range(2))
            self.assertEqual((first, first is second), (second, same))

    def test_bounded(self) -> None:
        """The oldest one is forgotten for a new one."""
        blocks = IdentityBlocks()
        first = blocks.block(client(*DEVICE, port=0), ON)
        for port in range(REMEMBERED):
            blocks.block(client(*DEVICE, port=port + 1), ON)
        again = blocks.block(client(*DEVICE, port=0), ON)
        self.assertEqual((again, again is first), (first, False))


class RequestTests(SynchronousTestCase):
    """The head that a backend gets."""

    def test_whole(self) -> None:
        """Request line, Host, what the gateway says, what the client said, what the connection needs."""
        self.assertEqual(
            request_bytes(REQUEST, b"backend", IDENTITY, b"192.0.2.1:7", b"0" * 32),
            b"GET /a?b HTTP/1.1\r\nHost: backend\r\nX-Forwarded-For: 192.0.2.1:7\r\nX-Forwarded-Proto: https\r\n"
            b"X-Original-Host: A:8443\r\nX-Original-Url: /a?b\r\nX-Appgw-Trace-Id: " + b"0" * 32 + b"\r\n"
            b"X-Own: 1\r\nConnection: keep-alive\r\n\r\n",
        )

    def test_rendered_before(self) -> None:
        """Lines that were rendered before are not rendered again; else they are."""
        lines = HeaderBlock.of(REQUEST.headers)
        self.assertEqual((tuple(lines), lines.octets), (REQUEST.headers, rendered(REQUEST.headers)))
        lines.octets = b"X-Own: as it was\r\n"
        written = request_bytes(attrs.evolve(REQUEST, headers=lines), b"backend", IDENTITY, b"192.0.2.1:7", b"0" * 32)
        self.assertTrue(written.endswith(b"\r\nX-Own: as it was\r\nConnection: keep-alive\r\n\r\n"), written)

    def test_forwarded_for(self) -> None:
        """The client's address is appended to what came."""
        lines = sent(attrs.evolve(REQUEST, forwarded_for=b"198.51.100.1, a"))
        self.assertEqual(lines[b"X-Forwarded-For"], b"198.51.100.1, a, 192.0.2.1:7")

    def test_version(self) -> None:
        """Backends are spoken to in HTTP/1.1, whatever the client speaks."""
        old = request_bytes(attrs.evolve(REQUEST, version=b"1.0"), b"b", b"", b"", b"")
        self.assertTrue(old.startswith(b"GET /a?b HTTP/1.1\r\n"))

    def test_framing(self) -> None:
        """A body is framed anew, in one way."""
        length = sent(attrs.evolve(REQUEST, framing=Framing.LENGTH, content_length=5))
        self.assertEqual((length.get(b"Content-Length"), length.get(b"Transfer-Encoding")), (b"5", None))
        chunked = sent(attrs.evolve(REQUEST, framing=Framing.CHUNKED))
        self.assertEqual((chunked.get(b"Content-Length"), chunked.get(b"Transfer-Encoding")), (None, b"chunked"))

    def test_upgrade(self) -> None:
        """An upgrade is asked for anew."""
        lines = sent(attrs.evolve(REQUEST, upgrade=b"websocket"))
        self.assertEqual((lines[b"Connection"], lines[b"Upgrade"]), (b"upgrade", b"websocket"))

    def test_continue(self) -> None:
        """So is 100-continue."""
        self.assertEqual(sent(attrs.evolve(REQUEST, expects_continue=True))[b"Expect"], b"100-continue")


class RewrittenRequestTests(SynchronousTestCase):
    """The head that a backend gets of a request that rules have seen."""

    def sent(self, request: RewrittenRequest, identity: bytes = IDENTITY) -> bytes:
        """The head."""
        return rewritten_request_bytes(REQUEST, request, b"backend", identity, b"192.0.2.1:7", b"0" * 32)

    def test_untouched(self) -> None:
        """Without a change it is the same head."""
        expected = request_bytes(REQUEST, b"backend", IDENTITY, b"192.0.2.1:7", b"0" * 32)
        self.assertEqual(self.sent(RewrittenRequest.of(REQUEST)), expected)

    def test_changes(self) -> None:
        """Target, Host and headers are the rules'; variables still describe what the client asked for."""
        request = RewrittenRequest(headers=((b"X-New", b"2"),), target=b"/c", asked=b"/a?b", host=b"h")
        words, lines = parsed(self.sent(request))
        self.assertEqual(words, [b"GET", b"/c", b"HTTP/1.1"])
        found = dict(lines)
        self.assertEqual((found[b"Host"], found[b"X-New"], found.get(b"X-Own")), (b"h", b"2", None))
        self.assertEqual((found[b"X-Original-Host"], found[b"X-Original-Url"]), (b"A:8443", b"/a?b"))

    def test_one_form(self) -> None:
        """X-Original-Url has the path in the form in which it was looked at, not in another that the client chose."""
        request = RewrittenRequest.of(attrs.evolve(REQUEST, target=b"/x/../a"), b"/a")
        _, lines = parsed(self.sent(request))
        self.assertEqual(dict(lines)[b"X-Original-Url"], b"/a")

    def test_decided(self) -> None:
        """What rules have decided about, the gateway does not add; names are compared in canonical spelling."""
        identity = IDENTITY + b"X-Client-Certificate: a\r\nX-Client-Certificate-Subject: b\r\n"
        names = frozenset(
            (b"x-forwarded-for", b"x-client-certificate", b"x-appgw-trace-id", b"x-original-url", b"host")
        )
        request = RewrittenRequest(
            headers=((b"x-FORWARDED-for", b"1"),), target=b"/", asked=b"/", host=b"h", decided=names
        )
        _, lines = parsed(self.sent(request, identity))
        self.assertEqual(
            lines,
            [
                (b"Host", b"h"),
                (b"X-Forwarded-Proto", b"https"),
                (b"X-Client-Certificate-Subject", b"b"),
                (b"X-Original-Host", b"A:8443"),
                (b"x-FORWARDED-for", b"1"),
                (b"Connection", b"keep-alive"),
            ],
        )

    def test_without(self) -> None:
        """Lines of a block go by their canonical names; names that are in no block change nothing."""
        block = b"X-A: x-b: 1\r\nX-B: 2\r\nx_a: 3\r\n"
        self.assertEqual(without(block, frozenset({b"x-a"})), b"X-B: 2\r\n")
        self.assertEqual(without(block, frozenset({b"x-a", b"x-b"})), b"")
        self.assertIs(without(block, frozenset({b"x-forwarded-for"})), block)

    def test_all_decided(self) -> None:
        """Nothing is left of the gateway's lines where rules have decided about all of them."""
        names = frozenset(canonical(name) for name in sent(REQUEST))
        _, lines = parsed(self.sent(RewrittenRequest(headers=(), target=b"/", asked=b"/", decided=names)))
        self.assertEqual(lines, [(b"Host", b"backend"), (b"Connection", b"keep-alive")])


class ResponseTests(SynchronousTestCase):
    """The head that a client gets."""

    def test_framing(self) -> None:
        """A length stays, the rest is chunked, or ends with the connection where chunks are not known."""
        for framing, version, expected in (
            (Framing.LENGTH, b"1.1", Framing.LENGTH),
            (Framing.LENGTH, b"1.0", Framing.LENGTH),
            (Framing.CHUNKED, b"1.1", Framing.CHUNKED),
            (Framing.CHUNKED, b"1.0", Framing.CLOSE),
            (Framing.CLOSE, b"1.1", Framing.CHUNKED),
            (Framing.CLOSE, b"1.0", Framing.CLOSE),
            (Framing.NONE, b"1.1", Framing.NONE),
        ):
            head = attrs.evolve(RESPONSE, framing=framing)
            self.assertEqual(client_framing(head, version=version, to_head_request=False), expected)
            self.assertEqual(client_framing(head, version=version, to_head_request=True), Framing.NONE)

    def test_lines(self) -> None:
        """Each framing has its line, and only HTTP/1.0 gets a header for a connection that stays open."""
        start = b"HTTP/1.1 200 OK\r\nX-Own: 1\r\n"
        self.assertEqual(
            response_bytes(RESPONSE, Framing.LENGTH, keep_alive=True, version=b"1.1"),
            start + b"Content-Length: 3\r\n\r\n",
        )
        open_end = attrs.evolve(RESPONSE, framing=Framing.CLOSE)
        self.assertEqual(
            response_bytes(open_end, Framing.CHUNKED, keep_alive=False, version=b"1.1"),
            start + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        )
        self.assertEqual(
            response_bytes(open_end, Framing.NONE, keep_alive=True, version=b"1.0"),
            start + b"Connection: keep-alive\r\n\r\n",
        )

    def test_uncut_lines(self) -> None:
        """Unparsed lines are forwarded unchanged, with one Content-Length among them."""
        head = attrs.evolve(RESPONSE, headers=HeaderBlock(b"X-Own:1\r\nContent-Length: 3\r\nA: b\r\n", has_length=True))
        lines = b"HTTP/1.1 200 OK\r\nX-Own:1\r\nContent-Length: 3\r\nA: b\r\n"
        for keep_alive, version, more in (
            (True, b"1.1", b""),
            (False, b"1.1", b"Connection: close\r\n"),
            (True, b"1.0", b"Connection: keep-alive\r\n"),
        ):
            written = response_bytes(head, Framing.LENGTH, keep_alive=keep_alive, version=version)
            self.assertEqual(written, lines + more + b"\r\n")

    def test_informational(self) -> None:
        """An interim response has its lines and nothing else."""
        self.assertEqual(
            informational_bytes(103, b"Early", [(b"Link", b"a")]), b"HTTP/1.1 103 Early\r\nLink: a\r\n\r\n"
        )
        self.assertEqual(informational_bytes(100, b"Continue", []), b"HTTP/1.1 100 Continue\r\n\r\n")

    def test_chunks(self) -> None:
        """Sizes are hexadecimal."""
        self.assertEqual(chunk(b"a" * 26) + LAST_CHUNK, b"1a\r\n" + b"a" * 26 + b"\r\n0\r\n\r\n")
