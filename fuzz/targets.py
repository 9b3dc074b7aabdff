"""What is fuzzed: one table. A target raises where the code under it breaks its word.

Its word is that only its own error comes out, in bounded time; further promises stand with each target.
"""

from __future__ import annotations

import ipaddress
import json
import random
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import attrs
from cryptography.hazmat.primitives.asymmetric import ec
from hpack import Encoder
from OpenSSL import SSL, crypto

from agwtwisted.core.arm.certificate_data import VirtualFile
from agwtwisted.core.arm.configuration import ArmSource, arm_configuration
from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.documents import gateways, outputs, resources
from agwtwisted.core.arm.evaluation import FORMS, FUNCTIONS
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue, read_deployment, read_json
from agwtwisted.core.backends.affinity import Affinity, cookie_value
from agwtwisted.core.base.errors import ConfigError, UnacceptableError
from agwtwisted.core.certificates.der import DerError, elements, object_identifier
from agwtwisted.core.certificates.name_comparison import normalised_name
from agwtwisted.core.certificates.names import relative_names
from agwtwisted.core.certificates.pem import read_certificates
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.configuration.parsing import parse, parse_document
from agwtwisted.core.exchange.certificate_headers import header_block
from agwtwisted.core.exchange.identity_headers import IdentityHeadersError, client_identity
from agwtwisted.core.http import host_names
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.heads import RequestParser
from agwtwisted.core.http.messages import MAX_TARGET, PAUSED, RequestHead, ResponseHead, UnfitRequest
from agwtwisted.core.http.paths import UnclearPath, normalised, override_path
from agwtwisted.core.http.request_reader import RequestReader
from agwtwisted.core.http.response_reader import ResponseReader
from agwtwisted.core.http2 import codes, frames
from agwtwisted.core.http2.frame_reader import SPARE_CONTINUATIONS, FrameReader
from agwtwisted.core.http2.frame_values import ConnectionFault, HeadersFrame
from agwtwisted.core.http2.header_codec import encoded as encoded_fields
from agwtwisted.core.http2.requests import RequestTranslator
from agwtwisted.core.identity.clients import Admitted, CertificateProof, ClientConnection, Identity
from agwtwisted.core.listening.proxy_protocol import HeaderReader, NoHeader, ProxyHeader, Tlv, encoded, joined, split
from agwtwisted.core.operations.control_requests import body_arguments, matched
from agwtwisted.core.operations.questions import LONGEST_TEXT, QuestionError
from agwtwisted.core.resource_manager.answering import answer
from agwtwisted.core.resource_manager.messages import ArmRequest, ArmState, Secret, Stored, Work
from agwtwisted.core.resources.resources import CertificateHeaders
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.rules.templates import MATCHER, Scope, Template
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.core.rules.variable_references import Lookup
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.document_kinds import is_json
from agwtwisted.core.sections.ini_text import written
from agwtwisted.core.sections.schema import KINDS
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.core.tls.ja4 import FORM, ClientHelloReader, ja4
from agwtwisted.core.verification.chains import TrustedChain, read_chain
from agwtwisted.core.verification.judging import MAX_DEPTH, Anchors, Evidence, judge
from agwtwisted.core.verification.verdicts import Refused, Trusted, Unchecked
from agwtwisted.resource_manager.sign_in import SignIn
from agwtwisted.resource_manager.tokens import TENANT, Tokens
from agwtwisted.tls.path_search import PathSearch
from fuzz import redis_replies, revocation_lists
from tests import arm_gateways, configurations, connection_oracle, field_oracle, frame_oracle, pki
from tests.core.tls.hellos import RECORDED
from tests.differential import demands_policy
from tests.handshakes import evidence_from
from tests.llhttp import assert_requests_agree, assert_responses_agree
from tests.readers import in_one_piece, pulled, pulled_response

ROOT = pki.Authority.root("Root")
FIRST = ROOT.intermediate("First", extra=[pki.extension(pki.x509.PolicyConstraints(0, None), critical=True)])
SECOND = FIRST.intermediate("Second")
NAME = pki.name("device 7", organization_name="Contoso, Ltd.", country_name="US", user_id="x", email_address="a@b.c")
LEAVES = (
    SECOND.issue(NAME, san=["device.example", "192.0.2.1", pki.x509.UniformResourceIdentifier("urn:device:7")]),
    ROOT.issue(version=1),
    ROOT.issue(key=pki.ed25519_key(), eku=None, permitted=[pki.x509.DNSName("example.com")], path_length=0, ca=True),
    ROOT.issue(serial=-1, not_after=pki.tlv(0x18, b"20991231235959.5+0100"), ocsp_url="http://ocsp.example/"),
)
CERTIFICATES = [each.der for each in (ROOT, FIRST, SECOND, *LEAVES)]
NAMES = [each.certificate.subject.public_bytes() for each in (ROOT, LEAVES[0])] + [
    pki.tlv(0x30, pki.tlv(0x31, pki.tlv(0x30, b"\x06\x03\x55\x04\x03", pki.tlv(tag, text))))
    for tag, text in (
        (0x1E, b"\0a\0\xe9"),
        (0x1C, b"\0\0\0a"),
        (0x14, b"\xe9"),
        (0x03, b"\0a"),
        (0x0C, "\u1e9e ".encode()),
    )
]


@attrs.frozen(kw_only=True)
class Target:
    """One thing that is fuzzed."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    is_der: bool = False  # mutations that keep DER whole help
    is_http2: bool = False  # those that keep frames whole do
    words: tuple[str, ...] = ()  # that a grammar knows
    longest: int = 4096  # bytes of an input


# ARM JSON

ARM_TEMPLATE = b"""{"$schema": "deploymentTemplate.json#", // a comment
"parameters": {"n": {"type": "string"}, "c": {"type": "int", "defaultValue": 2}},
"functions": [{"namespace": "own", "members": {"f": {"parameters": [{"name": "x"}],
  "output": {"value": "[concat(parameters('x'), 1)]"}}}}],
"variables": {"a": "[createArray(1, 'b')]", "copy": [{"name": "v", "count": 2, "input": "[copyIndex('v')]"}]},
"resources": [{"type": "Microsoft.Network/applicationGateways", "name": "[own.f(parameters('n'))]",
  "copy": {"name": "g", "count": "[parameters('c')]"}, "condition": "[equals(copyIndex(), 0)]",
  "properties": {"httpListeners": [], "id": "[concat(resourceId('A/b', parameters('n')), '/c/d')]",
    "copy": [{"name": "list", "count": 2, "input": {"x": "[map(variables('a'), lambda('y', lambdaVariables('y')))]"}}],
    "r": "[reference('n').outputs.o.value]"}},
 {"type": "Microsoft.Resources/deployments", "name": "n", "properties": {
  "expressionEvaluationOptions": {"scope": "inner"}, "parameters": {"p": {"value": "[variables('v')[0]]"}},
  "template": {"parameters": {"p": {"type": "int"}}, "resources": [],
    "outputs": {"o": {"type": "int", "value": "[add(parameters('p'), 1)]"}}}}}],
"outputs": {"o": {"type": "array", "copy": {"count": 2, "input": "[copyIndex()]"}}}}"""
ARM_EXPRESSIONS = [
    b"concat(variables('t'), string(variables('a')), '''')",
    b"if(equals(1, mod(5, 2)), variables('a')[3].c, reference('x').y)",
    b"reduce(range(0, 9), createObject(), lambda('a', 'b', createObject('c', lambdaVariables('a'))))",
    b"format('{0:D3} {{1}}', 5, dateTimeAdd(utcNow('u'), '-P1DT2H'), split('a,b', ','))",
    b"resourceId('Microsoft.Network/applicationGateways/httpListeners', 'a', tryGet(variables('a'), 9).?b)",
]
ARM_WORDS = (*(f"{name}(" for name in (*FUNCTIONS, *FORMS)), "lambda('x', ", "variables('a')", ")[0]", ".?c")


def _printable_problem(error: ConfigError) -> None:
    (problem,) = error.problems
    assert str(problem).isprintable()


def _json(data: bytes) -> None:
    for read in (read_json, read_deployment):
        try:
            node = read(data, "f.json")
        except ConfigError as error:
            _printable_problem(error)
        else:
            _check_node(node, 0)


def _check_node(node: JsonNode, depth: int) -> None:
    assert depth <= 64
    for each in (*node.items(), *node.members().values()):
        assert each.place.line >= node.place.line >= 1
        _check_node(each, depth + 1)


def _arm_template(data: bytes) -> None:
    try:
        node = read_json(data, "f.json")
    except ConfigError:
        return
    asked: tuple[Callable[[], object], ...] = (
        lambda: gateways(data, "f.json", TemplateContext()),
        lambda: resources(node, TemplateContext()),
        lambda: outputs(node, TemplateContext(moment="2020-01-01T00:00:00Z")),
    )
    for ask in asked:
        try:
            ask()
        except ConfigError as error:
            _printable_problem(error)


def _arm_expression(data: bytes) -> None:
    written = f"[{data.decode('utf-8', 'replace')}]"
    document = {
        "variables": {"a": [1, "b", None, {"c": True}], "t": "text", "e": written},
        "resources": [{"type": "Microsoft.Network/applicationGateways", "name": "g", "properties": {"x": written}}],
    }
    text = json.dumps(document).encode()
    context = TemplateContext(moment="2020-01-01T00:00:00Z")
    try:
        (found,) = gateways(text, "f.json", context)
    except ConfigError as error:
        _printable_problem(error)
        return
    value = found.body.member("properties").member("x").value
    assert not isinstance(value, UnknownValue) or value.hint
    (again,) = gateways(text, "f.json", context)
    assert again.body == found.body


# The control API

CONTROL_REQUESTS = [
    b"GET /clients?limit=10&search=%C3%BC+x\n",
    b"POST /backends/a%2Fb/c%20d/%5B%3A%3A1%5D:80/drain\n",
    b'POST /revocation/forget\n{"serial": "0A", "issuer": null}',
    b'POST /explain\n{"listener": "a", "certificate": "-----BEGIN"}',
    b"HEAD /status\n[[[1]]]",
]


def _control(data: bytes) -> None:
    line, _, body = data.partition(b"\n")
    method, _, target = line.partition(b" ")
    try:
        found = matched(method.decode("latin-1"), target)
        members = body_arguments(found.route, body)
    except QuestionError as found_wrong:
        _check_question_error(found_wrong)
        return
    named = {each[1:-1] for each in found.route.segments if each.startswith("{")}
    assert named <= found.arguments.keys() <= named | found.route.query.keys()
    assert all(len(each) <= LONGEST_TEXT and each.isprintable() for each in found.arguments.values())
    assert members.keys() <= found.route.body.keys()


def _check_question_error(error: QuestionError) -> None:
    assert 400 <= error.status < 500
    assert len(error.message) < 2000


# The control plane

ARM_GROUP = "/subscriptions/s/resourceGroups/g"
ARM_GATEWAY = f"{ARM_GROUP}/providers/Microsoft.Network/applicationGateways/edge"
ARM_MOMENT = datetime(2026, 11, 30, tzinfo=UTC)
ARM_SECRET = "t" + "0123456789abcdef" * 2
ARM_PASSWORD = "a password that no answer has"
ARM_STATE = ArmState(
    tenant="t",
    subscription="s",
    records={
        ARM_GROUP.lower(): Stored(id=ARM_GROUP, body={"location": "local"}, etag='W/"1"'),
        ARM_GATEWAY.lower(): Stored(id=ARM_GATEWAY, body={"location": "local", "properties": {}}, etag='W/"2"'),
    },
    secrets={"site": Secret(data=ARM_PASSWORD, password=ARM_PASSWORD)},
)
_SIGN_IN = SignIn(Tokens(ec.derive_private_key(7, ec.SECP256R1()), ARM_SECRET, lambda: ARM_MOMENT), lambda: True)


def _arm_requests() -> Iterator[bytes]:
    body = json.dumps({"location": "local", "properties": arm_gateways.https()["properties"]}).encode()
    for method in ("PUT", "GET", "DELETE", "PATCH"):
        yield f"{method} {ARM_GATEWAY}\n".encode() + body
    for action in ("start", "stop", "backendhealth", "getBackendHealthOnDemand"):
        yield f"POST {ARM_GATEWAY}/{action}\n{{}}".encode()
    template = b'{"properties": {"mode": "Incremental", template:' + ARM_TEMPLATE + b"}}"
    yield f"PUT {ARM_GROUP}/providers/Microsoft.Resources/deployments/d\n".encode() + template
    form = f"grant_type=client_credentials&client_id=c&client_secret={ARM_SECRET}&scope=a/.default"
    yield f"POST /{TENANT}/oauth2/v2.0/token\n{form}".encode()
    yield b"GET /metadata/endpoints\n"


def _arm_request(data: bytes) -> None:
    line, _, body = data.partition(b"\n")
    method, _, path = line.decode("latin-1").partition(" ")
    request = ArmRequest(
        method=method,
        path=path,
        query={"api-version": "2025-03-01"},
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=body,
        base_url="https://localhost:8902",
        request_id="00000000-0000-0000-0000-000000000007",
        moment=ARM_MOMENT,
    )
    found = _SIGN_IN.answer(request) or answer(request, ARM_STATE)
    answered = found.answer if isinstance(found, Work) else found
    assert 200 <= answered.status < 600
    assert all(each.isprintable() for pair in answered.headers.items() for each in pair)
    if answered.body:
        json.loads(answered.body)
    assert ARM_PASSWORD.encode() not in answered.body
    if b"access_token" in answered.body:
        assert ARM_SECRET.encode() in body  # a form decodes what it has escaped, of which mutations make no secret


# Configuration


def _ini(data: bytes) -> None:
    document = ini.parse(data, "gw.ini")
    for section in document.sections:
        assert len({entry.key for entry in section.entries}) == len(section.entries)
    for problem in document.problems:
        assert str(problem).isprintable()
        assert 0 < problem.place.line <= data.count(b"\n") + 1


_FILES = configurations.files()


def _read(path: str) -> SourceFile:
    found = _FILES.data.get(path)
    if found is None:
        raise FileNotFoundError(2, "No such file or directory", path)
    return SourceFile(data=found, mode=0o100600)


def _config(data: bytes) -> None:
    try:
        config = parse(data, configurations.FILE, _read, now=pki.NOW).config
    except ConfigError as refused:
        problems = refused.problems
        assert problems
    else:
        problems = config.warnings
        assert config.http_listeners
    assert all(str(problem).isprintable() for problem in problems)


def _arm_document(data: bytes) -> None:
    """What a document comes to, and the INI text of it, are the same configuration."""
    if not is_json(data):
        return
    try:
        made = arm_configuration(ArmSource(data=data, file="gw.json"), _read)
        read = partial(_read_either, made.files)
        plan = parse_document(made.document, "gw.json", read, now=pki.NOW, may_be_empty=True)
    except ConfigError as refused:
        problems = refused.problems
        assert problems
    else:
        problems = plan.config.warnings
        assert parse(written(made.document).encode(), "gw.json", read, now=pki.NOW, may_be_empty=True) == plan
    assert all(str(problem).isprintable() for problem in problems)
    assert not any("defect" in problem.message for problem in problems)


def _read_either(inside: Mapping[str, VirtualFile], path: str) -> SourceFile:
    found = inside.get(path)
    return _read(path) if found is None else SourceFile(data=found.data, mode=0o100600)


def _arm_seeds() -> Iterator[bytes]:
    profile = {"trustedClientCertificates": [arm_gateways.reference("trustedClientCertificates", "ca")]}
    trusted = [arm_gateways.child("ca", data=arm_gateways.text_of(arm_gateways.authority().pem))]
    for body in (arm_gateways.gateway(), arm_gateways.https(profile=profile, trusted=trusted)):
        yield json.dumps(body, indent=1).encode()


def _config_seeds() -> Iterator[bytes]:
    yield configurations.GOOD.encode()
    yield (configurations.GOOD + configurations.with_listener("other", port=9443, extra="host_names = *.a.b")).encode()
    yield from (path.read_bytes() for path in sorted(Path("conf").glob("*.ini")))


def _config_words() -> tuple[str, ...]:
    keys = {f"{key} = " for kind in KINDS.values() for key in kind.keys}
    keys |= {f"{family}.1 = " for kind in KINDS.values() for family in kind.families}
    values = (
        "Strict",
        "Passthrough",
        "Https",
        "Http",
        "true",
        "false",
        "CustomV2",
        "TLSv1_2",
        "Http400",
        "rfc9440",
        "[::1]:80",
    )
    return (*sorted(keys), *(f"[{kind} a]" for kind in KINDS), *values)


def _host_names(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape" if data[:1] == b"s" else "replace")
    one, _, other = text.partition("\n")
    names = []
    for read in (
        host_names.listener_host_name,
        host_names.backend_host,
        host_names.host_header,
        host_names.listener_address,
    ):
        for name in (one, other):
            try:
                found = read(name)
            except UnacceptableError:
                continue
            assert found.isascii()
            assert found.isprintable()
            assert found == found.lower()
            assert read(found) == found
            if read is host_names.listener_host_name:
                names.append(found)
    if len(names) == 2:
        assert host_names.intersect(*names) == host_names.intersect(*reversed(names))
        assert host_names.intersect(names[0], names[0])


def _template(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    scope = Scope(captures={"var_host": 1}, of_response=data[:1] == b"r", matcher=2 if data[:1] == b"m" else None)
    try:
        template = Template.of(text, scope)
    except UnacceptableError:
        return
    groups = (b"whole", b"one", b"two")
    value = template.render(_lookup(), {"var_host": groups, MATCHER: groups})
    assert value.startswith(template.beginning)
    assert template.constant in (None, value)


def _condition(data: bytes) -> None:
    """The text of a condition, and after a NUL the value that it is put to."""
    text, _, value = data.partition(b"\0")
    try:
        condition = Condition.of(text.decode("utf-8", "replace"))
    except UnacceptableError:
        return
    condition.captured(_lookup())
    groups = condition.test(value)
    assert groups in (None, ()) if not condition.groups else groups is None or len(groups) == condition.groups + 1
    assert all(group in value for group in groups or ())
    assert condition.test(value) == groups


def _lookup() -> Lookup:
    head = RequestHead(method=b"GET", target=b"/a?b", version=b"1.1", host="a", authority=b"a", headers=((b"X", b"y"),))
    connection = ClientConnection(address="192.0.2.1", port=7, gateway_port=443)
    return Lookup(Context(head, Admitted(connection=connection, proof=CertificateProof(verdict=Unchecked()))))


_REFERENCES = ("http_req_X", "http_resp_X", "var_host", "var_cookie_a", "var_host_1", "capt_header_value_matcher_1")


# Certificates


def _pem(data: bytes) -> None:
    found = read_certificates(data, "ca.pem")
    assert found.certificates or found.problems or found.private_key_lines
    assert all(str(problem).isprintable() for problem in found.problems)


def _chain(data: bytes) -> None:
    found = read_chain(data, "ca.pem", pki.NOW)
    if isinstance(found, TrustedChain):
        Anchors.of([found], True)
        assert found.root in found.authorities
        assert all(line.isprintable() for line in found.warnings)
    else:
        assert found
        assert all(str(problem).isprintable() for problem in found)


def _bundles() -> Iterator[bytes]:
    yield pki.bundle(ROOT, FIRST, SECOND)
    yield pki.bundle(SECOND, LEAVES[0], ROOT).replace(b"\n", b"\r\n")
    yield pki.base64.b64encode(ROOT.der)
    yield ROOT.der
    yield ROOT.pem + LEAVES[0].key_pem


def _der(data: bytes) -> None:
    for read in (elements, object_identifier):
        try:
            found = read(data)
        except DerError:
            continue
        if not isinstance(found, str):
            assert b"".join(pki.tlv(each.tag, each.content) for each in found) == data


_PRINTABLE = re.compile(rb"[\x20-\x7e]*")


def _name(data: bytes) -> None:
    assert _PRINTABLE.fullmatch(relative_names(data) + relative_names(data[2:]))


def _comparison(data: bytes) -> None:
    try:
        normal = normalised_name(data)
    except DerError:
        return
    # Names that are the same to a parser are the same here; further, the comparison knows no order of its own.
    assert (
        normalised_name(
            pki.tlv(0x30, *(pki.tlv(each.tag, each.content) for each in elements(elements(data)[0].content)))
        )
        == normal
    )


def _variables(data: bytes) -> None:
    found = certificate_variables(data)
    for value in attrs.asdict(found, filter=lambda field, _: field.name != "der").values():
        assert _PRINTABLE.fullmatch(value), value
    assert found.certificate
    assert found.fingerprint


_LINES = re.compile(rb"(?:[A-Za-z0-9-]+: [\x20-\x7e]+\r\n)*")
_EVERY_HEADER = frozenset(CertificateHeaders)


def _headers(data: bytes) -> None:
    certificate = certificate_variables(data)
    for verdict in (Trusted(), Unchecked()):
        identity = Identity(verdict=verdict, certificate=certificate, chain_der=(data, ROOT.der))
        for limit in (1000, 30000):
            block = header_block(identity, _EVERY_HEADER, limit=limit)
            assert _LINES.fullmatch(block), block
            assert len(block) <= limit
            read = client_identity([(name, value) for name, _, value in map(_parted, block.split(b"\r\n")[:-1])])
            assert read.verified == isinstance(verdict, Trusted)
            assert read.certificate == data or "x-client-certificate" in read.omitted


def _parted(line: bytes) -> tuple[bytes, bytes, bytes]:
    return line.partition(b": ")


def _identity_lines() -> list[bytes]:
    """The headers of each certificate, in lines."""
    found = [Identity(verdict=Trusted(), certificate=certificate_variables(der), chain_der=()) for der in CERTIFICATES]
    return [header_block(each, _EVERY_HEADER) for each in found]


def _identity(data: bytes) -> None:
    """Lines that nobody but a client may have written."""
    try:
        read = client_identity([(name, value) for name, _, value in map(_parted, data.split(b"\r\n"))])
    except IdentityHeadersError:
        return
    assert not read.verified or read.certificate or read.omitted


_ANCHORS = Anchors.of(
    [chain for chain in [read_chain(pki.bundle(ROOT, FIRST), "ca.pem")] if isinstance(chain, TrustedChain)], True
)


def _judge(data: bytes) -> None:
    """The first octet chooses what OpenSSL said; the rest is a chain, leaf first, its root added."""
    verdict = judge(
        Evidence(chain=_certificates_in(data[1:]), error=data[0] & 0x7F if data and data[0] & 0x80 else 0),
        _ANCHORS,
        pki.NOW,
    )
    assert isinstance(verdict, Trusted | Refused)
    assert isinstance(verdict, Trusted) or (verdict.reason and verdict.reason.isprintable())


def _certificates_in(data: bytes) -> tuple[bytes, ...]:
    try:
        parts = [pki.tlv(each.tag, each.content) for each in elements(data)]
    except DerError:
        parts = [data]
    return (*parts, ROOT.der)


def _chains() -> Iterator[bytes]:
    for leaf in LEAVES:
        yield b"\0" + b"".join(leaf.chain_der[:-1])


KEY = ec.derive_private_key(7, ec.SECP256R1())
"""The client's, the same in every run: an input of an earlier run has to fit."""


def _search(data: bytes) -> None:
    """What a client presents, leaf first: a path that is found begins with the leaf, and is trusted."""
    presented = _certificates_in(data)[:-1]
    search = PathSearch(_ANCHORS, _ANCHORS.authorities, MAX_DEPTH)
    path = search.find(presented, pki.NOW)
    if path is not None:
        assert path[0] == presented[0]
        assert isinstance(judge(Evidence(chain=path, error=0), _ANCHORS, pki.NOW), Trusted)


def _handshake(data: bytes) -> None:
    """The chain that a client sends to OpenSSL, leaf first: pyOpenSSL's callback gets every kind of error there is."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            leaf, *above = [crypto.load_certificate(crypto.FILETYPE_ASN1, der) for der in _certificates_in(data)[:-1]]
            context.use_certificate(leaf)
            context.use_privatekey(KEY)
            for authority in above:
                context.add_extra_chain_cert(authority)
    except (ValueError, crypto.Error, SSL.Error):
        return  # no client could send it
    try:
        evidence = evidence_from(context, [ROOT.der])
    except SSL.Error:
        return  # OpenSSL refuses to read it, or the client to sign with it
    assert isinstance(judge(evidence, _ANCHORS, pki.NOW), Trusted | Refused)


def _handshakes() -> Iterator[bytes]:
    for options in ({}, {"version": 1}, {"serial": -1}, {"san": ["a.example"]}, {"extra": [demands_policy()]}):
        yield b"".join(SECOND.issue(key=KEY, **options).chain_der[:-1])
    constrained = ROOT.intermediate(permitted=[pki.x509.DNSName("example.com")], path_length=0)
    yield b"".join(constrained.issue(key=KEY, san=["a.example.com"]).chain_der[:-1])
    yield b"".join(constrained.intermediate().issue(key=KEY, ca=True).chain_der[:-1])


# HTTP


def _pieces(data: bytes) -> Iterator[list[bytes]]:
    """The same bytes: whole, one by one, and cut somewhere as the data itself says."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    chosen = random.Random(data[:8])
    cuts = sorted(chosen.sample(range(1, len(data)), min(3, len(data) - 1))) if len(data) > 1 else []
    yield [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _outcome(events: Iterable[Any]) -> list[Any]:
    """Events with neighbouring pieces of a body as one; of a refusal its status and error_info.

    How much of a body came before it was refused depends on the pieces, as the access log's words about it do.
    """
    outcomes = in_one_piece(events)
    if outcomes and isinstance(outcomes[-1], UnfitRequest):
        unfit = outcomes.pop()
        if outcomes and isinstance(outcomes[-1], bytes):
            del outcomes[-1]
        outcomes.append((unfit.status, unfit.error_info))
    return outcomes


def _request_events(pieces: list[bytes]) -> tuple[list[Any], tuple[Any, ...]]:
    """What is read of these pieces, each request having its turn at once, and how the reader stands then."""
    reader = RequestReader(RequestParser(HeaderNames(), max_header_bytes=8192), max_body_bytes=256)
    events: list[Any] = []
    for piece in pieces:
        reader.feed(piece)
        while True:
            events += pulled(reader)
            if reader.upgrading or reader.next_event() is not PAUSED or reader.done:
                break
            reader.next_request()
    return events, (reader.done, reader.upgrading, reader.head_open, reader.take_unread())


def _requests(data: bytes) -> None:
    read = [_request_events(pieces) for pieces in _pieces(data)]
    outcomes = [(_outcome(events), stands) for events, stands in read]
    assert outcomes[1:] == outcomes[:1] * (len(outcomes) - 1), outcomes
    for event in outcomes[0][0]:
        if isinstance(event, RequestHead):
            assert event.host or event.version == b"1.0"
            assert not any(octet in event.target for octet in b" \r\n\0#")
            assert not any(octet in value for _, value in event.headers for octet in b"\r\n\0")
    assert_requests_agree(data, read[0][0])


REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /b?c HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc"
    b"GET / HTTP/1.0\r\nHost: b\r\n\r\n",
    b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [::1]\r\nConnection: Upgrade, x\r\nUpgrade: websocket\r\nX: y\r\n\r\n\x81\x05hello",
    b"OPTIONS * HTTP/1.1\r\nhOST: a.\r\nX_Client_Certificate: z\r\n\r\n",
    b"GET http://a/b HTTP/1.1\r\nHost: a\r\n\tfold: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nGET http://b/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS / RTSP/1.0\r\nCSeq: 1\r\n\r\n",
]


def _http2_frames(data: bytes) -> None:
    frame_oracle.frames_agree(data)
    outcomes = [frame_oracle.joined(_frames_of(pieces)) for pieces in _pieces(data)]
    assert outcomes[1:] == outcomes[:1] * (len(outcomes) - 1), outcomes
    for each in outcomes[0]:
        if isinstance(each, HeadersFrame):
            assert len(each.block) <= frame_oracle.BLOCK_BYTES
            assert each.frames <= 3 + SPARE_CONTINUATIONS
        if isinstance(each, ConnectionFault):
            assert each.reason.isprintable()


def _frames_of(pieces: list[bytes]) -> frame_oracle.Found:
    reader = FrameReader(max_block=frame_oracle.BLOCK_BYTES)
    found: frame_oracle.Found = []
    for piece in pieces:
        reader.feed(piece)
        found += frame_oracle.pulled(reader)
        assert reader.unread <= codes.LEAST_MAX_FRAME_SIZE + codes.FRAME_HEAD
    return found


def _http2_seeds() -> Iterator[bytes]:
    block = b"\x82\x84\x87\x41\x01a"  # GET / of https://a
    padded = frame_oracle.frame(codes.HEADERS, b"\1\0\0\0\3\xff" + block + b"x", flags=0x2D, stream=5)
    continued = frames.headers(3, block, True, 4)
    yield frame_oracle.BEGIN + frames.headers(1, block, False) + frames.data(1, b"abc", True) + padded + continued
    settings = frames.settings([(each, 20_000) for each in (1, 3, 4, 5, 6)]) + frames.SETTINGS_ACK
    credit = frames.window_update(0, 9) + frames.window_update(1, 1 << 30)
    ends = frames.rst_stream(1, codes.CANCEL) + frames.goaway(0, 0, b"bye")
    pings = frames.ping(b"12345678") + frames.ping_ack(b"12345678")
    priority = frame_oracle.frame(codes.PRIORITY, b"\0\0\0\3\xff") + frame_oracle.frame(0xEE, b"x")
    update = frame_oracle.frame(codes.PRIORITY_UPDATE, b"\0\0\0\1u=3, i", stream=0)
    yield frame_oracle.BEGIN + settings + credit + ends + pings + priority + update
    yield frame_oracle.BEGIN + frames.data(1, bytes(1100), True) + pings
    yield b"GET / HTTP/1.1\r\n\r\n"


HTTP2_FRAMES = [*_http2_seeds()]


def _http2_connections(data: bytes) -> None:
    for answers in (False, True):
        connection_oracle.connections_agree(data, answers=answers)


def _http2_fields(data: bytes) -> None:
    blocks = [block[1:] for block in re.findall(rb"(?s)\xfe[^\xfe]*", b"\xfe" + data)]
    translator = RequestTranslator(HeaderNames(), lambda: b"dGhlIHNhbXBsZSBub25jZQ==")
    for fields in field_oracle.blocks_agree(blocks):
        is_sound, are_trailers = field_oracle.h2_takes(fields), field_oracle.h2_takes(fields, trailers=True)
        assert are_trailers or translator.trailers(fields) is not None, fields
        for end_stream in (False, True):
            found = [translator.request(fields, end_stream=end_stream, size=len(data)) for _ in range(2)]
            assert found[0] == found[1], found
            if isinstance(found[0], RequestHead):
                assert is_sound, fields
                field_oracle.is_one_head(found[0])


def _http2_field_seeds() -> Iterator[bytes]:
    usual = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a:80"), (b":path", b"/b?c")]
    lines = [(b"cookie", b"d=e"), (b"cookie", b"f=g"), (b"x_y", b"z"), (b"te", b"trailers"), (b"user-agent", b"h")]
    encoder = Encoder()
    for more in (lines, lines, [(b"host", b"a:80"), (b"content-length", b"3"), (b"expect", b"100-continue")]):
        yield encoder.encode([*usual, *more])
        yield b"\xfe".join(encoder.encode([*usual, *more], huffman=False) for _ in range(3))
    connect = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *usual[1:], (b"origin", b"https://a")]
    trailers = encoded_fields([(b"x-sum", b"1")])
    yield encoded_fields(connect) + b"\xfe\x20\x3f\xe1\x1f" + encoded_fields(usual) + b"\xfe" + trailers


HTTP2_FIELDS = [*_http2_field_seeds()]


def _response_events(pieces: list[bytes], *, to_head_request: bool) -> tuple[list[Any], tuple[Any, ...]]:
    """What is read of these pieces, and how the reader stands then."""
    reader = ResponseReader(to_head_request=to_head_request, max_header_bytes=8192)
    events: list[Any] = []
    held = b""
    for piece in pieces:
        if _is_switch(events):
            held += piece
            continue
        reader.feed(piece)
        events += pulled_response(reader)
    held = reader.take_unread() + held if _is_switch(events) else b""
    reader.end()
    events += pulled_response(reader)
    return events, (reader.whole, reader.clean, held)


def _is_switch(events: list[Any]) -> bool:
    return any(isinstance(event, ResponseHead) and event.status == 101 for event in events)


def _responses(data: bytes) -> None:
    for to_head_request in (False, True):
        read = [_response_events(pieces, to_head_request=to_head_request) for pieces in _pieces(data)]
        outcomes = [(in_one_piece(events) if stands[0] else (), stands) for events, stands in read]
        assert outcomes[1:] == outcomes[:1] * (len(outcomes) - 1), outcomes
        assert_responses_agree(data, read[0][0], to_head_request=to_head_request)


RESPONSES = [
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 3\t\r\nabc\r\n0 \r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nT: u\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nX: y\r\n\r\nuntil the end",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
    b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
]

# The PROXY protocol


def _paths(data: bytes) -> None:
    """A request's target; what is let through stays as it is, and has no second meaning that a server could find."""
    found = normalised(data)
    if isinstance(found, UnclearPath):
        assert found.reason.isascii(), found
        assert found.reason.isprintable(), found
        return
    path, mark, query = found.partition(b"?")
    assert normalised(found) == found, found
    assert path == b"*" or _ONE_FORM.fullmatch(path), path
    assert len(path) <= MAX_TARGET, len(path)
    assert mark + query == b"".join(data.partition(b"?")[1:]), query
    overridden = override_path("/o/", b"/a", found)
    assert isinstance(overridden, UnclearPath) or overridden.startswith(b"/o/") or path == b"*", overridden


_ONE_FORM = re.compile(rb"/(?:(?!\.{1,2}(?:/|\Z))(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-F]{2})+(?:/|\Z))*")


def _proxy_outcome(pieces: list[bytes]) -> tuple[object, bytes]:
    reader = HeaderReader()
    outcome = None
    rest = b""
    for piece in pieces:
        if outcome is None:
            outcome = reader.feed(piece)
        else:
            rest += piece
    return outcome, reader.rest + rest if isinstance(outcome, ProxyHeader) else b""


def _hello_outcome(pieces: list[bytes]) -> bytes | None:
    reader = ClientHelloReader()
    answers = (reader.feed(piece) for piece in pieces)
    return next((answer for answer in answers if answer is not None), None)


def _client_hello(data: bytes) -> None:
    messages = [_hello_outcome(pieces) for pieces in _pieces(data)]
    assert messages[1:] == messages[:1] * (len(messages) - 1), messages
    fingerprint = ja4(messages[0] or b"")
    assert not fingerprint or re.fullmatch(FORM, fingerprint.decode()), fingerprint


def _proxy_header(data: bytes) -> None:
    outcomes = [_proxy_outcome(pieces) for pieces in _pieces(data)]
    assert outcomes[1:] == outcomes[:1] * (len(outcomes) - 1), outcomes
    header, rest = outcomes[0]
    if isinstance(header, NoHeader):
        assert header.reason.isprintable()
    if isinstance(header, ProxyHeader):
        assert data.endswith(rest)
        assert split(joined(header.tlvs)) == header.tlvs
        if header.source and header.destination:
            again = HeaderReader().feed(encoded(header.source, header.destination))
            assert again == ProxyHeader(source=header.source, destination=header.destination)


_ENDS = (ipaddress.ip_address("192.0.2.7"), 50000), (ipaddress.ip_address("2001:db8::1"), 443)
PROXY_HEADERS = [
    b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\nrest",
    b"PROXY TCP6 2001:db8::7 ::1 1 0\r\n",
    b"PROXY UNKNOWN ffff::\r\n",
    encoded(_ENDS[0], _ENDS[0], [Tlv(2, b"name"), Tlv(0x20, b"\1\0\0\0\0\x21\0\7TLSv1.3")]) + b"rest",
    encoded(*_ENDS, [Tlv(3, bytes(4)), Tlv(4, b"")]),
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0rest",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8" + bytes(216),
]


# Affinity cookies

_SERVERS = {name: cookie_value(b"key", name) for name in ("one", "two")}
COOKIES = [
    b"a=b; A=%b; ACORS=%b" % tuple(_SERVERS.values()),
    b"ACORS=%b;\t A=%b ;A=x" % tuple(_SERVERS.values()),
]


def _cookies(data: bytes) -> None:
    affinity = Affinity("A", _SERVERS)
    named = {value: server for server, value in _SERVERS.items()}
    pairs = (piece.strip(b" \t").partition(b"=") for piece in data.split(b";"))
    expected = [named[value] for name, _, value in pairs if name in (b"A", b"ACORS") and value in named]
    header = [(b"Cookie", data)]
    assert affinity.servers(header) == tuple(expected), expected
    for server in _SERVERS:
        lines = affinity.lines(server, header, secure=True)
        assert lines or server in expected, server


_HTTP_WORDS = (
    *(
        "GET ",
        "POST ",
        "CONNECT ",
        "OPTIONS * ",
        "HTTP/1.1",
        "HTTP/1.0",
        "HTTP/0.9",
        "\\x0d\\x0a",
        "\\x0d\\x0a\\x0d\\x0a",
        "0\\x0d\\x0a",
    ),
    *(
        "Host: a",
        "Content-Length: ",
        "Transfer-Encoding: chunked",
        "Connection: ",
        "Upgrade: websocket",
        "Upgrade: h2c",
        "close",
    ),
    *("keep-alive", "Expect: 100-continue", "X-Client-Certificate: ", "http://a/", "identity", "gzip, "),
    *("PRI * HTTP/2.0\\x0d\\x0a\\x0d\\x0aSM\\x0d\\x0a\\x0d\\x0a", " 101 Switching", " 204 ", " 304 ", " 100 "),
)

_FRAME_WORDS = ("PRI * HTTP/2.0", "\\x00\\x00\\x04\\x08\\x00\\x00\\x00\\x00\\x01", "\\x00\\x00\\x00\\x09\\x04")

TARGETS = {
    "ini": Target(run=_ini, seeds=_config_seeds, words=("\\\\;", " ;", "[gateway]", "[path_rule a/b]", " = ")),
    "arm_document": Target(
        run=_arm_document,
        seeds=_arm_seeds,
        words=("null", '\\"\\"', "[]", "{}", "true", "/httpListeners/", '\\"id\\":', '\\"Https\\"', "// c\\x0a"),
        longest=16384,
    ),
    "arm_request": Target(
        run=_arm_request,
        seeds=lambda: list(_arm_requests()),
        words=("/providers/", "%2F", "null", "{}", "[]", "grant_type=", '\\"properties\\":', "/operations/"),
        longest=16384,
    ),
    "config": Target(run=_config, seeds=_config_seeds, words=_config_words(), longest=8192),
    "json": Target(
        run=_json,
        seeds=lambda: [ARM_TEMPLATE, b'{"properties": {"mode": "Incremental", template:{"a": 1.5e3, "b": null}}}'],
        words=("//", "/*", "*/", "\\\\u00e9", "\\x22: ", "null", "1e5", "template:"),
    ),
    "arm_templates": Target(
        run=_arm_template,
        seeds=lambda: [ARM_TEMPLATE, ARM_TEMPLATE.replace(b'"inner"', b'"outer"')],
        words=(*ARM_WORDS, "\\x22copy\\x22: ", "\\x22existing\\x22: true, "),
    ),
    "arm_expressions": Target(run=_arm_expression, seeds=lambda: ARM_EXPRESSIONS, words=ARM_WORDS, longest=1000),
    "cookies": Target(run=_cookies, seeds=lambda: COOKIES, words=("; ", "A=", "ACORS="), longest=400),
    "host_names": Target(
        run=_host_names,
        seeds=lambda: [
            b"*.a.b\n?.c",
            "Bücher.example.:443".encode(),
            b"[::1]:80\n::ffff:1.2.3.4",
            b"a_b.c:9\nxn--a",
        ],
        words=("xn--", "*.", "\\xe2\\x80\\x8d", "\\xc3\\x9f", "[::1]", "."),
        longest=300,
    ),
    "templates": Target(
        run=_template,
        seeds=lambda: [
            b"r{{a}}{http_resp_X}b{var_host_1}",
            b"m{capt_header_value_matcher_2}{var_cookie_a_1}{http_req_X}",
        ],
        words=(*_REFERENCES, *(f"{{{each}}}" for each in _REFERENCES), "{{", "}}", "_1"),
        longest=300,
    ),
    "conditions": Target(
        run=_condition,
        seeds=lambda: [
            b"var_client_certificate_subject ~ CN=(.*?)[,|$]\0CN=a,OU=b",
            b"http_req_X !~* ^(a+)+$\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
            b"http_resp_X ==* ab\0AB",
            b"var_cookie_a !exists\0",
        ],
        words=(
            *_REFERENCES,
            " == ",
            " != ",
            " ~ ",
            " !~* ",
            " exists",
            "(?i)",
            "(a|b)",
            "{2,3}",
            "[^a]",
            r"\\xE9",
            r"\\b",
        ),
        longest=400,
    ),
    "pem": Target(
        run=_pem, seeds=_bundles, words=("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "-----BEGIN ")
    ),
    "chain": Target(run=_chain, seeds=lambda: [*_bundles(), *CERTIFICATES], is_der=True, longest=8192),
    "redis_replies": Target(
        run=redis_replies.replies,
        seeds=redis_replies.reply_seeds,
        words=("*", "$", "\r\n", "-1", "5-1", "topic", "news"),
        longest=8192,
    ),
    "crl": Target(run=revocation_lists.crl, seeds=revocation_lists.crl_seeds, is_der=True),
    "crl_files": Target(
        run=revocation_lists.files,
        seeds=revocation_lists.file_seeds,
        words=("-----BEGIN X509 CRL-----", "-----END X509 CRL-----", "-----", "AAAA", "="),
    ),
    "crl_points": Target(run=revocation_lists.points, seeds=revocation_lists.point_seeds, is_der=True, longest=1024),
    "der": Target(run=_der, seeds=lambda: [*CERTIFICATES, *NAMES], is_der=True),
    "name": Target(run=_name, seeds=lambda: NAMES, is_der=True, longest=1024),
    "name_comparison": Target(run=_comparison, seeds=lambda: NAMES, is_der=True, longest=1024),
    "variables": Target(run=_variables, seeds=lambda: CERTIFICATES, is_der=True),
    "headers": Target(run=_headers, seeds=lambda: CERTIFICATES, is_der=True),
    "identity": Target(
        run=_identity,
        seeds=_identity_lines,
        words=("X-Client-Certificate", "-Verification: ", "SUCCESS", "PASSTHROUGH", "-Omitted: ", "\\x0d\\x0a", "%0A"),
    ),
    "judge": Target(run=_judge, seeds=_chains, is_der=True),
    "search": Target(run=_search, seeds=_handshakes, is_der=True),
    "handshake": Target(run=_handshake, seeds=_handshakes, is_der=True),
    "http2_fields": Target(
        run=_http2_fields,
        seeds=lambda: HTTP2_FIELDS,
        words=(
            "\\xfe",
            "\\x82\\x84\\x87",
            "\\x41\\x01a",
            "\\x00\\x01",
            "\\x7f",
            "\\x20",
            "content-length",
            "connection",
        ),
        longest=4000,
    ),
    "http2_connections": Target(
        run=_http2_connections,
        seeds=lambda: [
            connection_oracle.Conversation(random.Random(seed), right=bool(seed % 2)).octets() for seed in range(40)
        ],
        is_http2=True,
        words=(*_FRAME_WORDS, "\\x82\\x87", ":path", "content-length", "cookie", "host", "trailers"),
        longest=3000,
    ),
    "http2_frames": Target(
        run=_http2_frames,
        seeds=lambda: HTTP2_FRAMES,
        is_http2=True,
        longest=1500,
        words=_FRAME_WORDS,
    ),
    "requests": Target(run=_requests, seeds=lambda: REQUESTS, words=_HTTP_WORDS, longest=1024),
    "paths": Target(
        run=_paths,
        seeds=lambda: [b"/a/%2e./b//c?d=%2f", b"/%61dmin;x/%c3%a9", b"*", b"/%e2%84%aa/%252e/~1/a:$b", b"/a../%20/%00"],
        words=(
            "%2e",
            "%2F",
            "%25",
            "%5c",
            "%3b",
            "%00",
            "%c0%af",
            "%e2%84%aa",
            "%cc%81",
            "/../",
            "//",
            "::$DATA",
            "~1",
        ),
        longest=200,
    ),
    "control": Target(
        run=_control,
        seeds=lambda: CONTROL_REQUESTS,
        words=("/connections/", "/close", "/clients?", "limit=", "%2F", "%00", "%", "&", "=", '{"serial":', "1e999"),
        longest=1024,
    ),
    "client_hello": Target(
        run=_client_hello,
        seeds=lambda: [recorded.records for recorded in RECORDED],
        words=("\\x16\\x03\\x01", "\\x00\\x2b", "\\x00\\x10", "\\x00\\x0d", "\\x0a\\x0a"),
        longest=2048,
    ),
    "proxy_header": Target(
        run=_proxy_header,
        seeds=lambda: PROXY_HEADERS,
        words=("PROXY TCP4 ", "PROXY UNKNOWN", "\\x0d\\x0a\\x0d\\x0a\\x00\\x0d\\x0aQUIT\\x0a\\x21\\x11\\x00"),
        longest=1024,
    ),
    "responses": Target(run=_responses, seeds=lambda: RESPONSES, words=_HTTP_WORDS, longest=1024),
}
