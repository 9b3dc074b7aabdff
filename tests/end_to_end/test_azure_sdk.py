"""The SDK of Azure for Python sets up a gateway, and real clients meet it."""

from __future__ import annotations

from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.rest import HttpRequest
from azure.mgmt.network.operations import ApplicationGatewaysOperations

from tests.arm_gateways import child
from tests.end_to_end.azure import GATEWAY, GROUP, AzureCase

OF = ("rg", "edge")
SERVED = [200, 400, 400]


class SdkTests(AzureCase):
    """azure-mgmt-network with azure-identity, every operation of application gateways."""

    def setUp(self) -> None:
        super().setUp()
        self.client = self.stage.client()
        self.addCleanup(self.client.close)
        request = HttpRequest("PUT", f"{GROUP}?api-version=2024-11-01", json={"location": "local"})
        self.client.send_request(request).raise_for_status()
        self.made = self.gateways.begin_create_or_update(*OF, self.stage.body()).result()

    @property
    def gateways(self) -> ApplicationGatewaysOperations:
        """The operations."""
        return self.client.application_gateways

    def refused(self, body: Any) -> HttpResponseError:
        """Why a PUT is refused; what serves goes on."""
        with self.assertRaises(HttpResponseError) as caught:
            self.gateways.begin_create_or_update(*OF, body).result()
        self.assertEqual(self.stage.answers(), SERVED)
        return caught.exception

    def test_create_and_read(self) -> None:
        """What a PUT makes is found by name, in its group and in the subscription, and serves devices alone."""
        self.assertEqual((self.made.provisioning_state, self.made.id), ("Succeeded", GATEWAY))
        self.assertEqual(self.stage.answers(), SERVED)
        found = self.gateways.get(*OF)
        self.assertEqual(found.as_dict(), self.made.as_dict())
        self.assertEqual([each.etag for each in self.gateways.list("rg")], [found.etag])
        self.assertEqual([each.etag for each in self.gateways.list_all()], [found.etag])

    def test_get_change_put(self) -> None:
        """A GET has no secret, and is a PUT all the same: the certificate stays, and clients meet the change."""
        found = self.gateways.get(*OF)
        [certificate] = found.ssl_certificates
        self.assertEqual((certificate.data, certificate.password), (None, None))
        self.assertTrue(certificate.public_cert_data)
        found.ssl_profiles[0].client_auth_configuration.verify_client_auth_mode = "Passthrough"
        changed = self.gateways.begin_create_or_update(*OF, found).result()
        self.assertNotEqual(changed.etag, found.etag)
        self.assertEqual(self.stage.answers(), [200, 200, 200])
        self.gateways.begin_create_or_update(*OF, self.stage.body()).result()
        self.assertEqual(self.stage.answers(), SERVED)

    def test_refusals(self) -> None:
        """Errors are typed, with the product's code; traffic and resource stay as they were."""
        before = self.gateways.get(*OF)
        body = self.stage.body(backendHttpSettingsCollection=[child("other", port=1, protocol="Http")])
        error = self.refused(body)
        self.assertEqual((error.status_code, error.error.code), (400, "InvalidResourceReference"))
        [certificate] = self.stage.body()["properties"]["sslCertificates"]
        wrong = child("site", data=certificate["properties"]["data"], password="wrong")
        error = self.refused(self.stage.body(sslCertificates=[wrong]))
        self.assertEqual(error.error.code, "ApplicationGatewaySslCertificatePasswordIncorrect")
        both = self.stage.body(sslCertificates=[wrong], probes=[child("p", protocol="Gopher", path="/")])
        details = self.refused(both).error.details
        self.assertGreater(len(details), 1)
        self.assertEqual(self.gateways.get(*OF).etag, before.etag)

    def test_strict_without_authorities(self) -> None:
        """A Strict profile that trusts no CA is refused, not open."""
        profile = {"clientAuthConfiguration": {"verifyClientAuthMode": "Strict"}, "trustedClientCertificates": []}
        self.refused(self.stage.body(sslProfiles=[child("devices", **profile)]))

    def test_tags(self) -> None:
        """Tags are replaced as a whole, and nothing else."""
        self.assertEqual(self.gateways.update_tags(*OF, {"tags": {"a": "b"}}).tags, {"a": "b"})
        self.assertEqual(self.stage.answers(), SERVED)

    def test_stop_and_start(self) -> None:
        """A stopped gateway listens nowhere, a PUT does not start it, and started it serves what was put last."""
        self.gateways.begin_stop(*OF).result()
        with self.assertRaises(OSError):
            self.stage.answers()
        changed = self.gateways.begin_create_or_update(*OF, self.stage.body()).result()
        self.assertEqual(changed.operational_state, "Stopped")
        with self.assertRaises(OSError):
            self.stage.answers()
        self.gateways.begin_start(*OF).result()
        self.assertEqual(self.gateways.get(*OF).operational_state, "Running")
        self.assertEqual(self.stage.answers(), SERVED)

    def test_health(self) -> None:
        """Servers by pool and settings; on demand each is probed at once."""
        health = self.gateways.begin_backend_health(*OF).result()
        [pool] = health.backend_address_pools
        self.assertEqual(pool.backend_address_pool.id, f"{GATEWAY}/backendAddressPools/app")
        [settings] = pool.backend_http_settings_collection
        self.assertEqual([each.address for each in settings.servers], ["127.0.0.1"])
        request = {
            "protocol": "Http",
            "host": "localhost",
            "path": "/",
            "backendAddressPool": {"id": f"{GATEWAY}/backendAddressPools/app"},
            "backendHttpSettings": {"id": f"{GATEWAY}/backendHttpSettingsCollection/plain"},
        }
        probed = self.gateways.begin_backend_health_on_demand(*OF, request).result()
        [server] = probed.backend_health_http_settings.servers
        self.assertEqual((server.address, server.health), ("127.0.0.1", "Healthy"))

    def test_delete(self) -> None:
        """What was deleted listens nowhere and is not found; a second time there is nothing to do."""
        for _ in range(2):
            self.gateways.begin_delete(*OF).result()
        with self.assertRaises(OSError):
            self.stage.answers()
        with self.assertRaises(ResourceNotFoundError) as caught:
            self.gateways.get(*OF)
        self.assertEqual(caught.exception.error.code, "ResourceNotFound")

    def test_available_values(self) -> None:
        """Policies, variables and headers that rules can name."""
        self.assertEqual(self.gateways.list_available_ssl_options().default_policy, "AppGwSslPolicy20220101")
        policies = {each.name for each in self.gateways.list_available_ssl_predefined_policies()}
        self.assertEqual(self.gateways.get_ssl_predefined_policy("AppGwSslPolicy20220101S").name in policies, True)
        self.assertIn("client_certificate_subject", self.gateways.list_available_server_variables())
        self.assertIn("Cookie", self.gateways.list_available_request_headers())
        self.assertIn("Set-Cookie", self.gateways.list_available_response_headers())
