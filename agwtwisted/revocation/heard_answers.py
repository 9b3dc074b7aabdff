"""Signed answers that others let this process know: workers of its gateway, and gateways that share a store.

Each is proven here, at once if it matters to a client that is there, or when its certificate is first seen. Caller: the
answers of OCSP responders, which have the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.memory import News, RevocationMemory, Subject
from agwtwisted.core.revocation.profiles import ProfilesInForce
from agwtwisted.core.verification.judging import valid_until
from agwtwisted.revocation.ocsp_store import StoredResponse
from agwtwisted.revocation.unproven import UnprovenResponses, published


class Prove(Protocol):
    """Takes up a response, if it proves something."""

    def __call__(
        self, stored: StoredResponse, subject: Subject, profile: SslProfile, *, arrived: float | None = None
    ) -> News:
        """What that changed; `arrived` None: it arrived when it was signed."""


class HeardAnswers:
    """What others know.

    Args:
        memory: of what is proven.
        profiles: that ask.
        unproven: keeps what is proven later.
        prove: as it says.
        put: stores a response across restarts.
        seconds: the time, since 1970.
    """

    def __init__(
        self,
        memory: RevocationMemory,
        profiles: ProfilesInForce,
        unproven: UnprovenResponses,
        prove: Prove,
        put: Callable[[StoredResponse], None],
        seconds: Callable[[], float],
    ) -> None:
        self._memory = memory
        self._profiles = profiles
        self._unproven = unproven
        self._prove = prove
        self._put = put
        self._seconds = seconds
        self._watched: dict[bytes, tuple[Subject, str]] = {}  # with the name of a profile
        self._asked: dict[bytes, list[tuple[Subject, str]]] = {}  # likewise, of questions that have no answer yet

    def watch(
        self, watched: Mapping[bytes, tuple[Subject, str]], unwatch: Callable[[], None], watchers: Container[bytes]
    ) -> Callable[[], None]:
        """A client is there with these certificates, until what this returns is called, which calls `unwatch`."""
        self._watched.update(watched)

        def unwatch_and_forget() -> None:
            unwatch()
            for key in watched:
                if key not in watchers:
                    self._watched.pop(key, None)

        return unwatch_and_forget

    @contextmanager
    def asking(self, key: bytes, subject: Subject, profile: SslProfile) -> Iterator[None]:
        """A source is being asked about a certificate: what others say meanwhile matters, its answer may be older."""
        question = (subject, profile.name)
        self._asked.setdefault(key, []).append(question)
        try:
            yield
        finally:
            questions = self._asked[key]
            questions.remove(question)
            if not questions:
                del self._asked[key]

    # -- from other workers

    def heard(self, payload: bytes) -> None:
        """A worker has learnt something."""
        stored = published(payload)
        if stored.is_revoked:
            self._put(stored)  # the other process may be killed before it has
        self.take_up(stored)

    def take_up(self, stored: StoredResponse) -> None:
        """Proves a response now, if it matters to a client that is there, or keeps it until its certificate is seen."""
        at_hand = self._at_hand(stored.key)
        if at_hand is None:
            self._unproven.put(stored)
        else:
            self._prove(stored, *at_hand, arrived=self._seconds())

    # -- from other gateways, as shared_source.Hearer says

    def concerns(self, key: bytes) -> bool:
        """Whether it matters here that a certificate is said to be revoked: a client has it, had it of late, or waits.

        What is not proven yet is forgotten, so that it is asked about when its client comes.
        """
        self._unproven.discard_good(key)
        return not self._memory.is_revoked(key, self._seconds()) and self._at_hand(key) is not None

    def take_shared(self, key: bytes, responses: Iterable[bytes]) -> None:
        """Takes up what other gateways have stored about a certificate, as far as it proves something."""
        for response in responses:
            if (at_hand := self._at_hand(key)) is not None:
                until = valid_until(at_hand[0][:1])
                stored = StoredResponse(key=key, response=response, is_revoked=True, until=until)
                if self._prove(stored, *at_hand) is News.REVOKED:
                    self._put(stored)

    def _at_hand(self, key: bytes) -> tuple[Subject, SslProfile] | None:
        """A certificate that a client is connected with, or was, as far as something is held or asked about it.

        With it the profile that it was asked for, or any: a revocation binds whatever sources a profile has.
        """
        held = self._memory.held(key, self._seconds())
        known = self._watched.get(key) if held is None else (held.subject, held.profile)
        if known is None and key in self._asked:
            known = self._asked[key][0]
        return None if known is None else (known[0], self._profiles.named_or_any(known[1]))
