"""Paths and ids."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager import ids
from agwtwisted.core.resource_manager.ids import LONGEST, MAX_SEGMENTS, gateway_child, parsed, segments


class SegmentsTests(SynchronousTestCase):
    """The segments of a path."""

    def test_decodes_and_skips_empty_ones(self) -> None:
        """Segments are decoded; doubled and trailing slashes, as some clients send them, make none."""
        self.assertEqual(segments("//subscriptions/a%20b/"), ("subscriptions", "a b"))

    def test_refuses_what_no_resource_has(self) -> None:
        """No slash, a dot segment, a slash or a control character within one, and too many or too long ones."""
        for path in ("subscriptions", "/a/../b", "/a%2fb", "/a%00", "/a" * (MAX_SEGMENTS + 1), f"/{'a' * 300}"):
            self.assertIsNone(segments(path), path)


class ParsedTests(SynchronousTestCase):
    """Ids of resources."""

    def test_kinds_and_names(self) -> None:
        """Kinds and names come in turn, with a key without case, a parent, and the id again."""
        text = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/V/subnets/A"
        identity = parsed(text)
        assert identity
        self.assertEqual(identity.kind, "Microsoft.Network/virtualNetworks/subnets")
        self.assertEqual((identity.names, identity.name), (("V", "A"), "A"))
        self.assertEqual((str(identity), identity.key), (text, text.lower()))
        self.assertEqual(str(identity.parent), text.removesuffix("/subnets/A"))
        self.assertEqual(identity.group_id, "/subscriptions/s/resourceGroups/rg")

    def test_refuses_others(self) -> None:
        """A group, a list, and a resource of a subscription have no such id."""
        for text in ("/subscriptions/s/resourceGroups/rg", "/subscriptions/s/resourceGroups/rg/providers/N/T", "x"):
            self.assertIsNone(parsed(text))
        self.assertIsNone(parsed("/tenants/s/resourceGroups/rg/providers/N/T/x"))


class GatewayChildTests(SynchronousTestCase):
    """The part of a reference that counts within a gateway."""

    def test_any_prefix(self) -> None:
        """Subscription, group and gateway do not count; a relative reference is one as well."""
        full = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/applicationgateways/other"
        self.assertEqual(gateway_child(f"{full}/httpListeners/x"), ("httpListeners", "x"))
        self.assertEqual(gateway_child(f"{full}/urlPathMaps/m/pathRules/r"), ("urlPathMaps", "m", "pathRules", "r"))
        self.assertEqual(gateway_child("/httpListeners/x"), ("httpListeners", "x"))

    def test_something_else(self) -> None:
        """The id of a subnet leads out of the gateway."""
        self.assertEqual(gateway_child("/subscriptions/s/resourceGroups/rg/providers/N/virtualNetworks/v"), ())

    def test_long(self) -> None:
        """A reference that is too long for any child leads nowhere, and is not remembered."""
        for length, found in ((0, 4), (LONGEST, 0)):
            ids._gateway_child.cache_clear()
            text = "/urlPathMaps/m/pathRules/r" + "/" * length
            self.assertEqual([len(gateway_child(text)) for _ in range(2)], [found] * 2)
            self.assertEqual(ids._gateway_child.cache_info().currsize, 1 if found else 0)
