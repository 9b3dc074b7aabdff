"""The operator's own pages."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.error_pages import ErrorPages
from agwtwisted.core.resources.resources import CustomError


class ErrorPagesTests(SynchronousTestCase):
    """Pages of the operator's own."""

    def test_listener_before_gateway(self) -> None:
        """The page of a listener stands before that of the gateway, and each for its own status alone."""
        own = ErrorPages(
            [
                CustomError(status=502, page=b"gateway 502"),
                CustomError(status=404, page=b"gateway 404"),
                CustomError(listener="a", status=502, page=b"a 502"),
            ]
        )
        self.assertEqual([own.page("a", status) for status in (502, 404, 400)], [b"a 502", b"gateway 404", None])
        self.assertEqual([own.page("b", status) for status in (502, 404, 400)], [b"gateway 502", b"gateway 404", None])

    def test_none(self) -> None:
        """Without any there is none."""
        self.assertIsNone(ErrorPages().page("a", 502))
