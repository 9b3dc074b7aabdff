"""Clients that were refused, as `/refusals` shows them, and a bounded memory of the last ones.

What a client has sent is looked at when it is asked for: to note a refusal costs little, however many there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import attrs

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.certificates.pem import pem_text
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.identity.clients import ClientRevocationStatus, DecidingSource, NoSource
from agwtwisted.core.operations.live_clients import client_id, identity_members
from agwtwisted.core.operations.record_texts import cut
from agwtwisted.core.verification.verdicts import Refused, Refusing, log_word

MOST: Final = 1000
"""Refusals that are remembered."""

MOST_BYTES: Final = 4 << 20
"""Bytes of the certificates of all of them."""

USUAL: Final = 100
"""Refusals of one answer where no limit is given."""

NO_CERTIFICATE: Final = "no certificate"
"""The reason of a client that has sent none."""


@attrs.frozen(kw_only=True)
class RefusedClient:
    """One refusal."""

    at: float  # seconds since 1970
    stage: str  # handshake | verdict | path | revalidation, as the metric has it
    listener: str
    address: str
    port: int
    verdict: Refusing
    revocation_status: ClientRevocationStatus = ClientRevocationStatus.NOT_CHECKED
    revocation_source: DecidingSource = NoSource.NONE
    certificates: tuple[bytes, ...] = attrs.field(default=(), repr=False)
    """What it has sent, in DER, its own first; nothing where refused certificates are not to be named."""

    @property
    def size(self) -> int:
        """Bytes of its certificates."""
        return sum(map(len, self.certificates))

    def members(self, worker: int, number: int) -> Mapping[str, Any]:
        """It as the members of a JSON object; its id is that of a worker and a number there."""
        leaf = certificate_variables(self.certificates[0]) if self.certificates else None
        return {
            "id": client_id(worker, number),
            "at": utc_text(self.at),
            "stage": self.stage,
            "listener": self.listener,
            "address": self.address,
            "port": self.port,
            "reason": cut(self.verdict.reason if isinstance(self.verdict, Refused) else NO_CERTIFICATE),
            "verify": cut(log_word(self.verdict)),
            **identity_members(leaf),
            "revocation": self.revocation_status.value,
            "revocation_source": self.revocation_source.value or None,
            "has_certificate": bool(self.certificates),
        }

    @property
    def pem(self) -> str:
        """Its certificates; empty where there are none."""
        return b"".join(map(pem_text, self.certificates)).decode()


class RefusalMemory:
    """The last refusals of a process.

    Args:
        most: so many are remembered.
        most_bytes: of certificates, in all.
        first_number: of the refusals.
    """

    def __init__(self, most: int = MOST, most_bytes: int = MOST_BYTES, first_number: int = 1) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._bytes = 0
        self._last = first_number - 1  # the number of the last one
        self._kept: deque[RefusedClient] = deque()

    def add(self, refused: RefusedClient) -> int:
        """Remembers one; the oldest make room. Returns its number."""
        self._kept.append(refused)
        self._bytes += refused.size
        self._last += 1
        while len(self._kept) > self._most or self._bytes > self._most_bytes:
            self._bytes -= self._kept.popleft().size
        return self._last

    def newest(self, limit: int) -> list[tuple[int, RefusedClient]]:
        """The last ones with their numbers, the newest first."""
        return [(self._last - index, self._kept[-1 - index]) for index in range(min(limit, len(self._kept)))]

    def of(self, number: int) -> RefusedClient | None:
        """The one of this number; None: it is not remembered."""
        index = len(self._kept) - 1 - (self._last - number)
        return self._kept[index] if 0 <= index < len(self._kept) else None
