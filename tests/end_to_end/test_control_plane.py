"""A gateway that is set up by its control plane, in a process of its own, with real clients of both."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import ssl
from contextlib import AbstractContextManager, closing
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests import arm_gateways, running
from tests.arm_gateways import Body, child, https, reference
from tests.end_to_end import clients
from tests.end_to_end.backends import Backend
from tests.end_to_end.clients import Answer
from tests.end_to_end.gateway import Gateway, certificates, prepared
from tests.end_to_end.lines import wait_until

GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg"
GATEWAY = f"{GROUP}/providers/Microsoft.Network/applicationGateways/edge"
VERSION = "?api-version=2025-03-01"


class ControlPlaneCase(SynchronousTestCase):
    """A directory, in which one gateway after the other may run."""

    workers = 1

    def setUp(self) -> None:
        self.plane, self.site = running.free_ports(2)
        text = (
            f"[gateway]\nstate_directory = state\naccess_log = access.log\nworkers = {self.workers}\n"
            f"[control]\narm = true\narm_port = {self.plane}\n[arm]\nports = 443={self.site}\n"
        )
        stage: AbstractContextManager[Gateway] = prepared(text)
        self.gateway = stage.__enter__()
        self.addCleanup(stage.__exit__, None, None, None)
        self.gateway.ports = [self.plane]
        self.backend = Backend()
        self.addCleanup(self.backend.close)

    # -- the control plane

    def asked(self, method: str, path: str, body: Any = None, *, bearer: str = "") -> tuple[int, Any]:
        """The status and the members of an answer."""
        state = self.gateway.directory / "state"
        context = ssl.create_default_context(cafile=str(state / "ca.pem"))
        secret = bearer or (state / "arm.secret").read_text().strip()
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body)
        with closing(http.client.HTTPSConnection("localhost", self.plane, timeout=60, context=context)) as connection:
            connection.request(method, f"{path}{VERSION}", data, headers)
            answer = connection.getresponse()
            text = answer.read()
        return answer.status, json.loads(text) if text else None

    def put(self, body: Body) -> tuple[int, Any]:
        """Puts a gateway."""
        return self.asked("PUT", GATEWAY, {"location": "local", "properties": body["properties"]})

    def body(self, **properties: Any) -> Body:
        """A gateway that asks for certificates of devices."""
        devices = certificates()["devices-root"].pem + certificates()["devices"].pem
        server = base64.b64encode(arm_gateways.pfx("secret", certificates()["server"])).decode()
        profile: Body = {
            "trustedClientCertificates": [reference("trustedClientCertificates", "devices")],
            "clientAuthConfiguration": {"verifyClientAuthMode": "Strict"},
        }
        settings = child("plain", port=self.backend.port, protocol="Http", requestTimeout=20)
        found = {
            "sslCertificates": [child("site", data=server, password="secret")],
            "backendHttpSettingsCollection": [settings],
        }
        trusted = [child("devices", data=base64.b64encode(devices).decode())]
        return https(profile=profile, trusted=trusted, **found | properties)

    def begun(self) -> None:
        """A gateway runs, with a resource group."""
        self.gateway.start()
        self.asked("PUT", GROUP, {"location": "local"})

    # -- the clients of the gateway

    def answers(self) -> list[int]:
        """What devices get, those of others, and clients without a certificate."""
        return [self.answer(each).status for each in ("ecdsa", "stranger", "")]

    def answer(self, certificate: str) -> Answer:
        """What one gets."""
        return clients.by_python(self.gateway.call(self.site, certificate))

    def is_closed(self) -> bool:
        """Whether nothing listens."""
        try:
            clients.plain(self.site).close()
        except OSError:
            return True
        return False


class ControlPlaneTests(ControlPlaneCase):
    """One process."""

    def test_life(self) -> None:
        """What is put serves with its client certificates; stopped it is closed; what is refused changes nothing."""
        self.begun()
        self.assertTrue(self.is_closed())
        status, members = self.put(self.body())
        self.assertEqual((status, members["properties"]["provisioningState"]), (201, "Succeeded"))
        self.assertNotIn("data", members["properties"]["sslCertificates"][0]["properties"])
        self.assertEqual(self.answers(), [200, 400, 400])
        settings = [child("other", port=self.backend.port, protocol="Http")]
        status, members = self.put(self.body(backendHttpSettingsCollection=settings))
        self.assertEqual((status, members["error"]["code"]), (400, "InvalidResourceReference"))
        self.assertEqual(self.answers(), [200, 400, 400])
        self.assertEqual(self.asked("POST", f"{GATEWAY}/stop")[0], 200)
        wait_until(self.is_closed, "the listener is closed")
        self.assertEqual(self.asked("GET", GATEWAY)[1]["properties"]["operationalState"], "Stopped")
        self.assertEqual(self.asked("POST", f"{GATEWAY}/start")[0], 200)
        self.assertEqual(self.answers(), [200, 400, 400])
        self.assertEqual(self.asked("DELETE", GATEWAY)[0], 200)
        wait_until(self.is_closed, "the listener is closed")
        self.assertEqual(self.asked("GET", GATEWAY)[0], 404)
        self.assertIn("Control plane: PUT applicationGateways/edge by secret: done (201)", self.gateway.output)
        self.assertEqual(self.gateway.stop(), -signal.SIGTERM)

    def test_busy_port(self) -> None:
        """A port of another program is an error that names it, and what serves goes on."""
        self.begun()
        self.put(self.body())
        other = Backend()
        self.addCleanup(other.close)
        ports = [child("p80", port=80), child("p443", port=other.port)]
        status, members = self.put(self.body(frontendPorts=ports))
        self.assertEqual(status, 400)
        self.assertIn(str(other.port), members["error"]["message"])
        self.assertEqual(self.answers(), [200, 400, 400])

    def test_killed(self) -> None:
        """A restart after SIGKILL serves what was answered last, with its secrets; SIGHUP changes nothing about it."""
        self.begun()
        self.put(self.body())
        self.gateway.signal(signal.SIGKILL)
        self.gateway.wait()
        self.gateway.start()
        self.assertEqual(self.answers(), [200, 400, 400])
        self.gateway.signal(signal.SIGHUP)
        wait_until(lambda: "nothing changed" in self.gateway.output, "the reload has ended")
        self.assertEqual(self.answers(), [200, 400, 400])
        without = self.body(sslCertificates=[child("site")])
        self.assertEqual(self.put(without)[0], 200)  # as clients do that have read it
        self.assertEqual(self.answers(), [200, 400, 400])

    def test_damaged(self) -> None:
        """A store that is damaged stops the start, and says which file it is."""
        self.begun()
        self.put(self.body())
        self.gateway.stop()
        state = self.gateway.directory / "state" / "arm" / "state.json"
        state.write_text(state.read_text().replace("edge", "ledge", 1))
        self.gateway.begin()
        self.assertEqual(self.gateway.wait(), 1)
        self.assertIn("state.json is damaged: nothing of it is served", self.gateway.output)
        self.assertTrue(self.is_closed())

    def test_no_secret_outside(self) -> None:
        """Neither the log nor the control API has the secret, a token, a key or a password."""
        self.begun()
        self.put(self.body())
        data = base64.b64encode(arm_gateways.pfx("secret", certificates()["server"])).decode()
        shown = self.gateway.agw("configuration", "--json", "--config", "gw.ini").stdout + self.gateway.output
        secret = (self.gateway.directory / "state" / "arm.secret").read_text().strip()
        for each in (secret, data[200:260], '"secret"'):
            self.assertNotIn(each, shown)
        self.assertEqual(self.asked("GET", GATEWAY, bearer=f"{secret}x")[0], 401)


class WorkersTests(ControlPlaneCase):
    """Several processes."""

    workers = 2

    def test_workers(self) -> None:
        """All of them serve what is put, and none what is refused."""
        self.begun()
        self.assertEqual(self.put(self.body())[0], 201)
        self.assertEqual([self.answer("ecdsa").status for _ in range(8)], [200] * 8)
        self.assertEqual(self.answers(), [200, 400, 400])
        for _ in range(3):  # at once: an address that went is free again for its next listener
            self.assertEqual(self.asked("POST", f"{GATEWAY}/stop")[0], 200)
            self.assertTrue(self.is_closed())
            status, members = self.asked("POST", f"{GATEWAY}/start")
            self.assertEqual(status, 200, members)
        self.assertEqual(self.answers(), [200, 400, 400])
