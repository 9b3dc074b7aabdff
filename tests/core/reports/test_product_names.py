"""`agwtwisted.core.reports.product_names`: sections and keys in the product's words."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.reports.product_names import is_ordered, path_of, property_of


class ProductNamesTests(SynchronousTestCase):
    """What is called what."""

    def test_paths(self) -> None:
        """A resource by its collection, one within another by both; what the product has not, as in the file."""
        self.assertEqual(path_of("http_listener", "public"), "httpListeners/public")
        self.assertEqual(path_of("path_rule", "map/images"), "urlPathMaps/map/pathRules/images")
        self.assertEqual(path_of("rewrite_rule", "set/one two"), "rewriteRuleSets/set/rewriteRules/one two")
        self.assertEqual(path_of("custom_error", "gateway/502"), "customErrorConfigurations/gateway/502")
        self.assertEqual(path_of("gateway", ""), "gateway")

    def test_properties(self) -> None:
        """Properties by the product's spelling, which is not always the rule; ours as in the file."""
        self.assertEqual(property_of("http_listener", "ssl_profile"), "sslProfile")
        self.assertEqual(property_of("backend_http_settings", "validate_sni"), "validateSNI")
        self.assertEqual(property_of("ssl_profile", "client_auth"), "clientAuthConfiguration.verifyClientAuthMode")
        self.assertEqual(property_of("ssl_profile", "refusal"), "refusal")
        self.assertEqual(property_of("ssl_profile", "ocsp_scope"), "ocsp_scope")
        self.assertEqual(property_of("gateway", "idle_timeout"), "idle_timeout")
        self.assertEqual(property_of("gateway", "ssl_policy"), "sslPolicy")

    def test_order(self) -> None:
        """Cipher groups have an order, host names have none."""
        self.assertTrue(is_ordered("tls_groups"))
        self.assertFalse(is_ordered("host_names"))
