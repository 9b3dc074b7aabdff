"""`agwtwisted.core.reports.route_report`, as a part of the whole report."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.masking import MASK
from tests import configurations
from tests.core.configuration import test_distribution_coherence
from tests.core.reports.test_report import cells, report


class RouteReportTests(SynchronousTestCase):
    """Where requests go."""

    def test_rules(self) -> None:
        """In the order of their priority, with the address that each backend is asked at."""
        text = configurations.changed(
            ("backend_addresses = 127.0.0.1:9000", "backend_addresses = 10.0.0.1:81, 10.0.0.2, [::1]:82")
        )
        rows = cells(report(text), "Request routing rules")[1:]
        self.assertEqual(rows[0], ["100", "public", "public", "app", "10.0.0.1:81", "app"])
        self.assertEqual(rows[1:], [["10.0.0.2:9000"], ["[::1]:82"]])

    def test_path_rules(self) -> None:
        """A path-based rule names its map, whose rules are shown in the order in which they are looked at."""
        require = "client_certificate = Require\ndeny_unless.1 = var_host exists\n"
        default = "default_rewrite_rule_set = set\ndefault_deny_unless.1 = var_http_method == GET\n"
        text = configurations.mapped(
            configurations.path_rule("b", "/b/*, /c*", extra=require),
            configurations.path_rule("a", "/a", end="redirect_configuration = away\n"),
            profile=configurations.PASSTHROUGH,
        ).replace(configurations.MAP, configurations.MAP + default)
        text += configurations.redirect("away", "target_url = https://example.org/", "include_path = yes")
        shown = report(f"{text}\n[rewrite_rule set/one]\nurl_path = /x\n")
        self.assertEqual(cells(shown, "Request routing rules")[1], ["100", "public", "public", "URL path map map"])
        self.assertEqual(
            cells(shown, "URL path map map")[1:],
            [
                ["/b/*", "b", "app", "127.0.0.1:9000", "app", "-", "Require"],
                ["/c*"],
                ["/a", "a", "redirect away", "-", "-"],
                ["any other", "app", "127.0.0.1:9000", "app", "set", "-"],
            ],
        )
        self.assertEqual(cells(shown, "Redirects")[1], ["away", "302", "https://example.org/", "kept", "dropped"])
        self.assertEqual(cells(shown, "Backend settings")[1][0], "app")
        self.assertEqual(
            cells(shown, "Access control")[1:],
            [["map/b", "var_host exists"], ["map, any other path", "var_http_method == GET"]],
        )

    def test_policies(self) -> None:
        """A rule that leads to a policy shows the servers of all its pools; the policy has a table of its targets."""
        shown = report(test_distribution_coherence.distributed())
        self.assertEqual(
            cells(shown, "Request routing rules")[1:],
            [
                ["100", "public", "public", "load distribution policy canary", "127.0.0.1:9000", "app"],
                ["127.0.0.1:9001"],
            ],
        )
        self.assertEqual(
            cells(shown, "Load distribution policies")[1:],
            [["canary", "RoundRobin", "old", "app", "9"], ["canary", "RoundRobin", "new", "new", "1"]],
        )

    def test_redirects(self) -> None:
        """A basic rule may redirect, to a listener."""
        text = configurations.changed((configurations.RULE, "redirect_configuration = away\n"))
        text += configurations.redirect("away", "target_listener = other", "include_query_string = yes")
        shown = report(text + configurations.with_listener("other", port=8444, profile="strict"))
        self.assertEqual(cells(shown, "Request routing rules")[1], ["100", "public", "public", "redirect away"])
        self.assertEqual(cells(shown, "Redirects")[1], ["away", "302", "listener other", "dropped", "kept"])

    def test_custom_errors(self) -> None:
        """Pages of the operator's own; no table where there are none."""
        text = configurations.GOOD + "".join(
            f"\n[custom_error {name}]\nfile = pki/page.html\n" for name in ("gateway/502", "public/404")
        )
        shown = report(text, configurations.files(page_html=b"<p>"))
        self.assertEqual(
            cells(shown, "Custom error pages")[1:], [["(the gateway)", "502", "3"], ["public", "404", "3"]]
        )
        for title in ("Custom error pages", "Redirects"):
            self.assertNotIn(title, report(configurations.GOOD))

    def test_rewrite_rule_sets(self) -> None:
        """Every rule in its order: where it acts and what it does; no table where there are none."""
        text = configurations.GOOD + (
            "rewrite_rule_set = a\n\n[rewrite_rule a/second]\nrule_sequence = 2\ncondition.1 = var_host == b\n"
            "condition.2 = var_host ~ c\nrequest_header.X = {var_host}\nrequest_header.Y =\nresponse_header.Z = d\n\n"
            "[rewrite_rule a/first]\nrule_sequence = 1\nresponse_header.Set-Cookie = e\n"
            "response_header_matcher.Set-Cookie = ~ f\nresponse_header.V =\n\n"
            "[rewrite_rule b/only]\ncondition.1 = var_host == g\nurl_path = /h\nurl_query_string = i\nreroute = true\n"
        )
        rows = cells(report(text), "Rewrite rule sets, rules in their order")[1:]
        self.assertEqual(
            rows,
            [
                ["1", "a/first", "always", f"response_header.Set-Cookie = {MASK}"],
                ["response_header.V deleted"],
                ["2", "a/second", "var_host == b", "request_header.X = {var_host}"],
                ["var_host ~ c", "request_header.Y deleted"],
                ["response_header.Z = d"],
                ["100", "b/only", "var_host == g", "url_path = /h"],
                ["url_query_string = i"],
                ["reroute"],
            ],
        )
        self.assertNotIn("Rewrite rule sets", report(configurations.GOOD))

    def test_secrets(self) -> None:
        """The report has no secret of the file: it is in an answer of the control API."""
        text = configurations.GOOD + (
            "rewrite_rule_set = a\ndeny_unless.1 = http_req_X-Token == hunter2\n\n"
            "[rewrite_rule a/b]\nrequest_header.Authorization = Basic hunter2\n"
            "request_header.X-Backend = Bearer hunter2\n"
            "condition.1 = var_cookie_session ~ hunter2\n"
        )
        shown = report(text)
        self.assertNotIn("hunter2", shown)
        self.assertIn(f"request_header.Authorization = {MASK}", shown)

    def test_access(self) -> None:
        """Who may come in, where a rule says so."""
        text = f"{configurations.GOOD}deny_unless.1 = var_host == a\ndeny_unless.2 = var_host ~ b\n"
        rows = cells(report(text), "Access control")[1:]
        self.assertEqual(rows, [["public", "var_host == a"], ["var_host ~ b"]])
        self.assertNotIn("Access control", report(configurations.GOOD))
