"""OCSP and CRLs behind one policy, as clients and logs see it: a real gateway, a real responder, a real list."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from functools import cache

import attrs

from tests import crls, pki, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import Scene, SceneCase, section
from tests.responder import TRY_LATER, Asked, Responder, delegate, http

ORDERS = {"ocsp": "OCSP", "crl": "CRL", "ocsp-crl": "OCSP, CRL", "crl-ocsp": "CRL, OCSP"}
"""The sources of each door."""

DEVICES = {
    "good": ("good", False),
    "listed": ("good", True),
    "answered": ("revoked", False),
    "unknown": ("unknown", False),
    "silent": ("", False),
}
"""What the responder says of a device, nothing where that is empty, and whether it is on the list."""


@attrs.frozen(kw_only=True)
class PolicyScene(Scene):
    """A gateway with doors of different sources."""

    responder: Responder


@cache
def devices() -> dict[str, pki.Credential]:
    """Of an intermediate below the root that the gateway trusts."""
    root = gateway.certificates()["devices-root"]
    assert isinstance(root, pki.Authority)
    issuer = root.intermediate("Devices with two sources")
    return {name: issuer.issue(f"policy-{name}") for name in DEVICES}


@contextmanager
def doors() -> Iterator[PolicyScene]:
    """All of it; the responder does not answer about a device of which it says nothing."""
    made = devices()
    issuer = next(iter(made.values())).issuers[0]
    assert isinstance(issuer, pki.Authority)
    with ExitStack() as stack:
        signer = delegate(issuer)
        responder = stack.enter_context(closing(Responder(signer)))
        responder.certificates = (signer,)
        backend = stack.enter_context(closing(Backend()))
        ports = dict(zip(ORDERS, running.free_ports(len(ORDERS)), strict=True))
        text = gateway.gateway_section(drain_timeout=5) + gateway.PROFILES + gateway.pool("app", backend.port)
        for name, sources in ORDERS.items():
            keys = {"trusted_client_certificates": "devices", "verify_client_revocation": sources}
            keys |= {"ocsp_responder_url": responder.url} if "OCSP" in sources else {}
            keys |= {"crl_files": "policy.crl"} if "CRL" in sources else {}
            text += section(f"ssl_profile policy-{name}", **keys)
            text += gateway.door(name, ports[name], f"policy-{name}")
        listed = [crls.revoked(made[name]) for name, (_, is_listed) in DEVICES.items() if is_listed]
        now = datetime.now(UTC).replace(microsecond=0)
        crl = crls.Crl(signer=issuer, entries=listed, this_update=now - crls.DAY, next_update=now + crls.DAY)
        prepared = stack.enter_context(gateway.prepared(text))
        (prepared.directory / "policy.crl").write_bytes(crl.pem())
        for name, (status, _) in DEVICES.items():
            made[name].write(prepared.directory, name)
            if status:
                responder.knows(made[name], status=status)
        responder.say = lambda asked: responder.true_answer(asked) if _is_known(responder, asked) else http(TRY_LATER)
        prepared.start()
        yield PolicyScene(gateway=prepared, doors=ports, backend=backend, responder=responder)
        status = prepared.stop()
        assert status in (0, -signal.SIGTERM), f"exit status {status}:\n{prepared.output}"


def _is_known(responder: Responder, asked: Asked) -> bool:
    return asked is not None and asked.serial_number in responder.statuses


class PolicyTests(SceneCase):
    """One certificate at doors with different sources."""

    stage = staticmethod(doors)

    def ask(self, door: str, name: str) -> tuple[int, str, str, str]:
        """What a device gets at a door, and what the log says of its status, the source, and OCSP alone."""
        call = self.gateway.call(self.scene.doors[door], name)
        answer = clients.by_python(call)
        record = self.gateway.record(clientIP=call.source)
        return answer.status, record["revocationStatus"], record["revocationSource"], record["ocspStatus"]

    def check(self, name: str, **expected: tuple[int, str, str, str]) -> None:
        """What a device gets at several doors, one after the other."""
        for door, found in expected.items():
            self.assertEqual(self.ask(door.replace("_", "-"), name), found, door)

    def test_preference(self) -> None:
        """The source that is listed first says it, where both could; OCSP's own field knows nothing of CRLs."""
        by_ocsp, by_crl = (200, "good", "OCSP", "good"), (200, "good", "CRL", "not-checked")
        self.check("good", ocsp=by_ocsp, crl=by_crl, ocsp_crl=by_ocsp, crl_ocsp=by_crl)

    def test_next_source(self) -> None:
        """Where OCSP cannot say, or does not know the certificate, a CRL does, if it is listed."""
        by_crl = (200, "good", "CRL", "not-checked")
        self.check("silent", ocsp=(400, "unavailable", "", "unavailable"), ocsp_crl=by_crl, crl=by_crl)
        self.check("unknown", ocsp=(400, "unknown", "OCSP", "unknown"), ocsp_crl=by_crl, crl_ocsp=by_crl)

    def test_revoked_by_a_list(self) -> None:
        """What a list has proven revoked is refused at every door, whatever OCSP says, and whether CRLs are listed."""
        by_crl = (400, "revoked", "CRL", "not-checked")
        self.check("listed", crl=by_crl, crl_ocsp=by_crl, ocsp_crl=by_crl, ocsp=by_crl)

    def test_revoked_by_a_responder(self) -> None:
        """What a responder has proven revoked is refused where a list alone is asked, which does not have it."""
        self.check("answered", crl=(200, "good", "CRL", "not-checked"))
        by_ocsp = (400, "revoked", "OCSP", "revoked")
        self.check("answered", ocsp=by_ocsp, crl_ocsp=by_ocsp, crl=by_ocsp)
