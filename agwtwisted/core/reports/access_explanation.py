"""What the conditions of a rule say about a client's certificate: the part of `explain` behind the handshake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from agwtwisted.core.base.errors import printable
from agwtwisted.core.certificates.attributes import certificate_attributes
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.http.messages import RequestHead
from agwtwisted.core.identity.clients import Admitted, CertificateProof, ClientConnection
from agwtwisted.core.operations.masking import masked_condition
from agwtwisted.core.resources.resources import PathCertificate, RequestRoutingRule
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.core.rules.variable_references import Lookup
from agwtwisted.core.verification.verdicts import NotAsked, Trusted, Verdict

_ANY_REQUEST: Final = RequestHead(method=b"GET", target=b"/", version=b"1.1", host="", authority=b"", headers=())
"""Conditions on the certificate look at no part of it."""


@attrs.frozen(kw_only=True)
class Finding:
    """What one condition says: `holds` is None where that depends on the request."""

    where: str  # the rule, with the paths that it is about
    of_all: bool  # whether it is asked of every request
    requiring: bool  # whether it is about paths that require a certificate
    condition: Condition
    holds: bool | None

    @property
    def refuses_all(self) -> bool:
        """Whether it refuses every request of the client."""
        return self.of_all and self.holds is False

    def __str__(self) -> str:
        word = {None: "depends on the request", True: "holds", False: "does not hold, 403"}[self.holds]
        return f"{word}: {printable(masked_condition(self.condition))} ({self.where})"


def findings(rule: RequestRoutingRule, verdict: Verdict, der: bytes) -> tuple[Finding, ...]:
    """What each condition of a rule, and of its path rules, says about a client that the handshake accepted."""
    return tuple(_findings(rule, verdict, der))


def _findings(rule: RequestRoutingRule, verdict: Verdict, der: bytes) -> Iterator[Finding]:
    for condition in rule.deny_unless:
        yield _finding(condition, f"rule {rule.name}", verdict, der, of_all=True)
    url_path_map = rule.url_path_map
    for path_rule in url_path_map.path_rules if url_path_map else ():
        of_path: dict[PathCertificate, Verdict] = {
            PathCertificate.REQUIRE: Trusted(),
            PathCertificate.IGNORE: NotAsked(),
        }
        judged = of_path.get(path_rule.client_certificate, verdict)
        for condition in path_rule.deny_unless:
            finding = _finding(condition, f"paths {', '.join(path_rule.paths)}", judged, der)
            yield attrs.evolve(finding, requiring=path_rule.client_certificate is PathCertificate.REQUIRE)
    for condition in url_path_map.default_deny_unless if url_path_map else ():
        yield _finding(condition, "any other path", verdict, der)


def _finding(condition: Condition, where: str, verdict: Verdict, der: bytes, *, of_all: bool = False) -> Finding:
    holds = None
    if condition.reference.of_certificate:
        certificate = certificate_variables(der) if der else None
        proof = CertificateProof(verdict=verdict, certificate=certificate)
        client = Admitted(connection=ClientConnection(address="", port=0), proof=proof)
        holds = condition.captured(Lookup(Context(_ANY_REQUEST, client))) is not None
    return Finding(where=where, of_all=of_all, requiring=False, condition=condition, holds=holds)


def attribute_lines(der: bytes) -> Iterator[str]:
    """The single attributes of a certificate by the names of their variables, each value in quotes."""
    found = certificate_attributes(der)
    for name, values in (
        ("subject_cn", found.common_names),
        ("subject_ou", found.organizational_units),
        ("subject_o", found.organizations),
        ("subject_dns", found.dns_names),
        ("subject_uri", found.uris),
        ("subject_email", found.email_addresses),
    ):
        if values:
            yield f"var_client_certificate_{name}: {', '.join(repr(value.decode()) for value in values)}"
