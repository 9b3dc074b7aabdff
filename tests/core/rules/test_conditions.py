"""Conditions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.rules.conditions import Condition, access_condition, captured, hold, matcher
from agwtwisted.core.rules.variable_references import Lookup
from agwtwisted.core.verification.verdicts import Absent, Trusted
from tests.rewrites import HEAD, RESPONSE, lookup, request
from tests.strategies import UTF8, alternative_names, certificate, simple_name, string


def holds(text: str, value: bytes) -> bool:
    """Whether a condition on a header holds for a request with this value of it; None is no such header."""
    return hold([Condition.of(f"http_req_X-Own {text}")], lookup(request((b"X-Own", value))))


class OperatorTests(SynchronousTestCase):
    """What each operator asks."""

    def test_equality(self) -> None:
        """The whole value, with its case or without."""
        self.assertTrue(holds("== a b", b"a b"))
        for value in (b"A b", b"a b ", b"a", b"xa b", b""):
            self.assertFalse(holds("== a b", value))
            self.assertTrue(holds("!= a b", value))
        self.assertFalse(holds("!= a b", b"a b"))
        self.assertTrue(holds("==* Ab", b"aB"))
        self.assertFalse(holds("!=* Ab", b"aB"))
        self.assertTrue(holds("!=* Ab", b"a"))

    def test_letters_beyond_ascii(self) -> None:
        """A text is compared as UTF-8, and the case of its ASCII letters alone can be ignored."""
        self.assertTrue(holds("== é", "é".encode()))
        self.assertTrue(holds("==* éA", "éa".encode()))
        self.assertFalse(holds("==* é", "É".encode()))

    def test_patterns(self) -> None:
        """Found anywhere in the value, or nowhere."""
        self.assertTrue(holds("~ ^a.c", b"abcd"))
        self.assertFalse(holds("~ ^a.c", b"xabc"))
        self.assertFalse(holds("~ a", b"A"))
        self.assertTrue(holds("~* a", b"A"))
        self.assertFalse(holds("!~ a", b"bab"))
        self.assertTrue(holds("!~ a", b"A"))
        self.assertFalse(holds("!~* a", b"A"))

    def test_existence(self) -> None:
        """A value is there or not; a header that is there and empty is not."""
        self.assertTrue(holds("exists", b"0"))
        self.assertFalse(holds("exists", b""))
        self.assertTrue(holds("!exists", b""))
        self.assertFalse(holds("!exists", b"0"))

    def test_what_is_not_there(self) -> None:
        """To the other operators it is the empty text."""
        for text, expected in {
            "exists": False,
            "!exists": True,
            "== a": False,
            "!= a": True,
            "~ ^$": True,
            "~ a": False,
            "!~ a": True,
        }.items():
            self.assertEqual(hold([Condition.of(f"http_req_Absent {text}")], lookup()), expected, text)
            none = lookup(verdict=Absent(), certificate=None)
            self.assertEqual(hold([Condition.of(f"var_client_certificate_subject {text}")], none), expected, text)


def of_subject(*attributes: tuple[str, str], names: tuple[tuple[int, bytes], ...] = ()) -> Lookup:
    """A lookup of a client with these attributes in its subject and these alternative names."""
    types = {"CN": "2.5.4.3", "O": "2.5.4.10", "OU": "2.5.4.11"}
    subject = simple_name(*((types[kind], string(UTF8, text)) for kind, text in attributes))
    der = certificate(subject=subject, extensions=[alternative_names(*names)])
    return lookup(verdict=Trusted(), certificate=certificate_variables(der))


class SeveralValuesTests(SynchronousTestCase):
    """Conditions on single attributes of a certificate."""

    def test_any_and_none(self) -> None:
        """One value that fits is enough, and what excludes holds only where no value fits."""
        found = of_subject(("OU", "Staff"), ("OU", "Night, Shift"), ("CN", "a"))
        for text, expected in {
            "== Staff": True,
            "== Night, Shift": True,
            "== Night": False,
            "== staff": False,
            "==* staff": True,
            "== Staff;Night, Shift": False,
            "~ ^Night": True,
            "~ ^Staff.": False,
            "~ (Staff|x)$": True,
            "exists": True,
            "!exists": False,
            "!= Staff": False,
            "!= Night, Shift": False,
            "!= Day": True,
            "!~ ^S": False,
            "!~ ^D": True,
            "!~* ^n": False,
        }.items():
            self.assertEqual(hold([Condition.of(f"var_client_certificate_subject_ou {text}")], found), expected, text)

    def test_no_value(self) -> None:
        """Without a value, as without a certificate, it is the empty text that is looked at."""
        for found in (of_subject(("CN", "a")), lookup(verdict=Absent(), certificate=None)):
            for text, expected in {"exists": False, "!exists": True, "== a": False, "!= a": True, "~ ^$": True}.items():
                condition = Condition.of(f"var_client_certificate_subject_ou {text}")
                self.assertEqual(hold([condition], found), expected, text)

    def test_values_that_look_like_others(self) -> None:
        """No text in another attribute, no separator and no character that ends a text makes a unit of it."""
        condition = Condition.of("var_client_certificate_subject_ou == Staff")
        for attributes in (
            [("CN", "a,OU=Staff")],
            [("CN", "a\\\\,OU=Staff")],
            [("OU", "Guests,OU=Staff")],
            [("OU", "Guests;Staff")],
            [("OU", "Staff\0")],
            [("OU", "Staff ")],
            [("O", "Staff")],
        ):
            self.assertFalse(hold([condition], of_subject(*attributes)), attributes)

    def test_host_names(self) -> None:
        """The letter case of DNS names does not count, in no operator; that of URIs does."""
        found = of_subject(("CN", "a"), names=((2, b"One.Example"), (6, b"urn:Device:7")))
        for text, expected in {
            "dns == one.example": True,
            "dns == ONE.example": True,
            "dns ~ ^one\\.": True,
            "dns != one.example": False,
            "dns !~ ^ONE": False,
            "dns ==* one.EXAMPLE": True,
            "uri == urn:Device:7": True,
            "uri == urn:device:7": False,
        }.items():
            self.assertEqual(hold([Condition.of(f"var_client_certificate_subject_{text}")], found), expected, text)

    def test_captures(self) -> None:
        """Groups are of the first value that fits, and are written as values are in headers."""
        found = of_subject(("OU", "x"), ("OU", "dept a;b "), ("OU", "dept c"))
        written = "var_client_certificate_subject_ou"
        for _ in range(2):
            captures = captured([Condition.of(f"{written} ~ ^dept (.*)$"), Condition.of(f"{written} == x")], found)
            assert captures
            self.assertEqual(captures[written][1], b"a%3Bb%20")

    def test_clients_are_not_confused(self) -> None:
        """What was found for one client is not taken for another's."""
        condition = Condition.of("var_client_certificate_subject_ou == Staff")
        staff, guest = of_subject(("OU", "Staff")), of_subject(("OU", "Guests"))
        for _ in range(2):
            self.assertEqual((hold([condition], staff), hold([condition], guest)), (True, False))


class DistinguishedNameTests(SynchronousTestCase):
    """Conditions on a whole distinguished name."""

    NAME = "var_client_certificate_subject"

    def test_patterns_take_no_value_for_an_attribute(self) -> None:
        """The patterns that people use find attributes only, and the value of the one that is meant."""
        unit, device = Condition.of(f"{self.NAME} ~ (^|,)OU=Staff(,|$)"), Condition.of(f"{self.NAME} ~ CN=([^,]*)")
        self.assertTrue(hold([unit], of_subject(("O", "Works"), ("OU", "Staff"), ("CN", "a"))))
        for text in ("a,OU=Staff", "a\\,OU=Staff", "a\\\\,OU=Staff,", "a+OU=Staff", "OU=Staff", ",OU=Staff"):
            for attributes in ([("CN", text)], [("OU", "Guests"), ("CN", text)], [("OU", f"Guests{text}")]):
                self.assertFalse(hold([unit], of_subject(*attributes)), attributes)
        captures = device.captured(of_subject(("O", "Works"), ("CN", "evil"), ("OU", "CN=admin")))
        self.assertEqual(captures and captures[1], b"evil")

    def test_patterns_that_know_of_escapes(self) -> None:
        """A pattern with a backslash sees a comma as it is escaped, and a value's equals sign in hexadecimal."""
        known = of_subject(("O", "Acme, Inc."), ("CN", "a=b"))
        for text in (r"O=Acme\\, Inc\.$", r"^CN=[^,\\]*\\3Db,", r"O=Acme\x5c,"):
            self.assertTrue(hold([Condition.of(f"{self.NAME} ~ {text}")], known), text)
        self.assertTrue(hold([Condition.of(f"{self.NAME} ~ Acme.2C Inc")], known))

    def test_the_whole(self) -> None:
        """Compared as a whole, and in headers, a name is the text that it always was."""
        known = of_subject(("O", "Acme, Inc."), ("CN", "a=b"))
        self.assertTrue(hold([Condition.of(rf"{self.NAME} == CN=a=b,O=Acme\, Inc.")], known))
        self.assertEqual(Condition.of(f"{self.NAME} exists").reference.read(known), rb"CN=a=b,O=Acme\, Inc.")


class CaptureTests(SynchronousTestCase):
    """What patterns take along."""

    def test_subject(self) -> None:
        """The common name of a client's subject, by the pattern that people use."""
        condition = Condition.of("var_client_certificate_subject ~ CN=(.*?)[,|$]")
        subject = b"CN=device-7,OU=IoT,O=Contoso,C=US"
        self.assertEqual(condition.captured(lookup()), (subject, b"device-7"))
        self.assertEqual(captured([condition], lookup()), {"var_client_certificate_subject": (subject, b"device-7")})

    def test_by_the_name_as_written(self) -> None:
        """The case of a header's name is that of the condition."""
        conditions = [Condition.of("http_req_USER-agent ~* (CURL)/(.)"), Condition.of("var_client_port == 4711")]
        self.assertEqual(captured(conditions, lookup()), {"http_req_USER-agent": (b"curl/8", b"curl", b"8")})

    def test_nothing_taken(self) -> None:
        """Without groups, or where the pattern must not be found, there is nothing to take."""
        for text in ("var_host ~ w", "var_host !~ (q)", "var_host == www.example.com", "var_host exists"):
            condition = Condition.of(text)
            self.assertEqual((condition.groups, condition.captured(lookup())), (0, ()), text)

    def test_all_must_hold(self) -> None:
        """One that does not makes nothing of all; none at all hold."""
        good, bad = Condition.of("var_host ~ (w)"), Condition.of("var_host == x")
        for conditions in ([bad], [good, bad], [bad, good]):
            self.assertIsNone(captured(conditions, lookup()))
            self.assertFalse(hold(conditions, lookup()))
        self.assertEqual(captured([], lookup()), {})
        self.assertTrue(hold([good], lookup()))

    def test_later_ones_count(self) -> None:
        """Of two patterns with groups on one variable the later is kept; one without groups takes nothing away."""
        conditions = [Condition.of(f"var_host ~ {text}") for text in ("(w+)", "(e.*)$", "www")]
        self.assertEqual(captured(conditions, lookup()), {"var_host": (b"www.example.com", b"example.com")})

    def test_of_responses(self) -> None:
        """A condition may look at the response."""
        text = r"http_resp_Location ~ (https?):\/\/.*azurewebsites\.net(.*)$"
        groups = Condition.of(text).captured(lookup(HEAD, RESPONSE))
        assert groups is not None
        self.assertEqual(groups[1:], (b"https", b"/path2"))


class RefusalTests(SynchronousTestCase):
    """What is no condition."""

    def refused(self, text: str) -> str:
        """Why it is not."""
        return self.assertRaises(UnacceptableError, Condition.of, text).message

    def test_form(self) -> None:
        """A variable, an operator, and what to compare with."""
        for text in ("", "var_host", " == a", "var_host\n== a"):
            self.refused(text)
        self.assertIn("ends in ==: the operand", self.refused("var_host =="))
        self.assertIn("ends in !~*", self.refused("var_host !~*"))

    def test_variables(self) -> None:
        """The nearest name is offered; braces are for templates."""
        self.assertEqual(
            self.refused("var_hots == a"),
            "at character 1: there is no server variable 'var_hots'; did you mean 'var_host'?",
        )
        self.assertIn("at character 1: there is no '{var_host}'", self.refused("{var_host} == a"))
        self.assertRaises(UnacceptableError, Condition.of, "http_req_X_1 == a")

    def test_operators(self) -> None:
        """All of them are named."""
        message = self.refused("var_host  = a")
        self.assertIn("at character 11: there is no operator '='; did you mean '=='?", message)
        self.assertIn("(== != ~ !~ ==* !=* ~* !~* exists !exists)", message)
        self.assertIn("did you mean 'exists'?", self.refused("var_host exist"))

    def test_existence_stands_alone(self) -> None:
        """What follows would be passed over."""
        self.assertIn("at character 17: exists must stand alone", self.refused("var_host exists a"))

    def test_patterns(self) -> None:
        """The place is that in the whole value."""
        self.assertEqual(
            self.refused(r"var_host ~  a\q"),
            r"has a pattern that RE2 refuses at character 14: invalid escape sequence: \q",
        )

    def test_request_conditions(self) -> None:
        """Access is decided before there is a response."""
        self.assertEqual(access_condition("var_host exists").text, "var_host exists")
        for text in ("http_resp_X exists", "var_http_status == 200"):
            error = self.assertRaises(UnacceptableError, access_condition, text)
            self.assertIn("is available in responses only", error.message)

    def test_conditions_that_exclude_paths(self) -> None:
        """They do so in any case; all others are tested as they are written."""
        for text, value, holds in (
            ("var_uri_path != /a", b"/A", False),
            ("var_uri_path !~ ^/a", b"/Ab", False),
            ("var_uri_path !~ ^/A", b"/ab", False),
            ("var_request_uri !~ ^/a", b"/A?b", False),
            ("var_uri_path !~ [A-Z]", b"/a", True),
            ("var_uri_path !~ ^/[a-z]$", b"/A", False),
            ("var_uri_path == /a", b"/A", False),
            ("var_uri_path ~ ^/a", b"/A", False),
            ("var_host != a", b"A", True),
            ("http_req_X !~ a", b"A", True),
        ):
            self.assertEqual(access_condition(text).test(value) is not None, holds, text)

    def test_rivals(self) -> None:
        """Clients are let in by a cookie only if each cookie of that name fits, of which a server may take any."""
        for text, cookies, holds in (
            ("== a", b"c=a", True),
            ("== a", b"c=a; c=a", True),
            ("== a", b"c=a; c=b", False),
            ("== a", b"c=b; c=a", False),
            ("!= b", b"c=a; c=b", False),
            ("~ ^a", b"c=a1; d=b; c=a2", True),
            ("== a", b"d=a", False),
            ("exists", b"c=a; c=", False),
        ):
            found = lookup(request((b"Cookie", cookies)))
            self.assertEqual(hold([access_condition(f"var_cookie_c {text}")], found), holds, (text, cookies))
        first = lookup(request((b"Cookie", b"c=a"), (b"Cookie", b"c=b")))
        self.assertTrue(hold([Condition.of("var_cookie_c == a")], first))
        self.assertFalse(hold([access_condition("var_cookie_c == a")], first))

    def test_matchers(self) -> None:
        """An operator and what follows it make a test of any value, with its groups."""
        test, groups = matcher("~", "a(.)")
        self.assertEqual((test(b"xab"), test(b"x"), groups), ((b"xab", b"b"), None, 1))

    @given(
        st.tuples(
            st.sampled_from(["var_host", "http_req_X", "http_resp_X", "var_x", ""]),
            st.one_of(st.sampled_from(["==", "!=", "~", "!~", "~*", "==*", "exists", "!exists"]), st.text(max_size=3)),
            st.text(max_size=12),
        ).map(" ".join)
    )
    def test_any_text(self, text: str) -> None:
        """A condition that holds or does not, or a message."""
        try:
            condition = Condition.of(text)
        except UnacceptableError as error:
            self.assertTrue(error.message)
        else:
            groups = condition.captured(lookup(HEAD, RESPONSE))
            self.assertIn(0 if groups is None else len(groups), (0, condition.groups + 1 if condition.groups else 0))
