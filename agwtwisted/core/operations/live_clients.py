"""Clients that are connected, as `/clients` shows them: who each is, what it does, and how it is found among others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Final

import attrs

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.certificates.attributes import fingerprint_sha256
from agwtwisted.core.certificates.variables import CertificateVariables
from agwtwisted.core.identity.clients import (
    NO_PROOF,
    CertificateProof,
    Client,
    ClientConnection,
    ClientRevocationStatus,
    DecidingSource,
    NoSource,
)
from agwtwisted.core.operations.questions import QuestionError
from agwtwisted.core.operations.record_texts import cut, decoded
from agwtwisted.core.verification.verdicts import Refused, Verdict, log_word

MOST_CLIENTS: Final = 1000
"""Clients of one page."""

USUAL_CLIENTS: Final = 100
"""Where no limit is given."""


class ClientState(Enum):
    """What a client's connection is at."""

    PROXY_HEADER = "proxy header"
    HANDSHAKE = "handshake"
    VERDICT = "verdict"  # it waits for the gateway, which asks about its certificate
    IDLE = "idle"  # between two requests
    ACTIVE = "active"  # a request is under way
    STREAMING = "streaming"  # another protocol, or server-sent events
    CONNECTING = "connecting"  # L4: to a server
    RELAY = "relay"  # L4: to and from a server
    REFUSED = "refused"  # turned away, and about to end
    CLOSING = "closing"


@attrs.frozen(kw_only=True)
class ClientBytes:
    """Bytes without TLS."""

    received: int = 0
    sent: int = 0


@attrs.frozen(kw_only=True)
class LiveClient:
    """One client's connection at one moment."""

    listener: str
    protocol: str  # http/1.1 | h2 | tcp | tls
    state: ClientState
    connection: ClientConnection
    proof: CertificateProof = NO_PROOF
    verdict: Verdict = NO_PROOF.verdict
    revocation_status: ClientRevocationStatus = ClientRevocationStatus.NOT_CHECKED
    revocation_source: DecidingSource = NoSource.NONE
    requests: int = 0
    under_way: int = 0  # of the requests
    host: bytes = b""  # of the last request
    backend: str = ""  # host:port, where one is at work; where several are, with commas between them

    @classmethod
    def of(
        cls,
        client: Client,
        *,
        listener: str,
        protocol: str,
        state: ClientState,
        requests: int = 0,
        under_way: int = 0,
        host: bytes = b"",
        backend: str = "",
    ) -> LiveClient:
        """A client that was judged."""
        return cls(
            listener=listener,
            protocol=protocol,
            state=state,
            connection=client.connection,
            proof=client.proof,
            verdict=client.verdict,
            revocation_status=client.revocation_status,
            revocation_source=client.revocation_source,
            requests=requests,
            under_way=under_way,
            host=host,
            backend=backend,
        )


@attrs.frozen(kw_only=True)
class NumberedClient:
    """The same with what its connection says.

    Args:
        worker: the index of the process.
        number: of the connection in it, in the order in which they came.
        since: seconds since 1970.
        names_refused: whether a refused certificate may be named (`log_refused_certificates`).
    """

    client: LiveClient
    worker: int
    number: int
    since: float
    octets: ClientBytes = ClientBytes()
    names_refused: bool = True

    def members(self) -> Mapping[str, Any]:
        """It as the members of a JSON object."""
        client, facts = self.client, self.client.connection
        return {
            "id": client_id(self.worker, self.number),
            "listener": client.listener,
            "protocol": client.protocol,
            "address": facts.address,
            "port": facts.port,
            "since": utc_text(self.since),
            "verify": cut(log_word(client.verdict)),
            **identity_members(_named(client, names_refused=self.names_refused)),
            "revocation": client.revocation_status.value,
            "revocation_source": client.revocation_source.value or None,
            "tls": facts.tls_version or None,
            "cipher": facts.cipher or None,
            "resumed": facts.session_reused,
            "host": cut(decoded(client.host or facts.server_name.encode())),
            "state": client.state.value,
            "requests": client.requests,
            "under_way": client.under_way,
            "bytes_received": self.octets.received,
            "bytes_sent": self.octets.sent,
            "backend": client.backend or None,
        }


def identity_members(certificate: CertificateVariables | None) -> Mapping[str, Any]:
    """What a certificate says of who has it; null of one that there is not."""
    if certificate is None:
        return dict.fromkeys(("subject", "issuer", "serial", "fingerprint_sha256"))
    return {
        "subject": cut(decoded(certificate.logged_subject)),
        "issuer": cut(decoded(certificate.logged_issuer)),
        "serial": cut(decoded(certificate.serial)),
        "fingerprint_sha256": fingerprint_sha256(certificate.der).decode(),
    }


def _named(client: LiveClient, *, names_refused: bool) -> CertificateVariables | None:
    is_hidden = isinstance(client.verdict, Refused) and not names_refused
    return None if is_hidden else client.proof.certificate


_SEARCHED: Final = (
    *("id", "listener", "protocol", "address", "verify", "subject", "issuer", "serial", "fingerprint_sha256"),
    *("revocation", "revocation_source", "host", "state", "backend"),
)


def has_text(members: Mapping[str, Any], text: str) -> bool:
    """Whether any of a client's texts has this in it, whatever its case."""
    wanted = text.casefold()
    return any(wanted in (members[name] or "").casefold() for name in _SEARCHED)


class ClientPage:
    """A page of clients that come in the order of their numbers; the others are counted.

    Args:
        limit: so many there are on it.
        after: the number behind which it begins.
        search: a text that each has to have; empty: all are on it.
    """

    def __init__(self, limit: int, after: int = 0, search: str = "") -> None:
        self._limit = limit
        self._after = after
        self._search = search
        self._total = 0
        self._clients: list[Mapping[str, Any]] = []
        self._has_more = False

    def take(self, number: int, members: Callable[[], Mapping[str, Any]]) -> None:
        """The next one; `members` are made where they are looked at."""
        found = members() if self._search else None
        if found is not None and not has_text(found, self._search):
            return
        self._total += 1
        if number > self._after:
            if len(self._clients) == self._limit:
                self._has_more = True
            else:
                self._clients.append(members() if found is None else found)

    def members(self) -> Mapping[str, Any]:
        """The page as the members of a JSON object."""
        last = self._clients[-1]["id"] if self._has_more else None
        return {"clients": self._clients, "total": self._total, "next": last}


def client_id(worker: int, number: int) -> str:
    """``1-4711``."""
    return f"{worker}-{number}"


def parsed_id(text: str, name: str = "id") -> tuple[int, int]:
    """The index of a worker and the number of a connection in it. Raises QuestionError."""
    worker, dash, number = text.partition("-")
    digits = worker + number
    if not dash or not (worker and number) or not digits.isascii() or not digits.isdigit() or len(digits) > _DIGITS:
        raise QuestionError(400, f"{name} has to be the id of a client, such as 1-4711")
    return int(worker), int(number)


_DIGITS: Final = 24
