"""Access records as JSON lines."""

from __future__ import annotations

import hashlib
import json
from itertools import product
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.variables import CertificateVariables
from agwtwisted.core.http.messages import RequestHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import (
    Client,
    ClientRevocationStatus,
    PendingClient,
    RevocationFinding,
    RevocationSource,
)
from agwtwisted.core.operations import records
from agwtwisted.core.operations.record_texts import LONGEST_FIELD, cut
from agwtwisted.core.operations.records import (
    ClientMembers,
    HandshakeRecord,
    RecordFrame,
    client_members,
    render,
    render_handshake,
    timestamp,
)
from agwtwisted.core.verification.verdicts import UNJUDGED, Missing, NotAsked, Refused, Trusted, Unchecked, Verdict
from tests import identities
from tests.strategies import variables

FINGERPRINT = b"2c46ace8e01e3284e5fdd30787cc4303952bfb09"
ISSUER = rb"CN=Ger\C3\A4te,O=Test\, Inc."
CERTIFICATE = variables(fingerprint=FINGERPRINT, issuer=ISSUER, subject=b"CN=device-7", serial=b"02")
FIELDS: dict[str, Any] = {
    "address": "185.42.129.24",
    "port": 45057,
    "verdict": Trusted(),
    "certificate": CERTIFICATE,
    "tls_version": "TLSv1.2",
    "cipher": "ECDHE-RSA-AES256-GCM-SHA384",
    "server_name": "api.example.com",
}


def client(**changes: Any) -> Client:
    """A client with a verified certificate, unless changed."""
    return identities.client(**FIELDS | changes)


@attrs.frozen(kw_only=True)
class FinishedExchange:
    """An `AccessRecord`."""

    timestamp: bytes = b""
    frame: RecordFrame
    members: ClientMembers
    request: RequestHead | UnfitRequest
    forwarded_target: bytes | None = None
    host: bytes = b""
    status: int = 200
    content_type: bytes = b""
    received_bytes: int = 0
    sent_bytes: int = 0
    client_response_time: float = 0.0
    time_taken: float = 0.0
    trace_id: bytes = b""
    server_name: bytes = b""
    server_status: int | None = None
    server_response_latency: float | None = None
    upstream_port: int | None = None
    error_info: ErrorInfo = ErrorInfo.NO_ERROR


FRAME = RecordFrame.from_names(
    listener="HTTP-Listener",
    rule="Storage-Static-Rule",
    backend_pool="StaticStorageAccount",
    backend_setting="StorageStatic-HTTPS-Setting",
)
RECORD = FinishedExchange(
    timestamp=b"2021-10-14T22:17:11+00:00",
    frame=FRAME,
    members=client_members(client()),
    request=UnfitRequest(
        status=0,
        error_info=ErrorInfo.NO_ERROR,
        method=b"GET",
        target=b"/old?a=1",
        authority=b"20.110.30.194:8443",
        user_agent=b"Mozilla/5.0 (Windows NT 6.1; WOW64)",
    ),
    forwarded_target=b"/new?b=2?",
    host=b"20.110.30.194",
    status=200,
    content_type=b"application/json",
    received_bytes=184,
    sent_bytes=466,
    client_response_time=0.0,
    time_taken=0.034,
    trace_id=b"592d1649f75a8d480a3c4dc6a975309d",
    server_name=b"52.239.221.65:443",
    server_status=200,
    server_response_latency=0.028,
    upstream_port=21564,
)


def changed(**fields: Any) -> FinishedExchange:
    """That record, with these fields of it, or of its request."""
    of_request = {name: value for name, value in fields.items() if not hasattr(RECORD, name)}
    request = attrs.evolve(RECORD.request, **of_request)
    return attrs.evolve(RECORD, request=request, **{name: fields[name] for name in fields.keys() - of_request.keys()})


LATIN = {0xDC00 + byte: byte for byte in range(0x80, 0x100)}
OUTSIDE = {
    "method": "httpMethod",
    "target": "originalRequestUriWithArgs",
    "forwarded_target": "requestUri",
    "user_agent": "userAgent",
    "authority": "originalHost",
    "host": "host",
    "content_type": "contentType",
    "trace_id": "transactionId",
    "server_name": "serverRouted",
}
"""Each field that holds bytes from outside, and its member."""


def members(line: bytes) -> dict[str, Any]:
    """Reads a line; refuses what is not exactly one line of printable ASCII with one JSON object in it."""
    text = line.decode("ascii")
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    read = json.loads(text, object_pairs_hook=_without_repetition)
    assert isinstance(read, dict)
    return read


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def properties(line: bytes) -> dict[str, Any]:
    """The properties of a line."""
    return dict(members(line)["properties"])


class RenderTests(SynchronousTestCase):
    """A finished exchange."""

    def test_product_form(self) -> None:
        """Names, order, types and values are those of the product's own sample record."""
        expected = {
            "timeStamp": "2021-10-14T22:17:11+00:00",
            "resourceId": "",
            "listenerName": "HTTP-Listener",
            "ruleName": "Storage-Static-Rule",
            "backendPoolName": "StaticStorageAccount",
            "backendSettingName": "StorageStatic-HTTPS-Setting",
            "operationName": "ApplicationGatewayAccess",
            "category": "ApplicationGatewayAccessLog",
            "properties": {
                "instanceId": "",
                "clientIP": "185.42.129.24",
                "clientPort": 45057,
                "httpMethod": "GET",
                "originalRequestUriWithArgs": "/old?a=1",
                "requestUri": "/new",
                "requestQuery": "b=2?",
                "userAgent": "Mozilla/5.0 (Windows NT 6.1; WOW64)",
                "httpStatus": 200,
                "httpVersion": "HTTP/1.1",
                "receivedBytes": 184,
                "sentBytes": 466,
                "clientResponseTime": 0.0,
                "timeTaken": 0.034,
                "transactionId": "592d1649f75a8d480a3c4dc6a975309d",
                "sslEnabled": "on",
                "sslCipher": "ECDHE-RSA-AES256-GCM-SHA384",
                "sslProtocol": "TLSv1.2",
                "sslSessionReused": "off",
                "sslClientVerify": "SUCCESS",
                "revocationStatus": "not-checked",
                "revocationSource": "",
                "ocspStatus": "not-checked",
                "sslClientCertificateFingerprint": "2c46ace8e01e3284e5fdd30787cc4303952bfb09",
                "sslClientCertificateIssuerName": r"CN=Ger\C3\A4te,O=Test\, Inc.",
                "serverRouted": "52.239.221.65:443",
                "serverStatus": "200",
                "serverResponseLatency": "0.028",
                "upstreamSourcePort": "21564",
                "originalHost": "20.110.30.194:8443",
                "host": "20.110.30.194",
                "error_info": "ERRORINFO_NO_ERROR",
                "contentType": "application/json",
            },
        }
        read = members(render(RECORD, True))
        self.assertEqual(read, expected)
        self.assertEqual(json.dumps(read), json.dumps(expected))

    def test_without_query(self) -> None:
        """With the query left out, no member holds any of it."""
        line = render(RECORD, False)
        self.assertNotIn(b"?", line)
        self.assertNotIn(b"b=2", line)
        self.assertEqual(
            {name: properties(line)[name] for name in ("originalRequestUriWithArgs", "requestUri", "requestQuery")},
            {"originalRequestUriWithArgs": "/old", "requestUri": "/new", "requestQuery": ""},
        )

    def test_url_once(self) -> None:
        """A URL that was forwarded as it came stands in the line once, in its two parts, seen by rules or not."""
        target = b"/unique-path?b=%22&c?"
        for (log_query, query), forwarded in product(((True, "b=%22&c?"), (False, "")), (target, None)):
            line = render(changed(target=target, forwarded_target=forwarded), log_query)
            read = properties(line)
            self.assertEqual(
                [read[name] for name in ("originalRequestUriWithArgs", "requestUri", "requestQuery")],
                ["", "/unique-path", query],
            )
            self.assertEqual(line.count(b"unique-path"), 1)

    def test_without_query_of_a_query_rewritten(self) -> None:
        """Where only the query was rewritten and none is logged, the path stands in the line once."""
        record = changed(target=b"/unique-path?a", forwarded_target=b"/unique-path?b")
        self.assertEqual(render(record, False).count(b"unique-path"), 1)

    def test_long_fields(self) -> None:
        """Each field from outside is cut at 2 KB, and says how long it was; what stands there is what came."""
        whole = "a" * 2048
        for begun, unit in (
            (b"a" * 2048, b"b"),
            (b"a", "\u00e9".encode()),
            (b"aa", "\u20ac".encode()),
            (b"aaa", "\U0001f600".encode()),
            (b"", b"\xff"),
            (b"a", b'"'),
            (b"", b"\\"),
            (b"ab", b"\n"),
        ):
            value = begun + unit * 16_000
            for attribute, member in OUTSIDE.items():
                record = changed(**{attribute: value})
                line = render(record, True)
                said = properties(line)[member]
                shown, mark, rest = said.partition("\u2026")
                self.assertEqual((mark, rest), ("\u2026", f"(of {len(value)} bytes)"), (attribute, unit))
                self.assertTrue(value.decode("utf-8", "surrogateescape").translate(LATIN).startswith(shown))
                self.assertGreater(len(json.dumps(shown)), 2048 - 12)
                self.assertLess(len(line), len(render(RECORD, True)) + 2100)
            self.assertEqual(properties(render(changed(user_agent=whole.encode()), True))["userAgent"], whole)

    def test_longest_line(self) -> None:
        """However long everything is, a line is no longer than its fields may be."""
        record = changed(**dict.fromkeys(OUTSIDE, b"\xff" * 32_768))
        self.assertLess(len(render(record, True)), 10 * 2100 + 2000)

    def test_without_backend(self) -> None:
        """An answer of the gateway's own has empty strings in the place of a backend's facts, and its code."""
        record = changed(
            status=502,
            server_name=b"",
            server_status=None,
            server_response_latency=None,
            upstream_port=None,
            error_info=ErrorInfo.UPSTREAM_NO_LIVE,
        )
        read = properties(render(record, True))
        self.assertEqual((read["serverRouted"], read["serverStatus"]), ("", ""))
        self.assertEqual((read["serverResponseLatency"], read["upstreamSourcePort"]), ("", ""))
        self.assertEqual(read["error_info"], "ERRORINFO_UPSTREAM_NO_LIVE")

    def test_plain_http(self) -> None:
        """A connection without TLS is off, unverified, and without certificate."""
        plain = client_members(identities.client(address="::1", port=1))
        read = properties(render(changed(members=plain), True))
        self.assertEqual(
            {name: read[name] for name in read if name.startswith(("ssl", "client"))},
            {
                "clientIP": "::1",
                "clientPort": 1,
                "clientResponseTime": 0.0,
                "sslEnabled": "off",
                "sslCipher": "",
                "sslProtocol": "",
                "sslSessionReused": "off",
                "sslClientVerify": "NONE",
                "sslClientCertificateFingerprint": "",
                "sslClientCertificateIssuerName": "",
            },
        )

    def test_bytes_from_outside(self) -> None:
        """UTF-8 is read as such, each other high byte as Latin-1; controls, quotes and DEL come back as they were."""
        record = changed(user_agent=b'\xc3\xa9\xff"\\\r\n\x00\x1b\x7f\xe2\x80\xa8\xed\xa0\x80')
        line = render(record, True)
        self.assertEqual(properties(line)["userAgent"], 'é\xff"\\\r\n\0\x1b\x7f\u2028\xed\xa0\x80')

    def test_each_byte(self) -> None:
        """No single byte gets into a line as it is unless it is printable ASCII, and each comes back."""
        for byte in range(0x100):
            raw = bytes([byte])
            read = properties(render(changed(user_agent=raw), True))
            self.assertEqual(read["userAgent"], raw.decode("latin-1"))

    @given(st.fixed_dictionaries({name: st.binary() for name in OUTSIDE}), st.booleans())
    def test_any_bytes(self, fields: dict[str, bytes], log_query: bool) -> None:
        """Whatever bytes come from outside, the line is one JSON object on one line and gives each field back."""
        read = properties(render(changed(**fields), log_query))
        path = fields["forwarded_target"].split(b"?")[0]
        came = fields["target"] if log_query else fields["target"].split(b"?")[0]
        once = came == path if not log_query else fields["target"] == fields["forwarded_target"]
        said = {**fields, "forwarded_target": path, "target": b"" if once else came}
        for name, member in OUTSIDE.items():
            raw = said[name]
            try:
                self.assertEqual(read[member], raw.decode())
            except UnicodeDecodeError:
                self.assertLessEqual(len(read[member]), len(raw))

    @given(
        st.integers(0, 2**70),
        st.floats(-1e6, 1e9),
        st.none() | st.integers(0, 65535),
        st.sampled_from(ErrorInfo),
        st.binary(max_size=4),
    )
    def test_any_number(
        self, number: int, seconds: float, port: int | None, error_info: ErrorInfo, version: bytes
    ) -> None:
        """Sizes, durations and codes of every magnitude are JSON."""
        record = changed(
            sent_bytes=number,
            received_bytes=number,
            time_taken=seconds,
            client_response_time=seconds,
            server_response_latency=seconds,
            upstream_port=port,
            server_status=port,
            error_info=error_info,
            version=version,
        )
        read = properties(render(record, True))
        self.assertEqual(read["sentBytes"], number)
        self.assertAlmostEqual(read["timeTaken"], seconds, places=3)
        self.assertEqual(read["upstreamSourcePort"], "" if port is None else str(port))

    @given(st.text(), st.text(), st.binary())
    def test_any_name(self, name: str, reason: str, issuer: bytes) -> None:
        """Names, reasons and distinguished names of every kind are escaped where the frames are made."""
        frame = RecordFrame.from_names(listener=name, rule=name, backend_pool=name)
        certificate = variables(fingerprint=FINGERPRINT, issuer=issuer)
        refused = client(verdict=Refused(reason), certificate=certificate, cipher=name)
        read = members(render(changed(frame=frame, members=client_members(refused)), True))
        self.assertEqual((read["listenerName"], read["ruleName"], read["backendPoolName"]), (name, name, name))
        self.assertEqual(read["properties"]["sslClientVerify"], f"FAILED:{reason}")


class RememberedTests(SynchronousTestCase):
    """What connections have in common is rendered once, and nothing else."""

    def test_nothing_is_shared_that_differs(self) -> None:
        """Certificate, verdict, status, suite and version each have a text of their own."""
        client_members(client())
        other = variables(fingerprint=b"aa", issuer=ISSUER)
        changes: list[dict[str, Any]] = [
            {"certificate": other},
            {"certificate": variables(fingerprint=FINGERPRINT, issuer=b"CN=Other")},
            {"certificate": None},
            {"verdict": Refused("certificate has expired")},
            {"verdict": Unchecked()},
            {"finding": RevocationFinding(status=ClientRevocationStatus.REVOKED)},
            {"finding": RevocationFinding(status=ClientRevocationStatus.REVOKED, source=RevocationSource.CRL)},
            {"cipher": "TLS_AES_128_GCM_SHA256"},
            {"tls_version": "TLSv1.3"},
            {"tls_version": ""},
        ]
        texts = {client_members(client(**each)).tls for each in changes}
        self.assertEqual(len(texts), len(changes))
        self.assertNotIn(client_members(client()).tls, texts)

    def test_revocation(self) -> None:
        """A line has the status with its source, and the older field what OCSP has said of it."""
        for source, older in ((RevocationSource.OCSP, b"revoked"), (RevocationSource.CRL, b"not-checked")):
            finding = RevocationFinding(status=ClientRevocationStatus.REVOKED, source=source)
            expected = b'"revocationStatus":"revoked","revocationSource":"%b","ocspStatus":"%b"'
            found = client_members(client(finding=finding)).tls
            self.assertIn(expected % (source.value.encode(), older), found)

    def test_address(self) -> None:
        """The address is never another client's, though the rest is one and the same."""
        first = client_members(client())
        second = client_members(client(address='fe80::1%"x', port=1))
        self.assertEqual(second.address, rb'"clientIP":"fe80::1%\"x","clientPort":1')
        self.assertEqual(first.address, b'"clientIP":"185.42.129.24","clientPort":45057')
        self.assertEqual(first.tls, second.tls)

    def test_once(self) -> None:
        """The members about one client are rendered once, with the names of refused certificates and without."""
        refused = client(verdict=Refused("certificate has expired"))
        named, unnamed = (client_members(refused, names_refused=each) for each in (True, False))
        self.assertNotEqual(named, unnamed)
        self.assertIs(client_members(refused), named)
        self.assertIs(client_members(refused, names_refused=False), unnamed)

    def test_bounded(self) -> None:
        """What is remembered for all clients holds nothing of a certificate, whose members are each client's own."""
        before = records._tls_members.cache_info()
        found = [
            client_members(client(certificate=variables(fingerprint=FINGERPRINT, issuer=b"CN=%d" % number))).tls
            for number in range(3)
        ]
        self.assertEqual(len({*found}), 3)
        after = records._tls_members.cache_info()
        self.assertLessEqual(after.currsize, before.currsize + 1)
        self.assertEqual(after.maxsize, 256)

    def test_long_issuer(self) -> None:
        """The name of an issuer is escaped, and cut where it is too long."""
        quoted, long = (
            client_members(client(certificate=variables(fingerprint=FINGERPRINT, issuer=issuer))).tls
            for issuer in (b'CN="', b"x" * (LONGEST_FIELD + 1))
        )
        self.assertTrue(quoted.endswith(rb'"sslClientCertificateIssuerName":"CN=\""'), quoted)
        self.assertTrue(long.endswith(rb'xx\u2026(of %d bytes)"' % (LONGEST_FIELD + 1)), long)


def named(client: PendingClient, server_name: str) -> PendingClient:
    """The client, asking for this name."""
    return attrs.evolve(client, connection=attrs.evolve(client.connection, server_name=server_name))


class HandshakeTests(SynchronousTestCase):
    """A failed handshake."""

    def record(self, verdict: Verdict, certificate: CertificateVariables | None) -> HandshakeRecord:
        """A handshake that failed with that verdict."""
        fields = FIELDS | {"verdict": verdict, "certificate": certificate, "tls_version": "", "cipher": ""}
        return HandshakeRecord(
            timestamp=timestamp(0),
            frame=RecordFrame.from_names(listener="public"),
            client=identities.pending(**fields),
            error="bad record mac",
            omitted=3,
        )

    def test_form(self) -> None:
        """The envelope is that of an access record; it has reason, server name and the number of omitted lines."""
        self.assertEqual(
            members(render_handshake(self.record(Refused("certificate has expired"), CERTIFICATE))),
            {
                "timeStamp": "1970-01-01T00:00:00+00:00",
                "resourceId": "",
                "listenerName": "public",
                "ruleName": "",
                "backendPoolName": "",
                "backendSettingName": "",
                "operationName": "ApplicationGatewayAccess",
                "category": "ApplicationGatewayAccessLog",
                "properties": {
                    "instanceId": "",
                    "clientIP": "185.42.129.24",
                    "clientPort": 45057,
                    "httpStatus": 0,
                    "sslEnabled": "on",
                    "sslCipher": "",
                    "sslProtocol": "",
                    "sslSessionReused": "off",
                    "sslClientVerify": "FAILED:certificate has expired",
                    "revocationStatus": "not-checked",
                    "revocationSource": "",
                    "ocspStatus": "not-checked",
                    "sslClientCertificateFingerprint": "2c46ace8e01e3284e5fdd30787cc4303952bfb09",
                    "sslClientCertificateIssuerName": r"CN=Ger\C3\A4te,O=Test\, Inc.",
                    "sslClientCertificateSubjectName": "CN=device-7",
                    "sslClientCertificateSerialNumber": "02",
                    "sslClientCertificateFingerprintSha256": hashlib.sha256(CERTIFICATE.der).hexdigest(),
                    "serverName": "api.example.com",
                    "error_info": "ERRORINFO_HTTPS_NO_CERT",
                    "handshakeError": "bad record mac",
                    "omitted": 3,
                },
            },
        )

    def test_cause(self) -> None:
        """The certificate is blamed when it was missing, refused or could not be judged, and only then."""
        cases: list[tuple[Verdict, CertificateVariables | None, str, str]] = [
            (Missing(), None, "NONE", "ERRORINFO_HTTPS_NO_CERT"),
            (Refused("x"), None, "FAILED:x", "ERRORINFO_HTTPS_NO_CERT"),
            (UNJUDGED, CERTIFICATE, "FAILED:the certificate was not verified", "ERRORINFO_HTTPS_NO_CERT"),
            (UNJUDGED, None, "NONE", "ERRORINFO_INVALID_REQUEST"),
            (NotAsked(), None, "NONE", "ERRORINFO_INVALID_REQUEST"),
            (Unchecked(), CERTIFICATE, "PASSTHROUGH", "ERRORINFO_INVALID_REQUEST"),
        ]
        for verdict, certificate, word, code in cases:
            read = properties(render_handshake(self.record(verdict, certificate)))
            self.assertEqual((read["sslClientVerify"], read["error_info"]), (word, code))

    def test_refused_certificate(self) -> None:
        """A certificate that is refused is named, unless that is not wanted; no other is."""
        names = {
            "sslClientCertificateSubjectName": "CN=device-7",
            "sslClientCertificateSerialNumber": "02",
            "sslClientCertificateFingerprintSha256": hashlib.sha256(CERTIFICATE.der).hexdigest(),
        }
        for verdict, is_named in (
            (Refused("certificate has expired"), True),
            (UNJUDGED, True),
            (Trusted(), False),
            (Unchecked(), False),
        ):
            record = self.record(verdict, CERTIFICATE)
            request, quiet = (
                changed(members=client_members(client(verdict=verdict), names_refused=each)) for each in (True, False)
            )
            for named, line in (
                (is_named, render_handshake(record)),
                (False, render_handshake(record, False)),
                (is_named, render(request, True)),
                (False, render(quiet, True)),
            ):
                found = properties(line)
                self.assertEqual({key: found[key] for key in names.keys() & found.keys()}, names if named else {})

    def test_hostile_certificate(self) -> None:
        """A name or a number that is made to fill the log is cut as every field is."""
        hostile = variables(fingerprint=FINGERPRINT, issuer=ISSUER, subject=b"CN=" + b"x" * 30000, serial=b"1" * 30000)
        line = render_handshake(self.record(Refused("certificate has expired"), hostile))
        found = properties(line)
        self.assertEqual(found["sslClientCertificateSubjectName"], cut("CN=" + "x" * 30000))
        self.assertEqual(found["sslClientCertificateSerialNumber"], cut("1" * 30000))
        self.assertLess(len(line), 3 * LONGEST_FIELD)

    def test_long_name(self) -> None:
        """A server name and a reason are cut like any field, between two characters."""
        record = self.record(Missing(), None)
        name = "a" + "\U0001f600" * 5000
        record = attrs.evolve(record, error="e" * 5000, client=named(record.client, name))
        read = properties(render_handshake(record))
        self.assertEqual(read["handshakeError"], "e" * 2048 + "\u2026(of 5000 bytes)")
        self.assertEqual(read["serverName"], "a" + "\U0001f600" * 170 + "\u2026(of 20001 bytes)")

    def test_other_code(self) -> None:
        """A caller that knows better names the code itself."""
        record = attrs.evolve(self.record(NotAsked(), None), error_info=ErrorInfo.CLIENT_CLOSED_REQUEST)
        self.assertEqual(properties(render_handshake(record))["error_info"], "ERRORINFO_CLIENT_CLOSED_REQUEST")

    @given(st.text(), st.text())
    def test_any_text(self, error: str, server_name: str) -> None:
        """Whatever the reason and the SNI hold, the line is one JSON object on one line and gives them back."""
        record = self.record(Missing(), None)
        record = attrs.evolve(record, error=error, client=named(record.client, server_name))
        read = properties(render_handshake(record))
        self.assertEqual((read["handshakeError"], read["serverName"]), (error, server_name))


class TimestampTests(SynchronousTestCase):
    """The time of a record."""

    def test_product_form(self) -> None:
        """A time is shown in UTC, to the second, with its offset; fractions are cut, not rounded."""
        self.assertEqual(timestamp(1634249831.999), b"2021-10-14T22:17:11+00:00")
