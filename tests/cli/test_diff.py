"""`agw diff`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.diff import IN_FORCE
from agwtwisted.core.reports.facts import facts_of, masked_facts
from tests import configurations
from tests.arm_gateways import https
from tests.cli.answered import answered
from tests.cli.calls import call

HEADER = "\n[rewrite_rule r/one]\nrequest_header.X-Api-Key = {}\n"


class DiffTests(SynchronousTestCase):
    """Two files, or one and what is in force."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        (self.directory / "pki").mkdir(parents=True)
        for path, data in configurations.files().data.items():
            file = self.directory / Path(path).relative_to("conf")
            file.write_bytes(data)
            file.chmod(0o600)
        self.first = self.write("one.ini", configurations.GOOD)

    def write(self, name: str, text: str) -> str:
        """A configuration beside the first one; returns its path."""
        (self.directory / name).write_text(text)
        return str(self.directory / name)

    def in_force(self, text: str, **others: Any) -> dict[str, Any]:
        """The answer of a gateway with this configuration."""
        plan = configurations.plan(text)
        resources = [{"path": path, "properties": each} for path, each in masked_facts(facts_of(plan)).items()]
        return {
            "file": self.first,
            "fingerprint": plan.fingerprint,
            "resources": json.loads(json.dumps(resources)),
            **others,
        }

    def test_equal(self) -> None:
        """Two that come to the same are equal: exit status 0."""
        other = self.write("two.ini", f"; a comment\n{configurations.GOOD}")
        done = call("diff", self.first, other)
        self.assertEqual((done.status, done.out, done.err), (0, f"{self.first} and {other} are equal\n", ""))

    def test_different(self) -> None:
        """Each difference is one line in the product's words, and the exit status is 1."""
        text = configurations.changed(
            ("port = 8443", "port = 8444\nhost_names = a.example"), ("[gateway]", "[gateway]\nidle_timeout = 5")
        )
        done = call("diff", self.first, self.write("two.ini", text))
        self.assertEqual((done.status, done.err), (1, ""))
        self.assertEqual(
            done.out.splitlines(),
            [
                "changed  gateway.idle_timeout: 75 -> 5",
                "changed  httpListeners/public.port: 8443 -> 8444",
                "changed  httpListeners/public.hostNames: +a.example",
            ],
        )

    def test_paths(self) -> None:
        """A path that leads to the same place from another directory is not different, nor one beside each file."""
        text = configurations.changed(("access_log = -", "access_log = log/a.json"))
        first = self.write("one.ini", text)
        (self.directory / "other").mkdir()
        for log in ("../log/a.json", f"{self.directory}/log/a.json", "log/a.json"):
            other = text.replace("log/a.json", log).replace("pki/", "../pki/")
            self.assertEqual(call("diff", first, self.write("other/gw.ini", other)).status, 0, log)
        other = self.write("other/gw.ini", text.replace("log/a.json", "../log/b.json").replace("pki/", "../pki/"))
        self.assertEqual(call("diff", first, other).out, "changed  gateway.access_log: log/a.json -> ../log/b.json\n")

    def test_json(self) -> None:
        """Programs get the same as an object."""
        other = self.write("two.ini", configurations.changed(("port = 8443", "port = 8444")))
        answer = json.loads(call("diff", "--json", self.first, other).out)
        self.assertEqual((answer["before"], answer["after"], answer["equal"]), (self.first, other, False))
        self.assertEqual(
            answer["differences"],
            [{"path": "httpListeners/public", "property": "port", "change": "changed", "before": 8443, "after": 8444}],
        )
        self.assertTrue(json.loads(call("diff", "--json", self.first, self.first).out)["equal"])

    def test_documents(self) -> None:
        """The overlay of one document counts for the other one, too; what it names and that has not is a difference."""
        old = https(profile={"clientAuthConfiguration": {"verifyClientAuthMode": "Passthrough"}})
        del old["properties"]["sslCertificates"][0]["properties"]["data"]  # as `az` shows it
        new = json.loads(json.dumps(old))
        del new["properties"]["sslProfiles"], new["properties"]["httpListeners"][0]["properties"]["sslProfile"]
        first, second = self.write("gateway.json", json.dumps(old)), self.write("new.json", json.dumps(new))
        self.assertEqual(call("diff", first, second).status, 2)
        keys = "certificate_file = pki/site.pem\nkey_file = pki/site.key\n"
        self.write(
            "gateway.overlay.ini", f"[ssl_certificate site]\n{keys}\n[ssl_profile devices]\ntls_groups = X25519\n"
        )
        done = call("diff", first, second)
        expected = ["changed  httpListeners/web.sslProfile: devices -> (none)", "removed  sslProfiles/devices"]
        self.assertEqual((done.status, done.out.splitlines()), (1, expected), done.err)

    def test_not_valid(self) -> None:
        """A configuration that is not valid, or not there, is exit status 2, with its problems."""
        done = call("diff", self.first, self.write("two.ini", "[gateway]\nfoo = 1\n"))
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn("two.ini:2 [gateway] unknown key 'foo'", done.err)
        self.assertEqual(call("diff", self.first, "none.ini").status, 2)
        self.assertEqual(call("diff", self.first, self.first, self.first).status, 2)

    def test_in_force(self) -> None:
        """A single file is compared with what the gateway has in force that runs by it."""
        done, asked = answered(
            self.in_force(configurations.changed(("port = 8443", "port = 8444"))), "diff", self.first
        )
        self.assertEqual((done.status, done.out), (1, "changed  httpListeners/public.port: 8444 -> 8443\n"))
        self.assertEqual(asked.call_args.args[1:], ("/configuration",))
        self.assertEqual(asked.call_args.args[0].config, self.first)
        done, _ = answered(self.in_force(configurations.GOOD), "diff", self.first)
        self.assertEqual((done.status, done.out), (0, f"{IN_FORCE} and {self.first} are equal\n"))

    def test_paths_in_force(self) -> None:
        """A path that leads to the same place from the file in force is not different."""
        text = configurations.changed(("access_log = -", "access_log = log/a.json"))
        (self.directory / "other").mkdir()
        moved = text.replace("log/a.json", "../log/a.json").replace("pki/", "../pki/")
        done, _ = answered(self.in_force(text), "diff", self.write("other/gw.ini", moved))
        self.assertEqual(done.out, f"{IN_FORCE} and {self.directory}/other/gw.ini are equal\n")

    def test_hidden(self) -> None:
        """Where only a secret is different, which a gateway does not show, that is said: exit status 1."""
        rewritten = ("http_listener = public\n", "http_listener = public\nrewrite_rule_set = r\n")
        text = configurations.changed(rewritten)
        file = self.write("two.ini", text + HEADER.format("hunter2"))
        done, _ = answered(self.in_force(text + HEADER.format("hunter3")), "diff", file)
        self.assertEqual(done.status, 1)
        self.assertIn("They differ in what is not shown", done.out)
        self.assertNotIn("hunter", done.out)

    def test_older_gateway(self) -> None:
        """A gateway that does not say what its configuration comes to is an error: exit status 2."""
        done, _ = answered({"file": self.first, "fingerprint": "0"}, "diff", self.first)
        self.assertEqual(done.status, 2)
        self.assertIn("older version", done.err)
