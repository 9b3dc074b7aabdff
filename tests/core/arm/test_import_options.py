"""What is given besides a document."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.import_options import GivenCertificate, ImportOptions


class ImportOptionsTests(SynchronousTestCase):
    """Options as values."""

    def test_no_secret_is_shown(self) -> None:
        """Neither files nor passwords are in a repr."""
        file = GivenCertificate(data=b"KEY", password=b"secret")
        for shown in (repr(file), repr(ImportOptions(certificates={"site": file}, pages={"u": b"KEY"}))):
            self.assertNotIn("secret", shown)
            self.assertNotIn("KEY", shown)
