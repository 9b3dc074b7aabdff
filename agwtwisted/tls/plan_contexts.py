"""The contexts of all ports of a plan: without a reactor, so in a thread as well, or before a process is forked.

What is the same as in the configuration in force stays the same object, and its TLS sessions with it.
"""

from __future__ import annotations

from collections.abc import Mapping

from agwtwisted.core.plan.fingerprints import Fingerprints
from agwtwisted.core.plan.plan import Address, Plan
from agwtwisted.tls.contexts import Trusts, VariablesOf
from agwtwisted.tls.port_contexts import PortContexts
from agwtwisted.tls.sessions import SHARED_DAYS


def make_contexts(
    plan: Plan, variables_of: VariablesOf, kept: Mapping[Address, PortContexts] | None = None
) -> Mapping[Address, PortContexts]:
    """The contexts of every port of TLS, by its address.

    Args:
        plan: that is to come into force.
        variables_of: the memory of trusted clients' certificates.
        kept: the contexts in force.

    Raises:
        AgwError: OpenSSL does not take a certificate, a trusted CA or a group.
    """
    fingerprints, trusts = Fingerprints(), Trusts(plan.gateway.max_client_chain_depth)
    return {
        port.address: PortContexts.of(
            port.sites,
            max_depth=trusts.max_depth,
            trusts=trusts,
            variables_of=variables_of,
            address=port.address,
            kept=None if kept is None else kept.get(port.address),
            fingerprints=fingerprints,
            days=1 if plan.gateway.workers == 1 else SHARED_DAYS,
        )
        for port in plan.ports
        if port.encrypted
    }
