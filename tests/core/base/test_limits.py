"""What the configuration may ask for."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base import limits
from agwtwisted.core.base.limits import Range


class RangeTests(SynchronousTestCase):
    """From lowest to highest."""

    def test_ends_are_included(self) -> None:
        """Both ends are allowed, what lies beyond is not."""
        self.assertEqual([number in Range(1, 3) for number in (0, 1, 3, 4)], [False, True, True, False])
        self.assertNotIn(0.999, Range(1, 3))

    def test_text(self) -> None:
        """A range reads as in a sentence."""
        self.assertEqual(f"a number from {limits.PRIORITY}", "a number from 1 to 20000")


class ProductTests(SynchronousTestCase):
    """The limits of the product's pages."""

    def test_documented_values(self) -> None:
        """Each as documented: changing one is a decision, not a slip."""
        documented = {
            "PRIORITY": (1, 20_000),
            "TIMEOUT": (1, 86_400),
            "HOST_NAMES_PER_LISTENER": (1, 5),
            "TARGETS_PER_POOL": (1, 1200),
            "CLIENT_CAS_PER_PROFILE": (1, 100),
            "CLIENT_CAS_PER_GATEWAY": (0, 200),
            "ROOT_CAS_PER_SETTINGS": (1, 100),
            "SSL_CERTIFICATE_BYTES": (0, 16_384),
            "WILDCARDS_PER_HOST_NAME": (0, 4),
            "STARS_PER_HOST_NAME": (0, 2),
            "STARS_PER_LABEL": (0, 1),
        }
        for name, (lowest, highest) in documented.items():
            found = getattr(limits, name)
            self.assertEqual((found.lowest, found.highest), (lowest, highest), name)

    def test_code_of_the_product(self) -> None:
        """A server certificate that is too big is refused in the product's words."""
        self.assertEqual(limits.SSL_CERTIFICATE_BYTES.code, "ApplicationGatewaySslCertificateDataTooBig")
