"""What clients get of the status of the gateway's own certificates, from real gateways, by OpenSSL's own client."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.x509 import ocsp
from twisted.trial.unittest import SynchronousTestCase

from tests import pki, running
from tests.core.revocation.test_stapling import MUST_STAPLE
from tests.end_to_end import clients, control_api, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import section
from tests.end_to_end.lines import DEADLINE, wait_until
from tests.end_to_end.worker_processes import workers
from tests.programs import needs
from tests.responder import TRY_LATER, Responder, http

SITES = ("a.example", "b.example")
VERSIONS = ("-tls1_2", "-tls1_3")

CA = """\
[ca]
default_ca = default
[default]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
default_days = 30
policy = policy
[policy]
commonName = supplied
[server]
subjectAltName = DNS:a.example
authorityInfoAccess = OCSP;URI:http://127.0.0.1:{port}/
tlsfeature = status_request
"""
"""What `openssl ca` goes by."""
NONE = "no response sent"


@cache
def issuer() -> pki.Authority:
    """Who issues the certificates of every site here."""
    root = gateway.certificates()["server-root"]
    assert isinstance(root, pki.Authority)
    return root.intermediate("Servers with a responder")


class Stapled:
    """A responder, and a gateway with two sites on one port, and an L4 listener on another."""

    def __init__(self, stack: ExitStack, **gateway_keys: object) -> None:
        self.responder = stack.enter_context(closing(Responder(issuer())))
        self.backend = stack.enter_context(closing(Backend()))
        self.port, self.relayed = running.free_ports(2)
        self.sites: dict[str, pki.Credential] = {}
        self.text = gateway.gateway_section(drain_timeout=5, **gateway_keys) + gateway.PROFILES
        self.text += gateway.pool("app", self.backend.port) + gateway.relay_pool("relayed", self.backend.port)
        for site in SITES:
            self.text += section(f"ssl_certificate {site}", certificate_file=f"{site}.pem", key_file=f"{site}.key")
            door = gateway.door(site, self.port, host_names=site)
            self.text += door.replace("ssl_certificate = server", f"ssl_certificate = {site}")
        relayed = gateway.relay_door("relayed", self.relayed, to="relayed")
        self.text += relayed.replace("ssl_certificate = server", f"ssl_certificate = {SITES[0]}")
        self.gateway = stack.enter_context(gateway.prepared(self.text))
        for site in SITES:
            self.issue(site)

    def stop(self) -> None:
        """End the gateway, which must have complained of no defect."""
        assert self.gateway.stop() in (0, -signal.SIGTERM)
        gateway.assert_no_defect(self.gateway.output)

    def issue(self, site: str, **options: Any) -> None:
        """A new certificate of a site, which the responder knows."""
        made = issuer().issue_server(site, ocsp_url=self.responder.url, **options)
        made.write(self.gateway.directory, site)
        (self.gateway.directory / f"{site}.pem").write_bytes(pki.bundle(made, issuer()))
        self.responder.knows(made)
        self.sites[site] = made

    def said(self, site: str, version: str = "-tls1_3", *options: str, port: int = 0) -> str:
        """What OpenSSL's client says of a handshake in which it has asked for a response."""
        words = ("openssl", "s_client", "-connect", f"127.0.0.1:{port or self.port}", "-servername", site, "-status")
        trusted = ("-CAfile", "server-root.pem", "-verify_return_error")
        done = subprocess.run(
            (*words, version, *trusted, *options),
            cwd=self.gateway.directory,
            input=f"GET / HTTP/1.1\r\nHost: {site}\r\nConnection: close\r\n\r\n",
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert "Verify return code: 0 (ok)" in done.stdout, done.stdout + done.stderr
        return done.stdout

    def status(self, site: str, version: str = "-tls1_3", *options: str, port: int = 0) -> str:
        """The status of the certificate in the response that came, empty where none did; it is the site's own."""
        said = self.said(site, version, *options, port=port)
        if NONE in said or "OCSP Response Status" not in said:
            return ""
        serial = f"{self.sites[site].certificate.serial_number:X}"
        assert f"Serial Number: {serial}" in said.replace("Serial Number: 0", "Serial Number: "), said
        return said.partition("Cert Status: ")[2].split()[0]

    def wait_for(self, site: str, status: str) -> None:
        """Wait until clients get this."""
        wait_until(lambda: self.status(site) == status, f"{site} is stapled: {status or 'nothing'}")

    def asked(self, site: str) -> int:
        """How often the responder was asked about a site's certificate."""
        return self.responder.asked.count(self.sites[site].certificate.serial_number)


@contextmanager
def stapled(**gateway_keys: object) -> Iterator[Stapled]:
    """A gateway that serves, and must end well."""
    with ExitStack() as stack:
        made = Stapled(stack, **gateway_keys)
        made.gateway.start()
        yield made
        made.stop()


def served(at: Stapled) -> bytes | None:
    """The certificate that clients of the first site get."""
    with closing(clients.encrypted(at.gateway.call(at.port, name=SITES[0]))) as line:
        assert isinstance(line.socket, ssl.SSLSocket)
        return line.socket.getpeercert(binary_form=True)


@needs("openssl")
class StaplingTests(SynchronousTestCase):
    """Responses in handshakes."""

    def test_each_site(self) -> None:
        """Each site's clients get the response about its own certificate, in TLS 1.2 and 1.3, on L4 as well; resumed
        sessions show none; the responder is asked once for each certificate.
        """
        with stapled() as at:
            for site in SITES:
                at.wait_for(site, "good")
            for version in VERSIONS:
                for site in SITES:
                    self.assertEqual(at.status(site, version, "-ign_eof", "-sess_out", "session"), "good")
                    said = at.said(site, version, "-sess_in", "session")
                    self.assertIn("Reused", said)
                    self.assertNotIn("OCSP Response Status", said)
                self.assertEqual(at.status(SITES[0], version, port=at.relayed), "good")
            self.assertEqual([at.asked(site) for site in SITES], [1, 1])

    def test_responder_that_does_not_answer(self) -> None:
        """No handshake waits for a responder; what it has not said is not stapled."""
        with ExitStack() as stack:
            at = Stapled(stack)
            at.responder.gate.clear()
            at.gateway.start()
            at.responder.wait_for(2)
            for version in VERSIONS:
                self.assertEqual(at.status(SITES[0], version), "")
            at.responder.gate.set()
            at.wait_for(SITES[0], "good")
            at.stop()

    def test_restart(self) -> None:
        """A new process staples what the last one has kept, while the responder does not answer, and nothing broken."""
        with stapled(state_directory="state") as at:
            for site in SITES:
                at.wait_for(site, "good")
            kept = wait_until(
                lambda: [*(at.gateway.directory / "state" / "staples").glob("*.ocsp")][1:], "both are written"
            )
            statuses = {ocsp.load_der_ocsp_response(each.read_bytes()).response_status for each in kept}
            self.assertEqual(statuses, {ocsp.OCSPResponseStatus.SUCCESSFUL})
            at.stop()
            at.responder.say = lambda _: http(TRY_LATER)
            at.gateway.start()
            self.assertEqual([at.status(site) for site in SITES], ["good", "good"])
            self.assert_shown(at, "good")
            at.stop()
            for each in (at.gateway.directory / "state" / "staples").iterdir():
                each.write_bytes(b"damaged")
            at.gateway.start()
            self.assertEqual([at.status(site) for site in SITES], ["", ""])
            self.assert_shown(at, "none")
            at.responder.wait_for(4)

    def assert_shown(self, at: Stapled, status: str) -> None:
        """What the control API and the metrics say of every site's certificate."""
        shown = json.loads(at.gateway.agw("certificates", "--config", "gw.ini", "--json").stdout)
        leaves = [each for each in shown["certificates"] if each["name"] in SITES and each["role"] == "end_entity"]
        self.assertEqual([each["ocsp_staple"] for each in leaves], [status] * len(SITES))
        metrics = control_api.curl(at.gateway, "/metrics").body
        for site in SITES:
            [until] = re.findall(rf'agw_ocsp_staple_next_update_timestamp_seconds{{name="{site}"}} (\S+)', metrics)
            self.assertEqual(float(until) > 0, status == "good")

    def test_reload(self) -> None:
        """A certificate that a reload brings is asked about; another one keeps its response."""
        with stapled() as at:
            for site in SITES:
                at.wait_for(site, "good")
            at.issue(SITES[0])
            at.gateway.signal(signal.SIGHUP)
            wait_until(lambda: at.asked(SITES[0]), "the new certificate is asked about")
            at.wait_for(SITES[0], "good")
            self.assertEqual(at.status(SITES[1]), "good")
            self.assertEqual(at.asked(SITES[1]), 1)

    def test_revoked(self) -> None:
        """A revocation of a certificate goes to its clients."""
        with ExitStack() as stack:
            at = Stapled(stack)
            at.responder.statuses[at.sites[SITES[0]].certificate.serial_number] = "revoked"
            at.gateway.start()
            at.wait_for(SITES[0], "revoked")
            self.assertIn(f"ssl_certificate {SITES[0]}: the certificate is revoked", at.gateway.output)
            at.stop()

    def test_workers(self) -> None:
        """The parent asks once for all workers, and one that is forked later has the responses, too."""
        with stapled(workers=2, state_directory="state") as at:
            for site in SITES:
                at.wait_for(site, "good")
            for index, killed in workers(at.gateway).items():
                os.kill(killed, signal.SIGKILL)
                self.assertNotEqual(workers(at.gateway, besides=killed)[index], killed)
            self.assertEqual(at.status(SITES[0]), "good")
            self.assert_shown(at, "good")
            self.assertEqual([at.asked(site) for site in SITES], [1, 1])

    def test_demanded(self) -> None:
        """A reload to a certificate that demands a response waits for the first one: all of its clients get it."""
        with stapled(workers=2) as at:
            at.wait_for(SITES[0], "good")
            at.responder.gate.clear()
            at.issue(SITES[0], extra=(MUST_STAPLE,))
            before = served(at)
            at.gateway.signal(signal.SIGHUP)
            wait_until(lambda: at.asked(SITES[0]), "the new certificate is asked about")
            self.assertEqual(served(at), before)  # without a process of its own: a reload waits for 10 s and no more
            at.responder.gate.set()
            serial = f"{at.sites[SITES[0]].certificate.serial_number:X}"

            def is_served() -> bool:
                said = at.said(SITES[0])
                if serial not in said:
                    return False
                self.assertIn("Cert Status: good", said)
                return True

            wait_until(is_served, "the new certificate is in force")


class OpensslCa:
    """A CA of `openssl ca`, whose responder is `openssl ocsp`, in the directory of a gateway; it issues a.example."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        self.run("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "server-root.pem", "-subj", "/CN=Real CA")
        (directory / "index.txt").write_text("")
        self.port = self.serve(stack)
        (directory / "ca.cnf").write_text(CA.format(port=self.port))
        self.run("req", "-new", *new_key, "-keyout", "a.example.key", "-out", "a.csr", "-subj", "/CN=a.example")
        self.ca("-in", "a.csr", "-out", "leaf.pem", "-extensions", "server", "-notext")
        chain = (directory / "leaf.pem").read_bytes() + (directory / "server-root.pem").read_bytes()
        (directory / "a.example.pem").write_bytes(chain)

    def run(self, *words: str) -> None:
        """A command of openssl."""
        subprocess.run(("openssl", *words), cwd=self.directory, check=True, capture_output=True, timeout=DEADLINE)

    def ca(self, *words: str) -> None:
        """A command of the CA. The responder looks at what has changed once it has answered another question."""
        self.run("ca", "-batch", "-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "server-root.pem", *words)
        url = ("-url", f"http://127.0.0.1:{self.port}/")
        self.run("ocsp", "-issuer", "server-root.pem", "-cert", "leaf.pem", "-CAfile", "server-root.pem", *url)

    def serve(self, stack: ExitStack) -> int:
        """Starts the responder; returns its port."""
        signing = ("-CA", "server-root.pem", "-rsigner", "server-root.pem", "-rkey", "ca.key", "-ndays", "1")
        said = b""
        for _ in range(5):  # another program may take the port meanwhile
            port = running.free_port_everywhere()
            words = ("openssl", "ocsp", "-ignore_err", "-port", str(port), "-index", "index.txt", *signing)
            process = stack.enter_context(
                subprocess.Popen(words, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=-1, stderr=-2)
            )
            stack.callback(process.kill)
            assert process.stdout
            for line in iter(process.stdout.readline, b""):
                if b"ACCEPT" in line:
                    return port
                said += line
        raise AssertionError(f"openssl ocsp does not listen: {said.decode()}")


@needs("openssl")
class OpensslTests(SynchronousTestCase):
    """Responses of a CA that is run with openssl's commands."""

    def test_ca(self) -> None:
        """A certificate that demands a staple has that of `openssl ocsp`; after `openssl ca -revoke` it is revoked."""
        with ExitStack() as stack:
            at = Stapled(stack)
            ca = OpensslCa(at.gateway.directory, stack)
            for step, status in ((None, "good"), ("-revoke", "revoked")):
                if step:
                    ca.ca(step, "leaf.pem")
                at.gateway.start()
                wait_until(lambda status=status: f"Cert Status: {status}" in at.said("a.example"), status)
                at.stop()
            self.assertIn("must-staple", at.gateway.output)
