"""Each step of a connection by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.exchange.certificate_headers import header_block
from agwtwisted.core.exchange.decisions import decide
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.heads import RequestParser
from agwtwisted.core.http.messages import Mark, RequestHead
from agwtwisted.core.http.request_reader import RequestReader
from agwtwisted.core.http.response_reader import ResponseReader
from agwtwisted.core.identity.clients import (
    Admitted,
    CertificateProof,
    ClientConnection,
    Identity,
    PendingClient,
    RevocationFinding,
    RevocationSource,
)
from agwtwisted.core.plan.routing import Sites
from agwtwisted.core.resources.resources import CertificateHeaders, SslProfile
from agwtwisted.core.revocation.ocsp import OcspRequest, OcspRules
from agwtwisted.core.revocation.status import Good
from agwtwisted.core.tls import policies
from agwtwisted.core.tls.policies import TlsPolicy
from agwtwisted.core.verification.chains import TrustedChain, read_chain
from agwtwisted.core.verification.judging import Anchors, Evidence, judge
from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.revocation.check import RevocationCheck
from agwtwisted.revocation.ocsp_answers import OcspAnswers
from agwtwisted.revocation.ocsp_source import OcspSource
from agwtwisted.revocation.ocsp_store import MemoryStore
from agwtwisted.revocation.revocation import Revocation
from agwtwisted.tls.records import PIECE, DirectRecords, PublicRecords
from agwtwisted.transport.clocks import WallClock
from benchmarks.micro.stand import BODY, REQUEST, RESPONSE, Stand, TlsClient
from tests import clients, configurations, pki
from tests.clients import TLS_1_3
from tests.responder import Response, Single, status_by
from tests.tls.test_records import connections, sealed_by

ISSUER = pki.Authority.root("Root").intermediate("Issuer")
DEVICE = ISSUER.issue("device 7", ocsp_url="http://ocsp.example/")
CHAIN = DEVICE.chain_der
CONNECTION = ClientConnection(address="192.0.2.7", port=7, gateway_port=8443)


def anchors_of() -> Anchors:
    """Those of a profile that trusts the issuer."""
    chain = read_chain(pki.bundle(ISSUER, ISSUER.issuers[0]), "ca.pem")
    assert isinstance(chain, TrustedChain)
    return Anchors.of([chain], verify_issuer_dn=True)


def test_verdict_known(benchmark: Any) -> None:
    """The verdict on a certificate that came before."""
    anchors, evidence = anchors_of(), Evidence(chain=CHAIN, error=0)
    assert judge(evidence, anchors, pki.NOW) == Trusted()
    benchmark(judge, evidence, anchors, pki.NOW)


def test_verdict_new(benchmark: Any) -> None:
    """The verdict on a certificate that comes for the first time."""
    anchors, evidence = anchors_of(), Evidence(chain=CHAIN, error=0)

    def forget() -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (evidence, anchors_of(), pki.NOW), {}

    assert judge(evidence, anchors, pki.NOW) == Trusted()
    benchmark.pedantic(judge, setup=forget, rounds=300)


def test_certificate_variables(benchmark: Any) -> None:
    """The variables of a certificate, made for its first connection."""
    assert benchmark(certificate_variables, DEVICE.der).subject == b"CN=device 7"


def test_header_block(benchmark: Any) -> None:
    """The certificate headers of a connection."""
    variables = certificate_variables(DEVICE.der)
    identity = Identity(verdict=Trusted(), certificate=variables, chain_der=CHAIN[1:])
    wanted = frozenset({CertificateHeaders.ON})
    block = benchmark(header_block, identity, wanted)
    assert b"X-Client-Certificate-Verification: SUCCESS\r\n" in block


def answer() -> bytes:
    """A responder's answer about the device."""
    return Response(signer=ISSUER, singles=[Single(certificate=DEVICE)]).der()


def request() -> OcspRequest:
    """The request about the device."""
    asked = OcspRequest.of(DEVICE.der, ISSUER.der)
    assert isinstance(asked, OcspRequest)
    return asked


RULES = OcspRules(clock_skew=300, max_age=604800, default_age=300)


def test_ocsp_judgement(benchmark: Any) -> None:
    """A new answer: read, its signature checked, judged."""
    assert isinstance(benchmark(status_by, answer(), request(), RULES, pki.NOW.timestamp()), Good)


class _Asker:
    """A responder that says at once that all is well."""

    def ask(self, request: bytes, way: Any, accept: Any, *, trace: Any = None) -> Deferred[Any]:
        """As ocsp_source.Asker says."""
        answered: Deferred[Any] = Deferred()
        answered.callback(accept(answer()))
        return answered


@pytest.mark.parametrize("cached", [10, 100_000])
def test_ocsp_known(benchmark: Any, cached: int) -> None:
    """The status of a certificate from memory, among few and many others."""
    policy = policies.predefined("AppGwSslPolicy20220101")
    assert isinstance(policy, TlsPolicy)
    profile = SslProfile(name="strict", ssl_policy=policy, verify_client_revocation=(RevocationSource.OCSP,))
    clock = Clock()
    clock.advance(pki.NOW.timestamp())
    asker: Any = _Asker()
    wall = WallClock(clock, clock.seconds)
    source = OcspSource(asker, wall.seconds, clock.seconds)
    answers = OcspAnswers(clock, wall, source, MemoryStore(), Random(0), max_answers=200_000)
    check = RevocationCheck(Revocation([answers], wall.seconds), profile)
    proof = CertificateProof(verdict=Trusted(), certificate=certificate_variables(DEVICE.der), chain_der=CHAIN[1:])
    client = PendingClient(connection=CONNECTION, proof=proof)
    check(client)
    held = next(iter(answers._memory._held.values()))
    for number in range(cached):
        answers._memory._held.put(b"%d" % number, held, (datetime.now(UTC) + timedelta(days=9999)).timestamp())
    found = check(client)
    assert isinstance(found, RevocationFinding)  # at once
    assert found.refusal is None
    benchmark(check, client)


def test_request_head(benchmark: Any) -> None:
    """A request, from its bytes to what may be forwarded."""
    reader = RequestReader(RequestParser(HeaderNames()), max_body_bytes=1 << 32)

    def read() -> object:
        reader.feed(REQUEST)
        head = reader.next_event()
        reader.next_request()
        return head

    assert isinstance(benchmark(read), RequestHead)


def test_response(benchmark: Any) -> None:
    """A response with a kilobyte."""

    def read() -> list[object]:
        reader = ResponseReader(to_head_request=False, max_header_bytes=32768)
        reader.feed(RESPONSE)
        return [reader.next_event(), reader.next_event(), reader.next_event()]

    assert benchmark(read)[1:] == [BODY, Mark.END]


def sites(count: int) -> Sites:
    """So many sites on one port: one basic, the others with wildcards."""
    named = (f"site-{number} - *.site-{number}.example" for number in range(1, count))
    plan = configurations.plan(clients.text("basic -", *named), clients.files())
    return next(iter(plan.http_ports.values())).sites


@pytest.mark.parametrize("count", [1, 100, 400])
def test_route(benchmark: Any, count: int) -> None:
    """From a host name and a path to what becomes of the request."""
    among = sites(count)

    def route() -> object:
        site = among.select("api.localhost")
        return None if site is None else site.actions.for_path(b"/v1/devices/7")

    assert route() is not None
    benchmark(route)


REWRITE = """
[rewrite_rule certificate/identity]
rule_sequence = 100
condition.1 = var_client_certificate_verification == SUCCESS
request_header.X-Device = {var_client_certificate_subject}
response_header.Strict-Transport-Security = max-age=31536000
url_path = /v2{var_uri_path}
"""


def test_route_and_rewrite(benchmark: Any) -> None:
    """What becomes of a request where a rule with a condition sets a header and another path."""
    text = clients.text("basic strict") + "rewrite_rule_set = certificate\n" + REWRITE
    site = next(iter(configurations.plan(text, clients.files()).http_ports.values())).sites.all()[0]
    reader = RequestReader(RequestParser(HeaderNames()), max_body_bytes=1 << 32)
    reader.feed(REQUEST)
    head: Any = reader.next_event()
    proof = CertificateProof(verdict=Trusted(), certificate=certificate_variables(DEVICE.der))
    decision = benchmark(decide, site, head, Admitted(connection=CONNECTION, proof=proof))
    assert decision.request.target == b"/v2/v1/devices/7/readings?limit=20"


@pytest.mark.parametrize("way", [PublicRecords, DirectRecords])
@pytest.mark.parametrize("size", [1024, PIECE])
def test_record(benchmark: Any, way: Any, size: int) -> None:
    """Data that is encrypted, and decrypted by the other end: one record, and a large piece."""
    server, client = connections(TLS_1_3)
    near, far, data = way(server), DirectRecords(client), b"x" * size
    assert far.decrypt(sealed_by(near, data)) == (data, None)
    benchmark(lambda: far.decrypt(sealed_by(near, data)))


def test_exchange(benchmark: Any) -> None:
    """One request and its response, from a client's record to the answer's record and the line of the log."""
    stand = Stand()
    client = TlsClient(stand.port)
    client.send(REQUEST)
    stand.connect_backend()

    def exchange() -> bytes:
        stand.answered()
        answered = client.take()
        client.send(REQUEST)
        return answered

    assert exchange().endswith(BODY)
    benchmark(exchange)
    assert stand.to_backend.sent.startswith(b"GET /v1/devices/7/readings?limit=20 HTTP/1.1\r\n")


def test_connection(benchmark: Any) -> None:
    """A full handshake, both ends of it, of a client that came before, and all that a connection needs."""
    stand = Stand()
    assert TlsClient(stand.port).tls.get_protocol_version_name() == "TLSv1.3"
    benchmark(TlsClient, stand.port)
