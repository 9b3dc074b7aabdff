"""`agwtwisted.core.arm.overlay_writing`: what a body does not say, for an overlay."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.overlay_writing import findings, overlay_of
from agwtwisted.core.arm.writing import Frontends, rows_by_kind
from agwtwisted.core.base.errors import Severity
from agwtwisted.core.sections.ini_text import written
from tests.core.arm.written import rows


def overlay(ours: str, read: str, *, beside: str = "conf", with_keys: bool = True) -> str:
    """The text of the overlay of a file whose body is read as another one."""
    found = rows(ours)
    frontends = Frontends.of(rows_by_kind(found))
    return written(overlay_of(found, rows(read), frontends, beside=beside, with_keys=with_keys))


class OverlayTests(SynchronousTestCase):
    """What it has."""

    def test_nothing(self) -> None:
        """Where the body says everything, there is none: defaults that are spelled out say nothing more."""
        ours = "[backend_http_settings app]\n\n[ssl_profile a]\ntrusted_client_certificates = b\nssl_policy = X\n"
        read = (
            "[backend_http_settings app]\nport = 80\nprotocol = Http\n\n[ssl_profile A]\nssl_policy = X\n"
            "verify_client_auth_mode = Strict\ntrusted_client_certificates = B\n"
        )
        self.assertEqual(overlay(ours, read), "")
        self.assertEqual(overlay("[gateway]\nserver_header =\n", "[gateway]\nserver_header =\n"), "")

    def test_ours(self) -> None:
        """Keys that the product does not have, and other values of those that it has."""
        ours = "[backend_address_pool app]\nbackend_addresses = a.example:81\n\n[ssl_profile p]\nallow_weak = true\n"
        read = "[backend_address_pool app]\nbackend_addresses = a.example\n\n[ssl_profile p]\n"
        self.assertEqual(
            overlay(ours, read),
            "[backend_address_pool app]\nbackend_addresses = a.example:81\n\n[ssl_profile p]\nallow_weak = true\n",
        )

    def test_defaults(self) -> None:
        """Where the body is read with a value that is not our default, the default is set."""
        found = overlay("[ssl_profile p]\n", "[ssl_profile p]\nrefusal = Http400\nocsp_timeout = 7\n")
        self.assertEqual(found, "[ssl_profile p]\nrefusal = Handshake\nocsp_timeout = 5\n")

    def test_http2_of_a_listener(self) -> None:
        """A listener's own word about HTTP/2, which the product does not have, stays; so do the limits."""
        listener = "[http_listener a]\nport = 443\nprotocol = Https\nssl_certificate = c\n"
        ours = f"[gateway]\nenable_http2 = true\nhttp2_max_requests = 7\n\n{listener}enable_http2 = false\n"
        kept = "[gateway]\nhttp2_max_requests = 7\n\n[http_listener a]\nenable_http2 = false\n"
        read = f"[gateway]\nenable_http2 = true\n\n{listener}"
        self.assertTrue(overlay(ours, read).endswith(kept), overlay(ours, read))

    def test_sections(self) -> None:
        """Sections that a document never has are there as a whole, without what is the default."""
        found = overlay("[gateway]\nidle_timeout = 5\ndrain_timeout = 30\n\n[control]\nport = 8901\n", "")
        self.assertEqual(found, "[gateway]\nidle_timeout = 5\n\n[control]\nport = 8901\n")

    def test_addresses(self) -> None:
        """The addresses of frontends are options of the document."""
        listeners = "".join(
            f"[listener {name}]\naddress = {address}\nport = 1\nprotocol = Tcp\n\n"
            for name, address in (("a", "0.0.0.0"), ("b", "127.0.0.1"))
        )
        read = listeners.replace("0.0.0.0", "127.0.0.1")
        self.assertEqual(
            overlay(listeners, read), "[arm]\naddress.frontend-1 = 0.0.0.0\naddress.frontend-2 = 127.0.0.1\n"
        )
        self.assertEqual(overlay(listeners.replace("0.0.0.0", "127.0.0.1"), read), "")

    def test_paths(self) -> None:
        """Paths are relative to where the overlay is."""
        text = "[gateway]\naccess_log = log/a.json\nstate_directory = /var/lib/x\n"
        self.assertEqual(overlay(text, "", beside="arm"), text.replace("log/", "../conf/log/"))
        self.assertEqual(overlay("[gateway]\naccess_log = -\n", "", beside="arm"), "[gateway]\naccess_log = -\n")

    def test_revocation(self) -> None:
        """A source that Azure does not have, and its keys; files of lists are relative to where the overlay is."""
        ours = "[ssl_profile p]\nverify_client_revocation = CRL, OCSP\ncrl_files = a.crl, /b.crl\ncrl_scope = Chain\n"
        read = "[ssl_profile p]\nverify_client_revocation = OCSP\n"
        self.assertEqual(overlay(ours, read, beside="arm"), ours.replace("a.crl", "../conf/a.crl"))
        found = overlay_of(rows(ours), rows(read), Frontends.of({}), beside="conf", with_keys=True)
        severities = [each.severity for each in findings(found)]
        self.assertEqual(severities, [Severity.WARNING, Severity.NOTE, Severity.WARNING])

    def test_comments(self) -> None:
        """What is a comment behind a value stays where it is; what is a part of one goes along."""
        text = "[ssl_profile p]\nallow_weak = true ; old devices\n"
        self.assertEqual(overlay(text, "[ssl_profile p]\n"), "[ssl_profile p]\nallow_weak = true\n")
        text = "[rewrite_rule a/b]\nurl_path = /a ;b\n"
        self.assertEqual(overlay(text, "[rewrite_rule a/b]\n"), text.replace(" ;", " \\;"))

    def test_files(self) -> None:
        """Files of certificates that the body holds are not named; where it has no keys, they are."""
        text = "[ssl_certificate a]\ncertificate_file = a.pem\nkey_file = a.key\n"
        read = "[ssl_certificate a]\ncertificate_file = certificates/a.pfx\n"
        self.assertEqual(overlay(text, read), "")
        self.assertEqual(overlay(text, "[ssl_certificate a]\n", with_keys=False), text)


class FindingsTests(SynchronousTestCase):
    """What Azure will not know."""

    def test_severity(self) -> None:
        """What refuses something, or leads to another server, is a warning; anything else is a note."""
        text = "[request_routing_rule a]\ndeny_unless.1 = var_host == a\n\n[gateway]\nidle_timeout = 5\n"
        found = overlay_of(rows(text), [], Frontends.of({}), beside="conf", with_keys=True)
        warning, note = findings(found)
        self.assertEqual((warning.severity, note.severity), (Severity.WARNING, Severity.NOTE))
        self.assertIn("Azure does not know deny_unless.1", warning.message)
        self.assertEqual(str(warning.place), "conf/gw.ini:2")
        pool = rows("[backend_address_pool app]\nbackend_addresses = a.example:81\n")
        [other] = findings(overlay_of(pool, [], Frontends.of({}), beside="conf", with_keys=True))
        self.assertEqual(other.severity, Severity.WARNING)
        compared = rows("[rewrite_rule a/b]\ncondition.1 = var_host == a\nurl_path = /x\n")
        read = rows("[rewrite_rule a/b]\ncondition.1 = var_host ~ ^a$\nurl_path = /x\n")
        [same] = findings(overlay_of(compared, read, Frontends.of({}), beside="conf", with_keys=True))
        self.assertIn("with patterns alone", same.message)
        listener = rows("[http_listener a]\nenable_http2 = true\n")
        [whole] = findings(overlay_of(listener, [], Frontends.of({}), beside="conf", with_keys=True))
        self.assertEqual(
            (whole.severity, whole.message),
            (Severity.NOTE, "Azure has HTTP/2 for the whole gateway alone: enable_http2 stays in the overlay"),
        )
