"""`agwtwisted.core.reports.effective_configuration`: the configuration in force for programs."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.operations.masking import masked
from agwtwisted.core.plan.plan import Plan, in_use
from agwtwisted.core.reports import gateway_report
from agwtwisted.core.reports.effective_configuration import effective_configuration
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.demo import certificates
from tests import configurations, pki

CONF = Path(__file__).parents[3] / "conf"


class EffectiveConfigurationTests(SynchronousTestCase):
    """The JSON object."""

    def test_sections(self) -> None:
        """Every section in use with its keys, defaults included; others by their names."""
        found = effective_configuration(configurations.plan())
        self.assertEqual(found["http_listener public"]["ssl_profile"], "strict")
        self.assertEqual(found["http_listener public"]["protocol"], "Https")
        self.assertEqual(found["gateway"]["idle_timeout"], 75.0)
        self.assertEqual(found["ssl_profile strict"]["trusted_client_certificates"], ["devices"])
        self.assertEqual(found["ssl_profile strict"]["ocsp_allowed_ports"], ["80", "443"])
        pool = found["backend_address_pool app"]
        self.assertEqual(pool, {"backend_addresses": [{"host": "127.0.0.1", "port": 9000}]})
        [certificate, _] = found["ssl_certificate site"]["certificates"]
        self.assertEqual(certificate["subject"], "CN=localhost")
        self.assertEqual(certificate["not_after"], "2049-12-31T23:59:59Z")

    def test_examples(self) -> None:
        """Each example configuration is JSON as a whole, without a key and without Python's words for objects."""
        made = certificates.make(pki.NOW)
        for file in CONF.glob("*.ini"):
            plan = parse(file.read_bytes(), file.name, lambda path: SourceFile(data=made[Path(path).name], mode=0o600))
            self.assert_plain(plan)

    def test_conditions_and_rewrites(self) -> None:
        """Conditions and rewrites stand there as in the file."""
        text = configurations.changed(
            (
                "http_listener = public\n",
                "http_listener = public\nrewrite_rule_set = r\ndeny_unless.1 = var_host == a\n",
            )
        )
        text += "\n[rewrite_rule r/one]\nrequest_header.X-A = {var_host}\nurl_path = /x\n"
        plan = configurations.plan(text)
        self.assert_plain(plan)
        found = effective_configuration(plan)
        self.assertEqual(found["request_routing_rule public"]["deny_unless"], ["var_host == a"])
        [rule] = found["rewrite_rule_set r"]["rules"]
        self.assertEqual(rule["actions"], ["request_header.X-A = {var_host}", "url_path = /x"])

    def test_error_pages(self) -> None:
        """Of an error page there is the length."""
        text = configurations.GOOD + "[custom_error gateway/502]\nfile = pki/page.html\n"
        plan = configurations.plan(text, configurations.files(page_html=b"<p>sorry"))
        self.assertEqual(effective_configuration(plan)["custom_error gateway/502"], {"bytes": 8})

    def test_password_of_a_proxy(self) -> None:
        """The credentials of a proxy are in none of the forms in which a configuration is shown."""
        log = "access_log = -\n"
        text = configurations.changed((log, f"{log}outbound_proxy = http://gw:geheim@proxy.internal:3128\n"))
        plan = configurations.plan(text)
        shown = (
            effective_configuration(plan),
            repr(plan.gateway),
            masked(text),
            "\n".join(gateway_report.tables(plan)),
        )
        for each in map(str, shown):
            self.assertIn("proxy", each)
            self.assertNotIn("geheim", each)

    def assert_plain(self, plan: Plan) -> None:
        """That all of it is plain JSON."""
        found = effective_configuration(plan)
        self.assertEqual(set(found), set(in_use(plan.config)))
        text = json.dumps(found)
        for words in ("PRIVATE", "object at", "<", "(host"):
            self.assertNotIn(words, text)
