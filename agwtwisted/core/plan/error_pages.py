"""The operator's own pages in place of the gateway's."""

from __future__ import annotations

from collections.abc import Iterable

from agwtwisted.core.resources.resources import CustomError


class ErrorPages:
    """The operator's own pages, each in place of every page of ours with its status.

    The pages about client certificates are among those: where there is one for 400, a client that is turned away reads
    it, and the reason stands in the log alone. What a backend answers is not replaced (product page "Custom error").
    """

    def __init__(self, custom_errors: Iterable[CustomError] = ()) -> None:
        self._pages = {(each.listener, each.status): each.page for each in custom_errors}

    def page(self, listener: str, status: int) -> bytes | None:
        """The body for a status: the listener's own, else the gateway's; None where ours is shown."""
        pages = self._pages
        if not pages:
            return None
        return pages.get((listener, status)) or pages.get(("", status))


NO_ERROR_PAGES = ErrorPages()
"""Of an operator who has none."""
