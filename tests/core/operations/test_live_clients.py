"""Clients that are connected, as the control API shows them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.identity.clients import (
    CertificateProof,
    ClientConnection,
    ClientRevocationStatus,
    RevocationSource,
    TurnedAway,
)
from agwtwisted.core.operations.live_clients import (
    ClientBytes,
    ClientPage,
    ClientState,
    LiveClient,
    NumberedClient,
    client_id,
    has_text,
    parsed_id,
)
from agwtwisted.core.operations.questions import QuestionError
from agwtwisted.core.verification.verdicts import Refused
from tests import configurations
from tests.identities import admitted


def numbered(client: LiveClient, **others: Any) -> Mapping[str, Any]:
    """The members of a client."""
    return NumberedClient(client=client, worker=1, number=4711, since=0.0, **others).members()


def refused() -> LiveClient:
    """A client whose certificate is not accepted."""
    certificate = certificate_variables(configurations.site().der)
    verdict = Refused("certificate has expired")
    connection = ClientConnection(address="10.0.0.1", port=5, tls_version="TLSv1.3", cipher="C", session_reused=True)
    proof = CertificateProof(verdict=verdict, certificate=certificate)
    away = TurnedAway(
        connection=connection,
        proof=proof,
        verdict=verdict,
        revocation_status=ClientRevocationStatus.GOOD,
        revocation_source=RevocationSource.CRL,
    )
    return LiveClient.of(away, listener="public", protocol="http/1.1", state=ClientState.REFUSED)


class MembersTests(SynchronousTestCase):
    """One client."""

    def test_anonymous(self) -> None:
        """A client without TLS has no identity and no cipher."""
        client = LiveClient.of(admitted(), listener="a", protocol="tcp", state=ClientState.RELAY, backend="b:1")
        members = numbered(client, octets=ClientBytes(received=3, sent=4))
        for name in ("subject", "issuer", "serial", "fingerprint_sha256", "tls", "cipher"):
            self.assertIsNone(members[name], name)
        self.assertEqual(
            (members["id"], members["since"], members["state"]), ("1-4711", "1970-01-01T00:00:00Z", "relay")
        )
        self.assertEqual((members["bytes_received"], members["bytes_sent"], members["backend"]), (3, 4, "b:1"))

    def test_identity(self) -> None:
        """A client with a certificate has what it says, and the verdict on it."""
        members = numbered(refused())
        self.assertEqual((members["subject"], members["verify"]), ("CN=localhost", "FAILED:certificate has expired"))
        self.assertEqual((members["revocation"], members["resumed"], members["tls"]), ("good", True, "TLSv1.3"))
        self.assertEqual(members["revocation_source"], "CRL")
        self.assertEqual(json.loads(json.dumps(members)), members)

    def test_refused_without_names(self) -> None:
        """A refused certificate is not named where the configuration forbids it."""
        members = numbered(refused(), names_refused=False)
        self.assertEqual((members["subject"], members["serial"], members["fingerprint_sha256"]), (None, None, None))

    def test_hostile_texts(self) -> None:
        """What a client sends is a text of bounded length, whatever its bytes are."""
        client = LiveClient.of(admitted(), listener="a", protocol="p", state=ClientState.IDLE, host=b"\xff\x00" * 9999)
        self.assertLess(len(numbered(client)["host"]), 2200)

    def test_searched(self) -> None:
        """A client is found by any of its texts, in any case."""
        members = numbered(refused())
        for text in ("LOCALHOST", "10.0.0.1", "expired", "4711", members["fingerprint_sha256"].upper(), "Public"):
            self.assertTrue(has_text(members, text), text)
        self.assertFalse(has_text(members, "elsewhere"))


class IdTests(SynchronousTestCase):
    """The ids."""

    @given(st.integers(0, 999), st.integers(0, 1 << 53))
    def test_read_back(self, worker: int, number: int) -> None:
        """An id that was given out is read as what it was made of."""
        self.assertEqual(parsed_id(client_id(worker, number)), (worker, number))

    def test_no_ids(self) -> None:
        """Anything else is refused."""
        for text in ("", "1", "1-", "-1", "a-1", "1-2-3", "1--2", "\u0661-2", "1-" + "9" * 50):
            self.assertRaises(QuestionError, parsed_id, text)


class PageTests(SynchronousTestCase):
    """Pages."""

    @given(st.integers(0, 30), st.integers(1, 10), st.sampled_from(["", "even"]))
    def test_all_of_them(self, count: int, limit: int, search: str) -> None:
        """Page by page each client comes once, in order, and each page knows how many there are in all."""

        def members(number: int) -> Callable[[], Mapping[str, Any]]:
            return lambda: {**numbered(refused()), "id": f"1-{number}", "host": "odd" if number % 2 else "even"}

        expected = [number for number in range(1, count + 1) if not search or number % 2 == 0]
        found: list[int] = []
        after = 0
        while True:
            page = ClientPage(limit, after, search)
            for number in range(1, count + 1):
                page.take(number, members(number))
            answer = page.members()
            self.assertEqual(answer["total"], len(expected))
            found += [parsed_id(each["id"])[1] for each in answer["clients"]]
            if answer["next"] is None:
                break
            after = parsed_id(answer["next"])[1]
        self.assertEqual(found, expected)

    def test_made_where_needed(self) -> None:
        """Without a search only the clients of the page are looked at."""
        made: list[int] = []
        page = ClientPage(2, 3)
        for number in range(1, 10):
            page.take(number, lambda number=number: made.append(number) or {"id": f"1-{number}"})  # type: ignore[misc]
        self.assertEqual((made, page.members()["total"], page.members()["next"]), ([4, 5], 9, "1-5"))
