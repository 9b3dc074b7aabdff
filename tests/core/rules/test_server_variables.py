"""The table of server variables."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.rules.server_variables import SERVER_VARIABLES, About, ServerVariable, server_variable
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.core.verification.verdicts import Absent, Missing, NotAsked, Refused, Trusted, Unchecked
from tests import pki, rewrites
from tests.identities import turned_away
from tests.rewrites import HEAD, RESPONSE, certificate, context, request
from tests.strategies import COMMON_NAME, IA5, UTF8, alternative_names, simple_name, string
from tests.strategies import certificate as written

NAMES = """
    add_x_forwarded_for_proxy ciphers_supported ciphers_used client_ip client_port client_tcp_rtt client_user host
    http_method http_status http_version query_string received_bytes request_query request_scheme request_uri
    sent_bytes server_port ssl_connection_protocol ssl_enabled uri_path client_certificate client_certificate_end_date
    client_certificate_fingerprint client_certificate_issuer client_certificate_serial client_certificate_start_date
    client_certificate_subject client_certificate_verification
"""
"""The names on the product's page; cookie_NAME stands for many."""


def value(name: str, request_context: Context | None = None) -> bytes:
    """The value of a variable."""
    variable = server_variable(name)
    assert variable is not None, name
    return variable.read(context() if request_context is None else request_context)


class TableTests(SynchronousTestCase):
    """The table as a whole."""

    def test_has_all_of_the_product(self) -> None:
        """Every variable of the product is here; all others say that they are ours."""
        self.assertEqual({each.name for each in SERVER_VARIABLES.values() if not each.ours}, {*NAMES.split()})

    def test_is_fit_for_a_page(self) -> None:
        """Each has a line of description, and the names are the keys."""
        for name, variable in SERVER_VARIABLES.items():
            self.assertEqual(variable.name, name)
            self.assertTrue(variable.meaning)
            self.assertNotIn("\n", variable.meaning)

    def test_page(self) -> None:
        """docs/rewriting.md has a row for each, word for word, and none besides."""
        page = (Path(__file__).parents[3] / "docs" / "rewriting.md").read_text()
        rows = [f"| `{each.name}`{' †' if each.ours else ''} | {each.meaning} |" for each in SERVER_VARIABLES.values()]
        table = page.partition("| server variable | is |")[2].partition("\n\n")[0].splitlines()
        self.assertEqual(table[3:], rows)

    def test_never_raises(self) -> None:
        """Each gives bytes for the barest of requests too."""
        bare = Context(attrs.evolve(HEAD, headers=(), target=b"*"), rewrites.client())
        for case in (bare, context(verdict=NotAsked(), certificate=None, tls_version=""), context(HEAD, RESPONSE)):
            for variable in SERVER_VARIABLES.values():
                self.assertIsInstance(variable.read(case), bytes)

    def test_what_depends_on_the_certificate(self) -> None:
        """Exactly those variables change with the certificate, and nothing else of the request, that say so."""
        other = pki.Authority.root("Others").issue(
            pki.name("device-8", country_name="DE", organization_name="Fabrikam", organizational_unit_name="Guests"),
            not_before=pki.NOW - timedelta(days=3),
            not_after=pki.NOW + timedelta(days=3),
            san=[
                "three.example",
                pki.x509.UniformResourceIdentifier("urn:device:8"),
                pki.x509.RFC822Name("a@three.example"),
            ],
        )
        peers: list[dict[str, object]] = [
            {"verdict": verdict, "certificate": read}
            for verdict in (Trusted(), Unchecked())
            for read in (certificate(), certificate_variables(other.der))
        ]
        peers += [{"verdict": verdict, "certificate": None} for verdict in (Absent(), NotAsked())]
        contexts = [Context(HEAD, rewrites.client(**peer), RESPONSE, 400, 100) for peer in peers]
        depending = {each.name for each in SERVER_VARIABLES.values() if len({*map(each.read, contexts)}) > 1}
        said = {each.name for each in SERVER_VARIABLES.values() if each.about is About.CERTIFICATE}
        self.assertEqual(depending, said)
        self.assertGreaterEqual(said, {"client_certificate", "client_certificate_verification"})

    def test_what_depends_on_the_path(self) -> None:
        """Exactly those variables change with the path, and nothing else of the request, that say so."""
        contexts = [context(request(target=target)) for target in (b"/a?b=c", b"/admin/%61?b=c")]
        depending = {each.name for each in SERVER_VARIABLES.values() if len({*map(each.read, contexts)}) > 1}
        self.assertEqual(depending, {each.name for each in SERVER_VARIABLES.values() if each.about is About.PATH})

    def test_what_depends_on_the_response(self) -> None:
        """Exactly those variables are empty before there is a response, and change with it, that say so."""
        contexts = [context(HEAD), context(HEAD, RESPONSE), context(HEAD, attrs.evolve(RESPONSE, status=404))]
        depending = {each.name for each in SERVER_VARIABLES.values() if len({*map(each.read, contexts)}) > 1}
        self.assertEqual(depending, {each.name for each in SERVER_VARIABLES.values() if each.about is About.RESPONSE})

    def test_forms(self) -> None:
        """A value has the form that the table says, or is empty."""
        contexts = [
            context(HEAD, RESPONSE),
            context(attrs.evolve(HEAD, host="2001:db8::1", version=b"1.0", method=b"M-SEARCH"), verdict=Unchecked()),
            context(attrs.evolve(HEAD, host="192.0.2.1"), verdict=Absent(), certificate=None, tls_version="TLSv1.2"),
            context(attrs.evolve(HEAD, host=""), verdict=NotAsked(), tls_version="", cipher=""),
        ]
        formed = [each for each in SERVER_VARIABLES.values() if each.form]
        self.assertGreater(len(formed), 5)
        for variable in formed:
            for each in map(variable.read, contexts):
                self.assertTrue(not each or re.fullmatch(variable.form, each.decode()), (variable.name, each))

    def test_no_default(self) -> None:
        """What a variable is about must be said of each."""
        self.assertIs(attrs.fields_dict(ServerVariable)["about"].default, attrs.NOTHING)

    def test_unknown(self) -> None:
        """There are no others, and names have case."""
        for name in ("", "Client_ip", "client_certificate_subject_dn", "cookie_", "cookie_a b", "ssl_client_verify"):
            self.assertIsNone(server_variable(name))


class RequestTests(SynchronousTestCase):
    """What is known of every request."""

    def test_values(self) -> None:
        """Each in the product's form."""
        for name, expected in {
            "client_ip": b"192.0.2.1",
            "client_port": b"4711",
            "server_port": b"8443",
            "host": b"www.example.com",
            "http_method": b"GET",
            "http_version": b"HTTP/1.1",
            "query_string": b"d=e&f",
            "request_query": b"d=e&f",
            "request_uri": b"/a/b%20c?d=e&f",
            "uri_path": b"/a/b%20c",
            "received_bytes": b"321",
            "sent_bytes": b"0",
            "http_status": b"",
            "ciphers_supported": b"",
            "client_tcp_rtt": b"",
            "client_user": b"",
        }.items():
            self.assertEqual(value(name), expected, name)

    def test_without_query(self) -> None:
        """The query is empty, with and without a question mark."""
        for target in (b"/a", b"/a?"):
            about = context(request(target=target))
            self.assertEqual((value("query_string", about), value("uri_path", about)), (b"", b"/a"))
        self.assertEqual(value("query_string", context(request(target=b"/?a?b"))), b"a?b")

    def test_tls(self) -> None:
        """What the connection is; on plain HTTP it is empty, not Off."""
        names = ("request_scheme", "ssl_enabled", "ssl_connection_protocol", "ciphers_used")
        self.assertEqual([value(name) for name in names], [b"https", b"On", b"TLSv1.3", b"TLS_AES_256_GCM_SHA384"])
        plain = context(tls_version="", cipher="")
        self.assertEqual([value(name, plain) for name in names], [b"http", b"", b"", b""])

    def test_what_the_shell_tells(self) -> None:
        """Ciphers and round-trip time are what the connection says; the latter is asked for at each use."""
        times = iter([b"100", b"200"])
        client = rewrites.client(offered_suites=b"\x13\x01\x1a\x1a", tcp_rtt=lambda: next(times))
        about = Context(HEAD, client)
        self.assertEqual([value("client_tcp_rtt", about) for _ in range(2)], [b"100", b"200"])
        self.assertEqual(value("ciphers_supported", about), b"TLS_AES_128_GCM_SHA256:0x1a1a")

    def test_add_x_forwarded_for_proxy(self) -> None:
        """The client's address is appended to what came, without its port."""
        self.assertEqual(value("add_x_forwarded_for_proxy"), b"192.0.2.1")
        about = context(request(forwarded_for=b"198.51.100.1, 198.51.100.2"))
        self.assertEqual(value("add_x_forwarded_for_proxy", about), b"198.51.100.1, 198.51.100.2, 192.0.2.1")


class UserTests(SynchronousTestCase):
    """client_user."""

    def user(self, credentials: bytes) -> bytes:
        """The user of a request with these credentials."""
        return value("client_user", context(request((b"authorization", credentials))))

    def test_basic(self) -> None:
        """The name before the first colon, whatever case the scheme has."""
        for text, user in ((b"anna:secret", b"anna"), (b"a b:c:d", b"a b"), (b":x", b""), (b"anna", b"")):
            for scheme in (b"Basic ", b"BASIC  "):
                self.assertEqual(self.user(scheme + base64.b64encode(text)), user)

    def test_others(self) -> None:
        """Other schemes and broken base64 name no user."""
        for credentials in (b"Bearer YTpi", b"Basic", b"Basic !", b"Basic Y!Tpi", b"Basic \xff", b""):
            self.assertEqual(self.user(credentials), b"")


class CookieTests(SynchronousTestCase):
    """cookie_NAME."""

    def test_by_name(self) -> None:
        """The first cookie of exactly that name, from all Cookie headers."""
        about = context(request((b"Cookie", b"a=1=2;Session=X;  other=3; empty=; bare"), (b"cookie", b"last=\tz")))
        for name, expected in {
            "session": b"1",
            "other": b"2",
            "a": b"1=2",
            "Session": b"X",
            "empty": b"",
            "bare": b"",
            "last": b"\tz",
            "absent": b"",
            "sess": b"",
        }.items():
            self.assertEqual(value(f"cookie_{name}", about), expected, name)

    def test_absent(self) -> None:
        """A request without cookies has none."""
        self.assertEqual(value("cookie_session", context(attrs.evolve(HEAD, headers=()))), b"")


class ResponseTests(SynchronousTestCase):
    """What is known once there is a response."""

    def test_values(self) -> None:
        """Its status, and what has been received and sent."""
        about = Context(HEAD, rewrites.client(), RESPONSE, 500, 20)
        names = ("http_status", "received_bytes", "sent_bytes")
        self.assertEqual([value(name, about) for name in names], [b"302", b"500", b"20"])
        self.assertTrue(SERVER_VARIABLES["http_status"].about is About.RESPONSE)


class CertificateTests(SynchronousTestCase):
    """client_certificate*."""

    ATTRIBUTES = tuple(f"_subject_{each}" for each in ("cn", "ou", "o", "dns", "uri", "email"))
    NAMES = ("", "_end_date", "_fingerprint", "_issuer", "_serial", "_start_date", "_subject")

    def test_verified(self) -> None:
        """The variables of the certificate, byte for byte, and that it was verified."""
        for name in self.NAMES:
            expected = getattr(certificate(), name[1:] or "certificate")
            self.assertTrue(expected)
            self.assertEqual(value(f"client_certificate{name}"), expected)
        self.assertEqual(value("client_certificate_subject"), b"CN=device-7,OU=IoT,O=Contoso,C=US")
        self.assertEqual(value("client_certificate_verification"), b"SUCCESS")

    def test_passthrough(self) -> None:
        """It is unverified, and the variable says so; without a certificate it is NONE, and the others are empty."""
        about = context(verdict=Unchecked())
        self.assertEqual(value("client_certificate_verification", about), b"PASSTHROUGH")
        self.assertEqual(value("client_certificate_subject", about), certificate().subject)
        absent = context(verdict=Absent(), certificate=None)
        self.assertEqual(value("client_certificate_verification", absent), b"NONE")
        self.assertEqual({value(f"client_certificate{name}", absent) for name in self.NAMES}, {b""})

    def test_turned_away(self) -> None:
        """A client that is turned away has no variable of a certificate, not even where one is there."""
        for verdict in (Missing(), Refused("x")):
            away: Any = turned_away(verdict, certificate=certificate())
            for name in self.NAMES:
                read = SERVER_VARIABLES[f"client_certificate{name}"].read
                self.assertRaises(AttributeError, read, Context(HEAD, away))

    def test_nobody_asked(self) -> None:
        """Where no certificate counts, not even an existing one is described."""
        for verdict in (NotAsked(), Absent()):
            about = context(verdict=verdict)
            for name in (*self.NAMES, "_san_dns", "_san_uri", "_fingerprint_sha256", *self.ATTRIBUTES):
                self.assertEqual(value(f"client_certificate{name}", about), b"", (verdict, name))

    def test_ours(self) -> None:
        """Alternative names and a fingerprint of today."""
        self.assertEqual(value("client_certificate_san_dns"), b"one.example, two.example")
        self.assertEqual(value("client_certificate_san_uri"), b"urn:device:7")
        expected = hashlib.sha256(rewrites.device().der).hexdigest().encode()
        self.assertEqual(value("client_certificate_fingerprint_sha256"), expected)

    def test_names_that_could_pass_for_several(self) -> None:
        """A name with a comma, a space or no printable octet is left out of the list."""
        names = [
            (2, b"a"),
            (2, b"b, admin"),
            (2, b"c,d"),
            (2, b"e f"),
            (2, b"g\r\nh"),
            (2, b"\xff"),
            (2, b""),
            (2, b"z"),
        ]
        der = written(extensions=[alternative_names(*names)])
        about = context(verdict=Trusted(), certificate=certificate_variables(der))
        self.assertEqual(value("client_certificate_san_dns", about), b"a, z")


class AttributeTests(SynchronousTestCase):
    """client_certificate_subject_cn and its kin."""

    SUBJECT = simple_name(
        ("2.5.4.10", string(UTF8, "Contoso, Inc.")),
        ("2.5.4.11", string(UTF8, "50%;x")),
        ("2.5.4.11", string(UTF8, " Staff ")),
        ("2.5.4.11", string(UTF8, "M\xfcller\0")),
        (COMMON_NAME, string(UTF8, "a,OU=Admins")),
        ("1.2.840.113549.1.9.1", string(IA5, "a@example.com")),
    )

    def about(self) -> Context:
        """A request of a client with that subject and some alternative names."""
        names = alternative_names((2, b"B.example"), (2, b"a.example"), (6, b"urn:x;y"), (1, b"b@example.com"))
        der = written(subject=self.SUBJECT, extensions=[names])
        return context(verdict=Trusted(), certificate=certificate_variables(der))

    def test_values(self) -> None:
        """Each value by itself, as text in UTF-8, in the order of the certificate."""
        about = self.about()
        for name, expected in {
            "cn": (b"a,OU=Admins",),
            "ou": (b"50%;x", b" Staff ", "M\xfcller\ufffd".encode()),
            "o": (b"Contoso, Inc.",),
            "dns": (b"B.example", b"a.example"),
            "uri": (b"urn:x;y",),
            "email": (b"b@example.com", b"a@example.com"),
        }.items():
            read_all = SERVER_VARIABLES[f"client_certificate_subject_{name}"].read_all
            assert read_all
            self.assertEqual(read_all(about), expected)

    def test_in_headers(self) -> None:
        """In one value they are separated: what separates, and what a header could lose, is encoded."""
        about = self.about()
        for name, expected in {
            "cn": b"a,OU=Admins",
            "ou": b"50%25%3Bx;%20Staff%20;M%C3%BCller%EF%BF%BD",
            "o": b"Contoso, Inc.",
            "dns": b"B.example;a.example",
            "uri": b"urn:x%3By",
            "email": b"b@example.com;a@example.com",
        }.items():
            for _ in range(2):
                self.assertEqual(value(f"client_certificate_subject_{name}", about), expected)
