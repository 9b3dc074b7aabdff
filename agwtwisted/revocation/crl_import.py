"""Lists that an operator brings to a running gateway: which issuer has signed each, and what becomes of it.

Caller: the CRL source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
from twisted.internet.defer import Deferred

from agwtwisted.core.certificates.names import relative_names
from agwtwisted.core.certificates.reading import certificate_of
from agwtwisted.core.revocation.crl import CrlHead, read_head
from agwtwisted.core.revocation.crl_encodings import encoded_lists
from agwtwisted.core.revocation.status import Unusable
from agwtwisted.revocation.crl_facts import taken_text
from agwtwisted.revocation.crl_retrieval import Accept
from agwtwisted.revocation.crl_store import StoredList
from agwtwisted.revocation.held_lists import HeldLists


@attrs.frozen(kw_only=True)
class BroughtList:
    """What became of a list that was brought."""

    taken: bool
    what: str  # whose list it is
    detail: str  # what it says, or why it is not taken


class ListImport:
    """Takes lists.

    Args:
        lists: in force.
        accept: puts a list in force, or says why it does not count.
        keep: stores one that does, and lets other processes know.
        seconds: the time since 1970.
    """

    def __init__(
        self,
        lists: HeldLists,
        accept: Accept,
        keep: Callable[[StoredList], Deferred[None]],
        seconds: Callable[[], float],
    ) -> None:
        self._lists = lists
        self._accept = accept
        self._keep = keep
        self._seconds = seconds

    async def take(self, data: bytes, issuers: Iterable[bytes]) -> list[BroughtList]:
        """What becomes of each list in a file, whose issuer may be one of these (certificates in DER).

        Raises:
            CrlFileError: there is none.
        """
        those = tuple(dict.fromkeys(issuers))
        return [await self._take(each, those) for each in encoded_lists(data)]

    async def _take(self, data: bytes, issuers: tuple[bytes, ...]) -> BroughtList:
        head = read_head(data)
        if isinstance(head, Unusable):
            return BroughtList(taken=False, what="a CRL", detail=head.reason)
        why = "its issuer is not among the trusted client certificates"
        for issuer in issuers:
            certificate = certificate_of(issuer)
            if certificate is None or not head.may_be_of(certificate):
                if certificate is not None and head.names_other_key_of(certificate):
                    why = "it is signed with another key than that of the trusted CA of this name"
                continue
            stored = StoredList(data=data, issuer=issuer, fetched=self._seconds())
            refused = await self._accept(stored)
            held = self._lists.same_as(stored)
            if held is not None:
                await self._keep(stored)
                return BroughtList(taken=True, what=name_of_list(head), detail=taken_text(held, refused))
            why = "" if refused is None else refused.reason
        return BroughtList(taken=False, what=name_of_list(head), detail=why)


def name_of_list(head: CrlHead) -> str:
    """A list's name for people."""
    number = "" if head.number is None else f" {head.number}"
    return f"CRL{number} of {relative_names(head.issuer).decode('utf-8', 'replace')}"
