"""Members that are never given back."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.write_only import without_secrets


class WithoutSecretsTests(SynchronousTestCase):
    """Which stay, and which do not."""

    def test_deep(self) -> None:
        """Texts with the name of a secret go, in any case and however deep; everything else stays in its order."""
        servers = [{"radiusServerSecret": "s", "radiusServerAddress": "10.0.0.1"}]
        body = {"tags": {"password": "a tag"}, "Properties": {"SharedKey": "s", "a": 1, "radiusServers": servers}}
        expected = {"a": 1, "radiusServers": [{"radiusServerAddress": "10.0.0.1"}]}
        found = without_secrets("Microsoft.Network/connections", body)
        self.assertEqual(found, {"tags": {"password": "a tag"}, "Properties": expected})

    def test_kinds(self) -> None:
        """A value is secret in a Key Vault alone, and a policy about passwords is none."""
        body = {"properties": {"value": "x", "password": {"length": 8}}}
        self.assertEqual(without_secrets("Microsoft.Network/routeFilters", body), body)
        found = without_secrets("microsoft.keyvault/vaults/Secrets", body)
        self.assertEqual(found, {"properties": {"password": {"length": 8}}})
