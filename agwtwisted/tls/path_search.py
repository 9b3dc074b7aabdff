"""Searches another path to a root if OpenSSL's first one fails.

`core.verification.path_building` proposes paths, OpenSSL judges each whole. It runs in the verify callback, for a
client whose first verification failed because of a missing or invalid issuer. Its cost is bounded by signatures, paths
and time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from OpenSSL import crypto

from agwtwisted.core.verification.judging import Anchors, Evidence, judge
from agwtwisted.core.verification.path_building import Checks, Node, Piece, Uploaded, candidate_paths, pieces
from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.tls.openssl import NO_CHECK_TIME, PARTIAL_CHAIN, ChainFault, verified_chain
from agwtwisted.transport.clocks import processor_seconds

MAX_SECONDS: Final = 0.1
"""Of CPU time for one client. The other bounds end the search for an unverified chain long before, on any machine."""


class PathSearch:
    """The search for the clients of one profile."""

    def __init__(
        self,
        anchors: Anchors,
        authorities: Iterable[bytes],
        max_depth: int,
        *,
        cpu_seconds: Callable[[], float] = processor_seconds,
    ) -> None:
        """`authorities` are the CAs of the profile's files, in DER; `max_depth` is as `judge` has it."""
        self._anchors = anchors
        self._max_depth = max_depth
        self._cpu_seconds = cpu_seconds
        self._uploaded = Uploaded.of(authorities, anchors.issuers_by_root)
        self._loaded = {der: loaded(der) for der in self._uploaded.by_der}
        self._signed: dict[tuple[Node, Node], bool] = {}  # of uploaded CAs
        self.openssl_now: datetime | None = None
        """When OpenSSL verifies (aware, UTC); None: by the machine's clock, as in a handshake."""

    def find(self, presented: Sequence[bytes], now: datetime) -> tuple[bytes, ...] | None:
        """The first path (DER, leaf first) from the leaf, the first of what the client presented, that holds at `now`.

        None where there is none within the bounds, or where the leaf itself is at fault.
        """
        if not presented or not self._anchors.takes_leaf(presented[0], now):
            return None
        end = self._cpu_seconds() + MAX_SECONDS
        of_openssl = _OpenSsl(dict(self._loaded), self._anchors, self.openssl_now)
        checks = Checks(
            signed=partial(self._is_signed, of_openssl),
            usable=lambda authority: self._anchors.takes_authority(authority, now),
            enough=lambda: self._cpu_seconds() > end,
        )
        for path in candidate_paths(presented, self._uploaded, checks, self._max_depth):
            chain = tuple([node.der for node in path])
            if self._is_trusted(chain, now) and of_openssl.holds(path):
                return chain
        return None

    def _is_signed(self, of_openssl: _OpenSsl, node: Node, issuer: Node) -> bool:
        link = node, issuer
        if link not in self._signed:
            is_signed = of_openssl.is_signed(node, issuer)
            if not all(each.der in self._loaded for each in link):
                return is_signed
            self._signed[link] = is_signed
        return self._signed[link]

    def _is_trusted(self, chain: tuple[bytes, ...], now: datetime) -> bool:
        verdict = judge(Evidence(chain=chain, error=0), self._anchors, now, max_depth=self._max_depth)
        return isinstance(verdict, Trusted)


class _OpenSsl:
    """What OpenSSL says of links and paths."""

    def __init__(self, certificates: dict[bytes, crypto.X509 | None], anchors: Anchors, now: datetime | None) -> None:
        self._certificates = certificates  # by DER; None: cannot be read
        self._anchors = anchors
        self._now = now

    def is_signed(self, node: Node, issuer: Node) -> bool:
        """Whether the first was signed with the key of the second, which OpenSSL takes for its issuer."""
        anchor = issuer.as_named_by(node) if node.names_another_serial(issuer) else issuer.der
        return isinstance(self._verified((node.der,), anchor, PARTIAL_CHAIN | NO_CHECK_TIME), tuple)

    def holds(self, path: Sequence[Node]) -> bool:
        """Whether it verifies the whole path, and no other made of the same certificates."""
        cut = pieces(path)
        return cut is not None and all(map(self._piece_holds, cut))

    def _piece_holds(self, piece: Piece) -> bool:
        flags = 0 if piece.ends_in_root else PARTIAL_CHAIN
        wanted = (*piece.certificates, piece.anchor)
        if piece.begins_with_leaf:
            found = self._verified(piece.certificates, piece.anchor, flags, for_clients=True)
            if not isinstance(found, ChainFault) or not self._forgives(wanted, found):
                return found == wanted
        are_for_clients = all(map(self._is_for_clients, piece.above))
        return are_for_clients and self._verified(piece.certificates, piece.anchor, flags) == wanted

    def _forgives(self, chain: Sequence[bytes], fault: ChainFault) -> bool:
        return fault.depth < len(chain) and self._anchors.forgives(chain[fault.depth], fault.error, fault.depth)

    def _is_for_clients(self, authority: Node) -> bool:
        return authority.is_for_clients or self._anchors.forgives_purpose_of_authority(authority.der)

    def _verified(
        self, certificates: Sequence[bytes], anchor: bytes, flags: int, *, for_clients: bool = False
    ) -> tuple[bytes, ...] | ChainFault | None:
        """As `verified_chain`; None where a certificate cannot be read."""
        leaf, *between = [self._loaded(each) for each in certificates]
        trusted = self._loaded(anchor)
        found = [each for each in between if each is not None]
        if leaf is None or trusted is None or len(found) < len(between):
            return None
        return verified_chain(leaf, found, trusted, now=self._now, flags=flags, for_clients=for_clients)

    def _loaded(self, certificate: bytes) -> crypto.X509 | None:
        if certificate not in self._certificates:
            self._certificates[certificate] = loaded(certificate)
        return self._certificates[certificate]


def loaded(certificate: bytes) -> crypto.X509 | None:
    """The certificate as OpenSSL reads it, None where it does not."""
    try:
        return crypto.load_certificate(crypto.FILETYPE_ASN1, certificate)
    except crypto.Error:
        return None
