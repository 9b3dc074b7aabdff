"""What must fit together about rewrite rule sets and access."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base import limits
from tests.configurations import GOOD, changed, said, with_listener

PASSTHROUGH = "\n[ssl_profile lax]\nverify_client_auth_mode = Passthrough\n"


def section(lines: str) -> str:
    """A configuration whose one rewrite rule has these lines."""
    return f"{GOOD}rewrite_rule_set = set\n\n[rewrite_rule set/rule]\n{lines}\n"


class RewriteRuleSetTests(SynchronousTestCase):
    """Rewrite rule sets and those who use them."""

    RULE = "\n[rewrite_rule set/a]\n"

    def test_unused(self) -> None:
        """An unused set is a warning at its first rule; a used one is none."""
        rules = f"{self.RULE}url_path = /\n\n[rewrite_rule set/b]\nurl_path = /\n"
        [line] = said(GOOD + rules)
        self.assertTrue(line.startswith("WARNING"), line)
        self.assertIn("[rewrite_rule set/a] the rewrite rule set set is not used by any rule", line)
        self.assertEqual(said(f"{GOOD}rewrite_rule_set = set\n{rules}"), [])

    def test_reroute_on_a_basic_rule(self) -> None:
        """A basic rule has no path map to look at again."""
        rules = f"{self.RULE}condition.1 = var_host exists\nurl_path = /\nreroute = true\n"
        [line] = said(f"{GOOD}rewrite_rule_set = set\n{rules}")
        self.assertTrue(line.startswith("ERROR"), line)
        self.assertIn("the rewrite rule set set has reroute, but a basic rule has no URL path map", line)

    def test_reroute_without_end(self) -> None:
        """A set that asks for another look in any case is an error, wherever it is used."""
        always = f"{self.RULE}url_path = /a\nreroute = true\n\n[rewrite_rule set/b]\nurl_path = /b\nreroute = true\n"
        self.assertEqual(len([line for line in said(GOOD + always) if "always reroutes" in line]), 1)
        sometimes = always.replace("url_path = /b", "url_path = /b\ncondition.1 = var_host exists")
        self.assertEqual([line for line in said(GOOD + sometimes) if line.startswith("ERROR")], [])

    def test_everyday_headers(self) -> None:
        """A rule that identifies the client by one of them removes it from all clients: a warning."""
        for name, warned in (
            ("Cookie", True),
            ("accept-language", True),
            ("Authorization", True),
            ("X-Forwarded-For", True),
            ("X-Device", False),
        ):
            rules = f"{self.RULE}request_header.{name} = a{{var_client_certificate_serial}}\n"
            lines = said(f"{GOOD}rewrite_rule_set = set\n{rules}")
            self.assertEqual(
                [f"request_header.{name} identifies the client" in line for line in lines], [True] * warned
            )
        self.assertEqual(said(f"{GOOD}rewrite_rule_set = set\n{self.RULE}request_header.Cookie = a\n"), [])

    def test_words_of_clients(self) -> None:
        """A header that backends take for the gateway's word is made of what clients say: a warning."""
        for line, warned in (
            ("Host = {var_client_certificate_serial}", "any client can send that Host itself"),
            ("Host = b.example", ""),
            ("X-Client-Certificate = {http_req_X-Any}", "http_req_X-Any can be chosen by any client"),
            ("x-forwarded-proto = {http_req_X-Scheme}", "http_req_X-Scheme can be chosen by any client"),
            ("X-Client-Certificate = {http_req_X-Forwarded-Client-Cert}", ""),
            ("X-Any = {http_req_X-Other}", ""),
            ("X-Client-Certificate = {var_cookie_c}", "var_cookie_c can be chosen by any client"),
            ("Client-Cert = {var_query_string}", "var_query_string can be chosen by any client"),
            ("X-Forwarded-Client-Cert = a{var_client_user}", "var_client_user can be chosen by any client"),
            ("X-Forwarded-Proto = {var_request_scheme}", ""),
            ("X-Original-Url = {var_request_uri}", ""),
            (
                "X-User = {var_client_certificate_subject_cn}{http_req_X-Other}",
                "http_req_X-Other can be chosen by any client",
            ),
            ("X-User = {var_client_certificate_subject_cn}-{var_http_method}", ""),
            ("X-User = {var_client_certificate_subject_cn}/{var_host}", ""),
            ("X-Client-Certificate =", ""),
        ):
            lines = said(f"{GOOD}rewrite_rule_set = set\n{self.RULE}request_header.{line}\n")
            self.assertEqual([warned in each and each.startswith("WARNING") for each in lines], [True] * bool(warned))

    def test_paths_in_conditions(self) -> None:
        """What is no path in its one form is an error to compare with, and a warning in a pattern."""
        for condition, severity in (
            ("var_uri_path == /a/b.c", ""),
            ("var_uri_path == *", ""),
            ("var_request_uri != /a?b=//c;d%61", ""),
            ("var_uri_path == /%61", "ERROR"),
            ("var_uri_path != //a", "ERROR"),
            ("var_uri_path !=* /a/../b", "ERROR"),
            ("var_uri_path == a", "ERROR"),
            ("var_uri_path ~ ^/(a|b)/.*$", ""),
            ("var_uri_path ~ ^/caf%C3%A9/[0-9]+/100%25", ""),
            (r"var_request_uri ~ ^/a\?b=//c;d%61", ""),
            ("var_query_string !~ //", ""),
            ("var_uri_path !~ ^/%61dmin", "WARNING"),
            ("var_uri_path ~* ^/caf%c3%A9", "WARNING"),
            ("var_uri_path !~ ^/a//b", "WARNING"),
            ("var_uri_path !~ ^/a\\;b", "WARNING"),
        ):
            lines = said(f"{GOOD}deny_unless.1 = {condition}\n")
            self.assertEqual([line.partition(" ")[0] for line in lines], [severity] * bool(severity), condition)
            self.assertTrue(all("are normalized" in line for line in lines), lines)

    def test_excluded_plus(self) -> None:
        """A plus has two forms: to exclude a path with one of them is a warning, to ask for it is none."""
        for condition, warned in (
            ("var_uri_path == /a+b", False),
            (r"var_uri_path ~ ^/a\+b", False),
            ("var_uri_path !~ ^/a+b", False),
            ("var_uri_path != /a+b", True),
            ("var_uri_path !=* /a%2Bb", True),
            (r"var_uri_path !~ ^/a\+b", True),
            ("var_uri_path !~* ^/a[+]b", True),
            ("var_uri_path !~ ^/a(%2B)b", True),
        ):
            lines = said(f"{GOOD}deny_unless.1 = {condition}\n")
            self.assertEqual(["exclude both" in line for line in lines], [True] * warned, condition)

    def test_whole_names(self) -> None:
        """A pattern over a whole name, in which other attributes may fit, is a warning that says what to ask."""
        for condition, warned in (
            (
                "subject ~ (^|,)OU=Staff(,|$)",
                "anchored at both ends with ^ and $: use var_client_certificate_subject_ou instead",
            ),
            ("subject ~* CN=([^,]*)", "use var_client_certificate_subject_cn instead"),
            ("subject !~ O=a,OU=b", "use var_client_certificate_subject_ou and var_client_certificate_subject_o"),
            ("subject ~ ^CN=[^,]*,O=Works$", "matches the comma or the backslash between attributes: use"),
            ("subject ~ ^CN=.*,C=DE$", "matches the comma"),
            ("issuer ~ OU=Staff", "compare the whole name with =="),
            ("subject ~ serial", "compare the whole name with =="),
            (r"subject ~ ^CN=[a-z]+,OU=Staff,O=Works\, Inc\.$", ""),
            (r"issuer ~ ^CN=[^,\\]*,O=Works$", ""),
            ("subject == CN=a,OU=Staff", ""),
            ("subject exists", ""),
            ("subject_ou ~ ^Staff$", ""),
        ):
            deny = said(f"{GOOD}deny_unless.1 = var_client_certificate_{condition}\n")
            rule = f"{self.RULE}condition.1 = var_client_certificate_{condition}\nurl_path = /\n"
            for lines in (deny, said(f"{GOOD}rewrite_rule_set = set\n{rule}")):
                self.assertEqual([line.startswith("WARNING") for line in lines], [True] * bool(warned), condition)
                self.assertTrue(all(warned in line for line in lines), lines)

    def test_parts_of_attributes(self) -> None:
        """Who comes in by any part of an attribute is a warning, and who does by the beginning of a host name."""
        for condition, warned in (
            ("ou ~ Staff", "matches its pattern anywhere in a value"),
            ("cn ~* dev|^a", "matches its pattern anywhere in a value"),
            ("ou ~ ^Staff", ""),
            ("ou ~ Staff$", ""),
            ("ou !~ Guests", ""),
            ("ou == Staff", ""),
            (r"dns ~ \.devices\.example", "a name of any other domain may begin like this"),
            (r"dns ~ ^www\.", "a name of any other domain may begin like this"),
            (r"dns ~ \.devices\.example$", ""),
        ):
            lines = said(f"{GOOD}deny_unless.1 = var_client_certificate_subject_{condition}\n")
            self.assertEqual([warned in line for line in lines], [True] * bool(warned), condition)

    def test_impossible_texts(self) -> None:
        """To compare with what a variable never is, in another case for instance, is a warning that says what it is."""
        print_of_a_certificate = "0123456789abcdef0123456789abcdef01234567"
        for condition, warned in (
            (f"client_certificate_fingerprint == {print_of_a_certificate}", False),
            (f"client_certificate_fingerprint != {print_of_a_certificate.upper()}", True),
            (f"client_certificate_fingerprint !=* {print_of_a_certificate.upper()}", False),
            (f"client_certificate_fingerprint_sha256 == {print_of_a_certificate}", True),
            ("client_certificate_serial == 0A:1B", True),
            ("client_certificate_serial == 0A1B", False),
            ("client_certificate_verification != Success", True),
            ("client_certificate_verification == SUCCESS", False),
            ("http_method == get", True),
            ("http_method != DELETE", False),
            ("host == WWW.example.com", True),
            ("host == www.example.com:8443", True),
            ("host == www.example.com", False),
            ("host == 2001:db8::1", False),
            ("request_scheme == HTTPS", True),
            ("ssl_enabled == on", True),
            ("ssl_connection_protocol == TLSv1.1", True),
            ("http_version == 1.1", True),
            ("http_version == HTTP/2", True),
            ("http_version == HTTP/2.0", False),
        ):
            for text in (
                f"deny_unless.1 = var_{condition}",
                f"rewrite_rule_set = set\n{self.RULE}condition.1 = var_{condition}\nurl_path = /",
            ):
                lines = said(f"{GOOD}{text}\n")
                self.assertEqual(["never is (" in line for line in lines], [True] * warned, condition)

    def test_words_of_anybody(self) -> None:
        """Who comes in by what any client may say, or by a header that none can send, is a warning."""
        for written, message in (
            ("http_req_X-Forwarded-For", "can be chosen by any client"),
            ("http_req_forwarded", "can be chosen by any client"),
            ("var_add_x_forwarded_for_proxy", "can be chosen by any client"),
            ("var_client_user", "can be chosen by any client"),
            ("http_req_X-Client-Certificate-Subject", "is deleted from every request"),
            ("http_req_X-Original-URL", "is deleted from every request"),
            ("http_req_X-Api-Key", ""),
            ("var_client_ip", ""),
        ):
            lines = said(f"{GOOD}deny_unless.1 = {written} ~ ^a\n")
            self.assertEqual([f"{written} {message}" in line for line in lines], [True] * bool(message), written)

    def test_patterns_that_are_found_anywhere(self) -> None:
        """A pattern that lets clients in by a part of the path that they choose is a warning."""
        for condition, warned in (
            ("var_uri_path ~ /public", True),
            ("var_request_uri ~* ^/a|/public", True),
            ("var_uri_path ~ ^/public", False),
            ("var_uri_path !~ /admin", False),
            ("var_host ~ a", False),
        ):
            lines = said(f"{GOOD}deny_unless.1 = {condition}\n")
            self.assertEqual(["begin it with ^" in line for line in lines], [True] * warned, condition)


class UnprovenAccessTests(SynchronousTestCase):
    """deny_unless and what listeners ask for."""

    def warnings(self, condition: str, profile: str) -> list[str]:
        """What is said about access by a condition, on a listener with this profile."""
        text = GOOD + PASSTHROUGH + with_listener("other", port=8444, profile=profile).rstrip()
        text += f"\ndeny_unless.3 = {condition}\n"
        lines = [line for line in said(text) if "no listener uses this profile" not in line]
        self.assertTrue(all(line.startswith("WARNING") for line in lines), lines)
        return lines

    def test_nobody_verified(self) -> None:
        """On a Passthrough listener a client can claim any identity, except a fingerprint."""
        [line] = self.warnings("var_client_certificate_subject_cn == admin", "lax")
        self.assertIn("var_client_certificate_subject_cn is not verified: other is Passthrough", line)
        self.assertEqual(self.warnings("var_client_certificate_subject_cn == admin", "strict"), [])
        for name in ("fingerprint", "fingerprint_sha256", "verification"):
            self.assertEqual(self.warnings(f"var_client_certificate_{name} ~ x", "lax"), [])
        both = "var_client_certificate_subject exists\ndeny_unless.4 = var_client_certificate_fingerprint ~ a"
        self.assertEqual(self.warnings(both, "lax"), [])
        self.assertEqual(self.warnings("var_client_ip == 192.0.2.1", "lax"), [])

    def test_nobody_asked(self) -> None:
        """Where no certificate is asked for, its variables are empty."""
        [line] = self.warnings("var_client_certificate_fingerprint ~ x", "")
        self.assertIn("is always empty: other asks for no certificate", line)
        self.assertEqual(self.warnings("var_client_ip == 192.0.2.1", ""), [])

    def test_paths(self) -> None:
        """A path may ask for more than its listener, or for nothing; a map's defaults are as the listener."""
        condition = "deny_unless.1 = var_client_certificate_subject_cn == admin\n"
        ends = "backend_address_pool = app\nbackend_http_settings = app\n"
        text = changed(
            (ends, ""),
            ("priority = 100\n", "priority = 100\nrule_type = PathBasedRouting\nurl_path_map = paths\n"),
            ("verify_client_auth_mode = Strict\n", "verify_client_auth_mode = Passthrough\n"),
        )
        text += f"\n[url_path_map paths]\ndefault_{condition}"
        text += "default_backend_address_pool = app\ndefault_backend_http_settings = app\n"
        for name, asks in (("plain", ""), ("require", "Require"), ("ignore", "Ignore")):
            text += f"\n[path_rule paths/{name}]\npaths = /{name}\n{ends}{condition}"
            text += f"client_certificate = {asks}\n" if asks else ""
        lines = [line for line in said(text) if "deny_unless" in line or "var_client" in line]
        sections = [line.partition("[")[2].partition("]")[0] for line in lines]
        self.assertEqual(sections, ["url_path_map paths", "path_rule paths/plain", "path_rule paths/ignore"])
        self.assertEqual(["is not verified" in line for line in lines], [True, True, False], lines)
        self.assertIn("is always empty", lines[2])


class LimitTests(SynchronousTestCase):
    """How many there may be."""

    def test_of_a_set(self) -> None:
        """Forty conditions and forty actions, in all rules of a set together."""
        full = "\n".join(f"condition.{number} = var_host exists" for number in range(20))
        full += "\n" + "\n".join(f"request_header.X-{number} = 1" for number in range(18)) + "\nurl_path = /\n"
        full += "url_query_string = a\nresponse_header.Y = 1\n"
        self.assertEqual(said(section(full) + f"[rewrite_rule set/other]\n{full}"), [])
        lines = said(
            section(full) + f"[rewrite_rule set/other]\n{full}condition.99 = var_host exists\nresponse_header.Z ="
        )
        self.assertEqual(
            [line.partition("] ")[2] for line in lines],
            [
                "brings the set set to 41 conditions: it may have at most 40",
                "brings the set set to 41 actions: it may have at most 40",
            ],
        )
        self.assertTrue(all("[rewrite_rule set/other]" in line for line in lines))

    def test_of_a_gateway(self) -> None:
        """Four hundred sets, used or not."""
        most = limits.REWRITE_RULE_SETS.highest
        rules = "".join(f"[rewrite_rule set{number}/a]\nurl_path = /\n" for number in range(most))
        text = GOOD + rules
        self.assertEqual([line for line in said(text) if line.startswith("ERROR")], [])
        [line] = [line for line in said(text + "[rewrite_rule one/more]\nurl_path = /\n") if line.startswith("ERROR")]
        self.assertIn("[rewrite_rule one/more] belongs to one of 401 sets: a gateway has at most 400", line)
