"""Which part of backend settings is about servers."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.server_settings import REST, of_server
from agwtwisted.core.resources.resources import BackendHttpSettings, BackendSettings, Probe

HTTP, L4 = BackendHttpSettings(name="s", host_name="a"), BackendSettings(name="s", port=1, host_name="a")


class OfServerTests(SynchronousTestCase):
    """What makes two servers the same."""

    def test_rest(self) -> None:
        """Requests, pools and probes do not count."""
        probe = Probe(name="p")
        changed = attrs.evolve(HTTP, request_timeout=1.0, path="/x", cookie_based_affinity=True, probe=probe)
        self.assertEqual(of_server(changed), HTTP)
        mine, same = of_server(attrs.evolve(L4, timeout=1.0, probe=probe)), L4
        self.assertEqual(attrs.asdict(mine), attrs.asdict(same))

    def test_all_else(self) -> None:
        """Everything else does: name, address, encryption, trust, identity, draining."""
        for settings, others in (
            (HTTP, {"name": "t", "host_name": "b", "validate_sni": False, "connection_draining_timeout": 1.0}),
            (L4, {"name": "t", "host_name": "b", "enable_l4_client_ip_preservation": True}),
        ):
            for key, value in others.items():
                self.assertEqual(getattr(of_server(attrs.evolve(settings, **{key: value})), key), value)

    def test_fields(self) -> None:
        """Only fields that there are can be left out."""
        for kind, names in REST.items():
            self.assertLessEqual({*names}, {field.name for field in attrs.fields(kind)})
