"""Lists that prove nothing, from a real server to a real gateway: no client is let in by one, and none is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

import attrs
from cryptography.hazmat.primitives import hashes
from twisted.trial.unittest import SynchronousTestCase

from tests import crls
from tests.crls import DAY, Crl, extension, issuing_point, point_name, revoked, uri
from tests.end_to_end.test_revocation_lists import Place, place, started
from tests.pki import tlv
from tests.programs import needs

Bad: TypeAlias = Callable[[Crl], Crl | bytes]
"""What is wrong with a list."""


def _with(**changes: object) -> Bad:
    return lambda crl: attrs.evolve(crl, **changes)  # type: ignore[arg-type]


def _extended(*extensions: bytes) -> Bad:
    return _with(extensions=extensions)


def bad_lists(at: Place) -> dict[str, tuple[str, Bad]]:
    """Each with what the gateway's log says of it."""
    root = at.issuer.issuers[0]
    namesake = root.intermediate("Devices with lists")
    now = datetime.now(UTC)
    entry = crls.Listed(serial=7, extensions=[extension(crls.UNHEARD_OF, b"x", critical=True)])
    point = point_name(uri("http://crl.example/another"))
    return {
        "another-issuer": ("the CRL is of another issuer", _with(signer=root)),
        "another-key": ("signed with another key of the same name", _with(signer=namesake)),
        "another-key-hidden": ("the signature of the CRL is invalid", _with(signer=namesake, key_identifier=None)),
        "false-signature": ("the signature of the CRL is invalid", _with(signature=b"\0" * 70)),
        "sha1": ("unsupported signature algorithm", _with(digest=hashes.SHA1())),
        "version-1": ("not of version 2", _with(version=b"", number=None, key_identifier=None)),
        "without-end": ("no nextUpdate", _with(next_update=None)),
        "delta": ("a delta CRL", _extended(extension(crls.DELTA, tlv(0x02, b"\1"), critical=True))),
        "indirect": ("indirect", _extended(issuing_point(crls.INDIRECT))),
        "attributes": ("attribute certificates", _extended(issuing_point(crls.ONLY_ATTRIBUTES))),
        "critical": ("critical and unknown", _extended(extension(crls.UNHEARD_OF, b"x", critical=True))),
        "critical-entry": ("critical and unknown", _with(entries=[entry])),
        "truncated": ("the CRL cannot be read", lambda crl: crl.der()[:-20]),
        "pieces": ("the CRL cannot be read", lambda crl: crl.der() + b"\0"),
        "ended": ("", _with(this_update=now - 2 * DAY, next_update=now - DAY)),
        "to-come": ("", _with(this_update=now + DAY)),
        "authorities": ("", _extended(issuing_point(crls.ONLY_AUTHORITIES))),
        "another-point": ("", _extended(issuing_point(point))),
    }


@needs("openssl")
class BadListsTests(SynchronousTestCase):
    """What the distribution point of a certificate may serve."""

    def test_none_lets_a_client_in(self) -> None:
        """A client whose point serves a list that proves nothing is refused, and the log says why; the right list
        lets the next one in, and refuses who is in it.
        """
        with place(gateway_keys={"state_directory": "var"}) as at, started(at):
            now = datetime.now(UTC)
            right = Crl(signer=at.issuer, this_update=now - DAY, next_update=now + DAY)
            for name, (reason, spoilt) in bad_lists(at).items():
                found = spoilt(right)
                at.server.data = found if isinstance(found, bytes) else found.der()
                at.device(name, query=f"?{name}")
                self.assertEqual(at.ask(name), (400, "unavailable", ""), name)
                if reason:
                    self.assertRegex(at.gateway.output, rf"{at.server.url}\?{name}: .*{reason}")
            bad = at.device("bad", query="?right")
            at.device("good", query="?right")
            at.server.data = attrs.evolve(right, number=9, entries=[revoked(bad)]).der()
            self.assertEqual(at.ask("bad"), (400, "revoked", "CRL"))
            self.assertEqual(at.ask("good"), (200, "good", "CRL"))
            # An older list does not take the place of a newer one, though it is valid and its server has nothing else.
            at.server.data = attrs.evolve(right, number=8).der()
            asked = len(at.server.asked)
            words = ("revocation", "check", "--listener", "lists", "--config", "gw.ini", "bad.pem")
            checked = at.gateway.agw(*words)
            self.assertEqual(len(at.server.asked), asked + 1, checked.stdout + checked.stderr)
            self.assertIn("revoked", checked.stdout)
            self.assertEqual(at.ask("bad"), (400, "revoked", "CRL"))
