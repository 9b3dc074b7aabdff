"""How many connections a process's descriptors allow for."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.service_urls import StoreAddress
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.plan.descriptors import (
    CONTROL,
    DEDICATED,
    KEPT_CONNECTIONS,
    LIST_DOWNLOADS,
    RESPONDER_QUESTIONS,
    STAPLE_QUESTIONS,
    STORE_CONNECTIONS,
    Budget,
    budget,
    budget_of,
    own_questions,
)
from tests import clients, configurations
from tests.clients import text


def found(limit: int, max_connections: int = 20000, servers: int = 1, *, asked: int = 0) -> Budget:
    """With one listener."""
    return budget(max_connections, limit, listeners=1, servers=servers, asked=asked)


STAPLES = 2 * STAPLE_QUESTIONS
"""What the gateway asks where it checks no client's revocation."""


class BudgetTests(SynchronousTestCase):
    """Room for clients, and for what serves them."""

    def test_enough(self) -> None:
        """Where there are enough the configuration decides, and nothing is said."""
        for limit in (65536, 1 << 31, found(1).needed):
            self.assertEqual(found(limit).room, 20000)
            self.assertEqual(found(limit).warning(20000), "")
        self.assertLess(found(found(1).needed - 2).room, 20000)

    def test_too_few(self) -> None:
        """Else each client leaves one for its server, and some are left for logs, probes and questions."""
        for limit in (128, 256, 1024, 4096):
            for asked in (0, RESPONDER_QUESTIONS):
                room = found(limit, asked=asked).room
                self.assertGreaterEqual(limit - 2 * room, 48 + min(limit // 8, 64))
                self.assertGreater(room, (limit - 60 - 600) // 2)
        self.assertLess(found(1024, servers=200).room, found(1024).room)

    def test_hardly_any(self) -> None:
        """With hardly any there is still a client served."""
        self.assertEqual(found(20).room, 1)

    def test_warning(self) -> None:
        """It says what is needed, what there is, what follows and what to do."""
        self.assertEqual(
            found(256).warning(20000),
            "max_connections = 20000 takes 40131 file descriptors, because each connection may need one to a server;"
            " the system's limit is 256 (LimitNOFILE, ulimit -n), so only 78 connections are accepted; raise that"
            " limit, or set max_connections = 78",
        )

    def test_of_a_configuration(self) -> None:
        """Listeners, servers and whether responders are asked are those of the configuration."""
        plain = configurations.plan(text("basic strict"), clients.files())
        self.assertEqual(budget_of(plain, 256), found(256, asked=own_questions(plain.config)))

    def test_own_questions(self) -> None:
        """Questions to responders, downloads of lists, staples and a store take descriptors where they are used."""
        config = configurations.plan(text("basic strict"), clients.files()).config
        listener = next(each for each in config.http_listeners if each.ssl_profile is not None)
        assert listener.ssl_profile is not None
        assert listener.ssl_certificate is not None
        ocsp, crl = RESPONDER_QUESTIONS + KEPT_CONNECTIONS, 3 * LIST_DOWNLOADS + KEPT_CONNECTIONS
        for sources, stapling, expected in (
            ((), False, 0),
            ((), True, 2 * STAPLE_QUESTIONS),
            ((RevocationSource.OCSP,), False, ocsp),
            ((RevocationSource.OCSP,), True, ocsp + STAPLE_QUESTIONS),
            ((RevocationSource.CRL,), False, crl),
            ((RevocationSource.CRL, RevocationSource.OCSP), False, ocsp + 3 * LIST_DOWNLOADS),
        ):
            profile = attrs.evolve(listener.ssl_profile, verify_client_revocation=sources)
            certificate = attrs.evolve(listener.ssl_certificate, ocsp_stapling=stapling)
            changed = attrs.evolve(listener, ssl_profile=profile, ssl_certificate=certificate)
            rule = attrs.evolve(config.request_routing_rules[0], http_listener=changed)
            asking = attrs.evolve(config, http_listeners=(changed,), request_routing_rules=(rule,))
            self.assertEqual(own_questions(asking), expected)
            store = attrs.evolve(config.gateway, revocation_store=StoreAddress(host="r"))
            self.assertEqual(own_questions(attrs.evolve(asking, gateway=store)), expected + STORE_CONNECTIONS)

    def test_streams(self) -> None:
        """Where clients may speak HTTP/2 a quarter is kept for their further requests, and else what is left."""
        plain = text("basic strict")
        enabled = configurations.plan(plain.replace("[gateway]\n", "[gateway]\nenable_http2 = true\n"), clients.files())
        without, with_streams = budget_of(configurations.plan(plain, clients.files()), 4096), budget_of(enabled, 4096)
        self.assertLess(without.streams, 2)
        self.assertIn(with_streams.streams, range(960, 1025))
        self.assertIn(with_streams.room - without.room * 3 // 4, range(-2, 3))
        self.assertEqual(with_streams.room * 2 + with_streams.streams, without.room * 2 + without.streams)
        enough = budget_of(enabled, with_streams.needed)
        self.assertEqual((enough.room, enough.warning(20000)), (20000, ""))
        self.assertEqual(budget_of(enabled, 1 << 20).streams, (1 << 20) - with_streams.needed + enough.streams)
        self.assertGreaterEqual(budget_of(enabled, 20).streams, 0)

    def test_dedicated(self) -> None:
        """Connections that are kept for single clients count where some settings ask for them, and are named."""
        dedicated = text("basic strict").replace(
            "[backend_http_settings app]\n", "[backend_http_settings app]\ndedicated_backend_connection = true\n"
        )
        found_budget = budget_of(configurations.plan(dedicated, clients.files()), 1024)
        self.assertEqual(found_budget.needed - found(1024, asked=STAPLES).needed, 20000 * DEDICATED)
        self.assertLess(found_budget.room, found(1024).room // 2)
        self.assertIn("each connection may need 5 to servers", found_budget.warning(20000))

    def test_control_port(self) -> None:
        """The control API on TCP has its connections, too."""
        asked = text("basic strict") + "\n[control]\nport = 9901\ntoken_file = token\n"
        needed = budget_of(configurations.plan(asked, clients.files()), 8192).needed
        self.assertEqual(needed - found(8192, asked=STAPLES).needed, CONTROL)
        asked = (
            text("basic strict").replace("[gateway]", "[gateway]\nstate_directory = s", 1) + "\n[control]\narm = true\n"
        )
        needed = budget_of(configurations.plan(asked, clients.files()), 8192).needed
        self.assertEqual(needed - found(8192, asked=STAPLES).needed, CONTROL)
