"""TLS policies and SSL profiles of a gateway, as keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agwtwisted.core.arm.findings import IGNORED
from agwtwisted.core.arm.listener_properties import HTTP_LISTENERS, LISTENERS
from agwtwisted.core.arm.members import ObjectMembers
from agwtwisted.core.arm.reading import ChildResource, Reading, entry, section
from agwtwisted.core.arm.tls_properties import SSL_PROFILES
from agwtwisted.core.sections.ini import Entry, Section
from agwtwisted.core.tls import policies

RETIRED: Final = "ApplicationGatewayDeprecatedTlsVersionUsedInSslPolicy"

_POLICY: Final = "sslPolicy"
_TRUSTED: Final = "trustedClientCertificates"
_MODE: Final = "clientAuthConfiguration.verifyClientAuthMode"
_OLD_VERSIONS: Final = ("TLSv1_0", "TLSv1_1")


def policy_entries(reading: Reading, owner: ChildResource) -> Iterator[Entry]:
    """The keys of a TLS policy; none where the owner, the gateway or a profile, has none."""
    members = owner.members
    if _POLICY not in members:
        return
    _check_disabled(reading, members)
    if retired := _retired(members):
        yield from _replaced(reading, members, retired)
        return
    kind = members.text(f"{_POLICY}.policyType") or "Predefined"
    for each in reading.entries(owner, within=f"{_POLICY}."):
        if each.key != "policy_type" or kind != "Predefined":
            yield each


def _retired(members: ObjectMembers) -> str:
    """What a policy has that left the product with TLS 1.0 and 1.1; empty where it has nothing of that."""
    name = members.text(f"{_POLICY}.policyName")
    version = members.text(f"{_POLICY}.minProtocolVersion")
    if policies.is_retired(name):
        return name
    return version if version in _OLD_VERSIONS else ""


def _replaced(reading: Reading, members: ObjectMembers, retired: str) -> Iterator[Entry]:
    place = members.values[_POLICY].place
    instead = reading.options.tls_policy
    if instead:
        reading.findings.note(place, f"{instead} replaces {retired}, which was retired", section=members.title)
        yield entry("ssl_policy", instead, place)
        return
    message = (
        f"The TLS policy {retired} is using a deprecated TLS version: TLS 1.0 and 1.1 were retired on 2025-08-31."
        " --tls-policy names the predefined policy to use instead"
    )
    reading.findings.error(place, message, section=members.title, key="ssl_policy", code=RETIRED)


def _check_disabled(reading: Reading, members: ObjectMembers) -> None:
    """Protocols that v1 could switch off: the two old ones are off anyway."""
    name = f"{_POLICY}.disabledSslProtocols"
    later = [each for each in members.text(name).split(", ") if each and each not in _OLD_VERSIONS]
    if name not in members:
        return
    place = members.values[name].place
    if later:
        message = f"{name} switches off {', '.join(later)}: use minProtocolVersion"
        reading.findings.error(place, message, section=members.title)
    else:
        message = f"{name} has no effect: TLS 1.0 and 1.1 are always off"
        reading.findings.note(place, message, section=members.title, name=IGNORED.name)


def profile_sections(reading: Reading) -> Iterator[Section]:
    """The sections of all SSL profiles."""
    for child in reading.of(SSL_PROFILES):
        yield section(child, list(_profile(reading, child)))


def _profile(reading: Reading, child: ChildResource) -> Iterator[Entry]:
    members = child.members
    mode = members.text(_MODE)
    trusted = list(reading.entries(child, within=_TRUSTED))
    given = members.values.get(_TRUSTED) or members.emptied.get(_TRUSTED)
    if given is not None and not trusted and mode != "Passthrough":
        # Not absent: a profile that lost its certificates would let in all clients.
        yield entry("trusted_client_certificates", "", given.place)
    yield from trusted
    yield from policy_entries(reading, child)
    yield from reading.entries(child, within="clientAuthConfiguration.")
    if mode == "Strict" or (not mode and trusted):
        yield from _refusal(reading, child)


def _refusal(reading: Reading, child: ChildResource) -> Iterator[Entry]:
    """The product refuses clients by an answer of HTTP; where a profile is for L4 alone, there is none."""
    of_http, of_l4 = (
        any(reading.refers(each, "sslProfile", child) for each in reading.of(collection))
        for collection in (HTTP_LISTENERS, LISTENERS)
    )
    if of_http or not of_l4:
        yield entry("refusal", "Http400", child.place)
