"""Keys about revocation."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Place
from agwtwisted.core.http.service_urls import store_address
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.resources.resources import ClientAuth, RevocationUnavailable
from agwtwisted.core.sections.ini import Section
from agwtwisted.core.sections.listener_keys import GATEWAY
from agwtwisted.core.sections.revocation_keys import gateway_problems, profile_problems
from agwtwisted.core.sections.settings import Kind, Row
from agwtwisted.core.sections.tls_keys import SSL_PROFILE
from tests.configurations import changed, load, said

STRICT = "[ssl_profile strict]\n"
BOTH = (RevocationSource.OCSP, RevocationSource.CRL)


def row(kind: Kind, **values: Any) -> Row:
    """A section with these values."""
    section = Section(kind=kind.name, name="a", place=Place(file="f"))
    return Row(section=section, kind=kind, values=values, refused=frozenset())


def profile(*, mode: ClientAuth = ClientAuth.STRICT, **values: Any) -> list[str]:
    """What is said of a profile."""
    return [each.message for each in profile_problems(row(SSL_PROFILE, **values), mode)]


def gateway(**values: Any) -> list[str]:
    """What is said of the gateway."""
    return [each.message for each in gateway_problems(row(GATEWAY, **values))]


class SourcesTests(SynchronousTestCase):
    """`verify_client_revocation`."""

    def test_words(self) -> None:
        """Another word, None among sources and a source twice are errors."""
        for value, expected in (
            ("ocsp", "is 'ocsp', but must be None or OCSP or CRL"),
            ("OCSP, None", "is 'None', but must be None or OCSP or CRL"),
            ("OCSP, OCSP", "names 'OCSP' twice"),
        ):
            [line] = said(changed((STRICT, f"{STRICT}verify_client_revocation = {value}\n")))
            self.assertIn(expected, line)

    def test_need_verification(self) -> None:
        """Sources need a profile that asks for certificates."""
        for sources, text in (((RevocationSource.CRL,), "CRL"), (BOTH, "OCSP, CRL")):
            found = profile(mode=ClientAuth.NONE, verify_client_revocation=sources)
            self.assertEqual(found, [f"verify_client_revocation = {text} needs Strict"])
            self.assertEqual(profile(verify_client_revocation=sources), [])

    def test_unheard(self) -> None:
        """A key of a source that is not listed has no effect; lists go by the address rules of responders."""
        crl, ocsp = (RevocationSource.CRL,), (RevocationSource.OCSP,)
        effect = "has no effect without verify_client_revocation ="
        both_unheard = [f"ocsp_allowed_ports {effect} OCSP", f"crl_max_bytes {effect} CRL"]
        for sources, keys, expected in (
            (ocsp, {"crl_timeout": 3.0}, [f"crl_timeout {effect} CRL"]),
            (crl, {"ocsp_timeout": 3.0}, [f"ocsp_timeout {effect} OCSP"]),
            (crl, {"ocsp_allowed_ports": (), "ocsp_clock_skew": 1.0}, []),
            ((), {"ocsp_allowed_ports": (), "crl_max_bytes": 1}, both_unheard),
            (BOTH, {"ocsp_timeout": 3.0, "crl_timeout": 3.0}, []),
        ):
            self.assertEqual(profile(verify_client_revocation=sources, **keys), expected)

    def test_allowed_in_vain(self) -> None:
        """What one source allows and another one refuses is refused, and a warning says so."""
        allow = RevocationUnavailable.ALLOW
        message = (
            "crl_unavailable = Allow has no effect with ocsp_unavailable = Refuse: a client is refused unless both"
        )
        found = profile(verify_client_revocation=BOTH, crl_unavailable=allow)
        self.assertEqual(found, [f"{message} allow it"])
        self.assertEqual(profile(verify_client_revocation=BOTH, crl_unavailable=allow, ocsp_unavailable=allow), [])


class StoreTests(SynchronousTestCase):
    """`revocation_store` and what goes with it."""

    def test_user(self) -> None:
        """A user needs a password."""
        found = gateway(revocation_store=store_address("redis://u@r"))
        self.assertEqual(found, ["revocation_store names a user: revocation_store_password_file is missing"])

    def test_timeout(self) -> None:
        """The time for a reply is a part of a second, or some seconds, and not none."""
        for value, expected in (("0.001", "must be at least 0.01"), ("0", "must be at least"), ("11", "from 0 to 10")):
            text = changed(
                ("[gateway]\n", f"[gateway]\nrevocation_store = redis://r\nrevocation_store_timeout = {value}\n")
            )
            self.assertIn(expected, "".join(said(text)))
        text = changed(("[gateway]\n", "[gateway]\nrevocation_store = redis://r\nrevocation_store_timeout = 0.05\n"))
        self.assertEqual(load(text).gateway.revocation_store_timeout, 0.05)

    def test_alone(self) -> None:
        """A store needs nothing else."""
        self.assertEqual(gateway(revocation_store=store_address("rediss://r")), [])
        self.assertEqual(gateway(), [])

    def test_without(self) -> None:
        """What goes with a store has no effect without one."""
        found = gateway(revocation_store_prefix="a:")
        self.assertEqual(found, ["revocation_store_prefix has no effect without revocation_store"])

    def test_half_a_pair(self) -> None:
        """Certificate and key go together."""
        pair = ("revocation_store_certificate_file", "revocation_store_key_file")
        for key, other in (pair, pair[::-1]):
            found = gateway(**{"revocation_store": store_address("rediss://r"), key: "f"})
            self.assertEqual(found, [f"{key} needs {other}"])

    def test_in_the_clear(self) -> None:
        """Without TLS certificates have no effect, and a password can be read on the way, unless that is short."""
        for url, expected in (
            ("redis://r", ["revocation_store is redis://: its password is sent in the clear"]),
            ("redis://127.0.0.1", []),
            ("rediss://r", []),
        ):
            store = store_address(url)
            self.assertEqual(gateway(revocation_store=store, revocation_store_password_file="p"), expected)
        found = gateway(revocation_store=store_address("redis://r"), revocation_store_trusted_file="p")
        self.assertEqual(found, ["revocation_store_trusted_file has no effect without rediss://"])
