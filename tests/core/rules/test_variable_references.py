"""Variables by the names that templates and conditions have for them."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.http.messages import Framing
from agwtwisted.core.rules.server_variables import SERVER_VARIABLES
from agwtwisted.core.rules.variable_references import (
    Lookup,
    VariableReference,
    request_header_name,
    response_header_name,
)
from tests.rewrites import HEAD, RESPONSE, context, lookup, request


def value(name: str, looked_up: Lookup | None = None) -> bytes:
    """The value of a variable."""
    return VariableReference.of(name).read(lookup() if looked_up is None else looked_up)


class ServerVariableTests(SynchronousTestCase):
    """var_name."""

    def test_values(self) -> None:
        """They come from the table, cookies from the request."""
        self.assertEqual(value("var_client_ip"), b"192.0.2.1")
        self.assertEqual(value("var_cookie_session"), b"1")
        for name in SERVER_VARIABLES:
            self.assertEqual(VariableReference.of(f"var_{name}").written, f"var_{name}")

    def test_what_they_tell_of(self) -> None:
        """Which describe the client's certificate, and which the response."""
        of_certificate = {name for name in SERVER_VARIABLES if VariableReference.of(f"var_{name}").of_certificate}
        self.assertEqual(of_certificate, {name for name in SERVER_VARIABLES if name.startswith("client_certificate")})
        self.assertEqual(
            [name for name in SERVER_VARIABLES if VariableReference.of(f"var_{name}").of_response], ["http_status"]
        )

    def test_unknown(self) -> None:
        """The nearest name is offered, also where the beginning is missing."""
        for text, near in {
            "var_client_certificate_subjects": "var_client_certificate_subject",
            "var_Client_IP": "var_client_ip",
            "client_ip": "var_client_ip",
            "var_uripath": "var_uri_path",
            "var_client_certificate_ou": "var_client_certificate_subject_ou",
            "var_client_certificate_san_email": "var_client_certificate_subject_email",
            "var_client_certificate_issuer_cn": "var_client_certificate_issuer",
        }.items():
            error = self.assertRaises(UnacceptableError, VariableReference.of, text)
            self.assertIn(f"{text!r}; did you mean {near!r}?", error.message)
        for text in ("", "var_", "http_X", "request_header.X", "var_cookie_"):
            self.assertRaises(UnacceptableError, VariableReference.of, text)


class RequestHeaderTests(SynchronousTestCase):
    """http_req_NAME."""

    def test_values(self) -> None:
        """By name without case, several lines as one list; what is not there is empty."""
        found = lookup(request((b"X-Own", b"1"), (b"x-own", b"2")))
        for name, expected in {"X-OWN": b"1, 2", "user-agent": b"curl/8", "Absent": b""}.items():
            self.assertEqual(value(f"http_req_{name}", found), expected)

    def test_what_the_head_has_taken_out(self) -> None:
        """Host, X-Forwarded-For, the framing and an upgrade are headers too."""
        chunked = request(framing=Framing.CHUNKED, expects_continue=True, forwarded_for=b"a")
        length = request(framing=Framing.LENGTH, content_length=7, upgrade=b"websocket")
        for name, expected in {
            "Host": (b"WWW.example.com:8443",) * 3,
            "X-Forwarded-For": (b"a", b"", b""),
            "Transfer-Encoding": (b"chunked", b"", b""),
            "Expect": (b"100-continue", b"", b""),
            "Content-Length": (b"", b"7", b""),
            "Upgrade": (b"", b"websocket", b""),
            "Connection": (b"", b"upgrade", b""),
        }.items():
            found = [value(f"http_req_{name}", lookup(head)) for head in (chunked, length, HEAD)]
            self.assertEqual(found, list(expected), name)

    def test_as_rules_made_them(self) -> None:
        """What rules set or deleted is no longer what came."""
        head = request(forwarded_for=b"a")
        changed = Lookup(context(head), [(b"X-Forwarded-For", b"b")], b"other", frozenset({b"x-forwarded-for"}))
        self.assertEqual(value("http_req_X-Forwarded-For", changed), b"b")
        self.assertEqual(value("http_req_Host", changed), b"other")
        self.assertEqual(value("http_req_User-Agent", changed), b"")
        deleted = Lookup(context(head), decided=frozenset({b"x-forwarded-for"}))
        self.assertEqual(value("http_req_X-Forwarded-For", deleted), b"")

    def test_names(self) -> None:
        """Letters, digits and hyphens; the reference knows the canonical one."""
        self.assertEqual(VariableReference.of("http_req_X-Own").request_header, b"x-own")
        self.assertEqual(request_header_name("X-Own1"), "X-Own1")
        for name in ("", "X_Own", "X.Own", "X-Own_1", "X Own", "Ü", "X-Own\n"):
            self.assertRaises(UnacceptableError, VariableReference.of, f"http_req_{name}")
            self.assertRaises(UnacceptableError, request_header_name, name)


class ResponseHeaderTests(SynchronousTestCase):
    """http_resp_NAME."""

    def test_values(self) -> None:
        """Of the response, its length included; before there is one, empty."""
        found = lookup(HEAD, RESPONSE)
        for name, expected in {
            "location": b"https://app.azurewebsites.net/path2",
            "Set-Cookie": b"a=b, c=d",
            "Content-Length": b"12",
            "Absent": b"",
        }.items():
            self.assertEqual(value(f"http_resp_{name}", found), expected)
            self.assertEqual(value(f"http_resp_{name}"), b"")
        chunked = attrs.evolve(RESPONSE, framing=Framing.CHUNKED, content_length=0)
        self.assertEqual(value("http_resp_Content-Length", lookup(HEAD, chunked)), b"")

    def test_names(self) -> None:
        """Tokens without underscore."""
        self.assertTrue(VariableReference.of("http_resp_X.a~!").of_response)
        self.assertEqual(response_header_name("X.a~!"), "X.a~!")
        for name in ("", "X_Own", "X Own", "X:", "Ü", "X\n"):
            self.assertRaises(UnacceptableError, VariableReference.of, f"http_resp_{name}")
            self.assertRaises(UnacceptableError, response_header_name, name)


class AnyTextTests(SynchronousTestCase):
    """Whatever is written."""

    @given(
        st.one_of(
            st.text(),
            st.sampled_from(["http_req_", "http_resp_", "var_", "var_cookie_"]).flatmap(
                lambda beginning: st.text(max_size=12).map(lambda text: beginning + text)
            ),
        )
    )
    def test_never_raises_anything_else(self, text: str) -> None:
        """A reference that can be read, or a message."""
        try:
            reference = VariableReference.of(text)
        except UnacceptableError as error:
            self.assertTrue(error.message)
        else:
            self.assertIsInstance(reference.read(lookup(HEAD, RESPONSE)), bytes)
