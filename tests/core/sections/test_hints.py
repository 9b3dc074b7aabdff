"""What is said to those who write what other files, shells and the product have."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.sections import hints
from agwtwisted.core.sections.schema import KINDS
from tests.configurations import GOOD, changed, said


class ValueTests(SynchronousTestCase):
    """Values."""

    def test_hints(self) -> None:
        """Quotes around a value or one of several, and a comment with #; nothing of what only looks like it."""
        for text, hint in (
            ('"8443"', hints.QUOTES),
            ("'a b'", hints.QUOTES),
            ('"a, b"', hints.QUOTES),
            ('a, "b"', hints.QUOTES),
            ("'a'\nb", hints.QUOTES),
            ('"a", "b"', hints.QUOTES),
            ("80 # web", hints.COMMENT),
            ("80\t#web", hints.COMMENT),
            ("a#b", ""),
            ("it's", ""),
            ('"', ""),
            ('a "b" c', ""),
            ("", ""),
        ):
            self.assertEqual(hints.of_value(text), hint, text)

    def test_sections(self) -> None:
        """Behind a section # begins no comment either, and a name has no quotes."""
        for header, words in (
            (
                "[gateway] # ours",
                "; # begins a comment only at the start of a line: after a value or a section use ;",
            ),
            ('[backend_address_pool "app"]', "; names have no quotes"),
            ("[backend_address_pool 'app']", "; names have no quotes"),
        ):
            self.assertIn(words, "\n".join(said(GOOD.replace("[gateway]", header))))
        self.assertNotIn(";", said(GOOD.replace("[gateway]", "[gate way x]"))[0])

    def test_paths(self) -> None:
        """What only a shell would replace is reported as well, at the beginning of a path."""
        for text, hint in (
            ("~/x.pem", hints.NOT_EXPANDED),
            ("~", hints.NOT_EXPANDED),
            ("~agw/x.pem", hints.NOT_EXPANDED),
            ("$HOME/x.pem", hints.NOT_EXPANDED),
            ("${HOME}/x.pem", hints.NOT_EXPANDED),
            ("%APPDATA%/x.pem", hints.NOT_EXPANDED),
            ('"x.pem"', hints.QUOTES),
            ("./~/x.pem", ""),
            ("x~", ""),
            ("a$b.pem", ""),
            ("100%.pem", ""),
            ("/etc/x.pem", ""),
        ):
            self.assertEqual(hints.of_path(text), hint, text)

    @given(st.text())
    def test_any_value(self, text: str) -> None:
        """Nothing raises, whatever a value is."""
        hints.of_value(text)
        hints.of_path(text)
        hints.of_key("gateway", text)
        hints.of_kind(text)

    def test_in_messages(self) -> None:
        """The hint stands behind what is wrong with a value; a path that cannot be meant is not taken at all."""
        for old, new, words in (
            ("port = 8443", 'port = "8443"', "must be a whole number from 1 to 65535; quotes are part of the value"),
            ("port = 8443", "port = 8443 # web", "; # begins a comment only at the start of a line"),
            ("127.0.0.1:9000", "'127.0.0.1:9000'", "; quotes are part of the value"),
            ("pki/site.pem", "~/site.pem", "certificate_file is '~/site.pem', but ~ and variables are not expanded"),
            ("pki/site.pem", "$HOME/site.pem", "but ~ and variables are not expanded"),
            ("access_log = -", 'access_log = "a.log"', "but quotes are part of the value"),
        ):
            if old in GOOD:
                self.assertIn(words, "\n".join(said(changed((old, new)))), new)

    def test_taken_all_the_same(self) -> None:
        """A value that is taken with what looks like a comment gets a warning."""
        [line] = said(changed(("access_log = -", "access_log = a.log # ours")))
        self.assertTrue(line.startswith("WARNING conf/gw.ini:"), line)
        self.assertIn("access_log is 'a.log # ours': # begins a comment only at the start of a line", line)


class ProductTests(SynchronousTestCase):
    """The product's words."""

    def test_keys(self) -> None:
        """What is said to write exists in a section of that kind, and what it is said of does not."""
        for kind, words in hints._KEYS.items():
            known = {*KINDS[kind].keys, *KINDS[kind].families}
            for word, hint in words.items():
                self.assertNotIn(word, known, kind)
                found = re.match(r"write (\w+)", hint)
                if found:
                    self.assertIn(found[1], known, f"{kind}.{word}")

    def test_keys_of_the_gateway(self) -> None:
        """A listener with a key that only the gateway has is told so."""
        for word in hints._OF_GATEWAY:
            self.assertIn(word, KINDS["gateway"].keys)
        lines = said(changed(("port = 8443", "port = 8443\nhttp2_max_requests = 5")))
        self.assertIn("unknown key 'http2_max_requests'; it is a key of [gateway], for all listeners", "\n".join(lines))

    def test_kinds(self) -> None:
        """So it is with sections."""
        for word, hint in hints._KINDS.items():
            self.assertNotIn(word, KINDS)
            found = re.search(r"\[(\w+)", hint)
            if found:
                self.assertIn(found[1], KINDS, word)

    def test_spellings(self) -> None:
        """The product's camel case is understood."""
        for key in ("frontend_port", "frontendPort", "FrontendPort", "frontend-port"):
            self.assertEqual(hints.of_key("http_listener", key), "write port")
        self.assertEqual(hints.snake_case("verifyClientCertIssuerDN"), "verify_client_cert_issuer_dn")
        self.assertEqual(hints.of_key("http_listener", "nonsense"), "")
        self.assertIn("cloud", hints.of_key("gateway", "sku"))
        self.assertIn("[load_distribution_target POLICY/NAME]", hints.of_kind("loadDistributionTargets"))
        self.assertEqual(hints.of_key("rewrite_rule", "headerValueMatcher"), "write response_header_matcher.Set-Cookie")

    def test_in_messages(self) -> None:
        """They stand behind the name of what there is not."""
        for old, new, words in (
            ("port = 8443", "port = 8443\nfrontend_port = 1", "unknown key 'frontend_port'; write port"),
            (
                "[backend_http_settings app]",
                "[backend_http_settings app]\ndrain_timeout_in_sec = 3",
                "write connection_d",
            ),
            ("[gateway]", "[listener a]\nenable_http2 = true\n[gateway]", "write alpn_protocols = h2, http/1.1"),
            ("[gateway]", "[gateway]\nhttp2 = on", "unknown key 'http2'; write enable_http2"),
            ("port = 8443", "port = 8443\nalpn_protocols = h2", "unknown key 'alpn_protocols'; write enable_http2"),
            ("[backend_http_settings app]", "[backend_http_settings app]\nenable_http2 = true", "asked in HTTP/1.1"),
            ("[gateway]", "[frontend_port a]\nport = 80\n[gateway]", "a listener has its own port"),
        ):
            self.assertIn(old, GOOD)
            self.assertIn(words, "\n".join(said(changed((old, new)))), new)
