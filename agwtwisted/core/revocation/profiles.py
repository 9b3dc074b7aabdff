"""The SSL profiles in force, as far as OCSP goes: by whose rules what is known is renewed.

What is known outlives a configuration, its profiles do not. So answers name the profile that they were asked for, and
the one of that name in force is looked up here. Caller: the revocation service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Final
from weakref import WeakKeyDictionary

import attrs

from agwtwisted.core.resources.resources import SslProfile, WithoutNocheck
from agwtwisted.core.revocation.ocsp import OcspRules
from agwtwisted.core.tls.policies import TlsPolicy


@attrs.frozen(cache_hash=True)
class ProfileKey:
    """As `profile_key` makes it; the hash of all networks and ports is found out once."""

    name: str
    settings: tuple[object, ...] = attrs.field(repr=False)


def profile_key(profile: SslProfile) -> ProfileKey:
    """What distinguishes profiles here: the name, and all that OCSP requests and the use of responses depend on.

    The memory outlives a configuration. Under its name alone a profile of the next one would get what is known, or
    under way, of one with other content. Of a profile's keys those count that begin with ``ocsp_``.
    """
    key = _keys.get(profile)
    if key is None:
        key = _keys[profile] = ProfileKey(profile.name, _settings_of(profile))
    return key


_keys: Final[WeakKeyDictionary[SslProfile, ProfileKey]] = WeakKeyDictionary()
"""Of the profiles that there are; each is looked for many times a connection."""

_settings_of: Final[Callable[[SslProfile], tuple[object, ...]]] = attrgetter(
    *(field.name for field in attrs.fields(SslProfile) if field.name.startswith("ocsp_"))
)


def rules_of(profile: SslProfile) -> OcspRules:
    """What clients of a profile believe."""
    return OcspRules(
        clock_skew=profile.ocsp_clock_skew,
        max_age=profile.ocsp_max_age,
        default_age=profile.ocsp_default_age,
        without_nocheck=profile.ocsp_responder_without_nocheck is WithoutNocheck.ALLOW,
    )


class ProfilesInForce:
    """Those that ask, without the certificates that they trust: nothing else of a configuration is kept here."""

    def __init__(self) -> None:
        self._by_name: dict[str, SslProfile] = {}

    def use(self, profiles: Iterable[SslProfile]) -> frozenset[str]:
        """From now on these are in force; returns the names of those that are new, changed or gone."""
        before, self._by_name = self._by_name, {each.name: _without_trust(each) for each in profiles}
        names = before.keys() | self._by_name.keys()
        return frozenset(name for name in names if _key(before.get(name)) != _key(self._by_name.get(name)))

    def all(self) -> tuple[SslProfile, ...]:
        """All of them."""
        return tuple(self._by_name.values())

    def named(self, name: str) -> SslProfile | None:
        """The one of this name; None where there is none."""
        return self._by_name.get(name)

    def named_or_any(self, name: str) -> SslProfile:
        """The one of this name, else any other, else one with the standard rules.

        A client whose own profile does not ask is judged by answers, too: what was proven revoked is so on every
        listener that checks revocation, also once no profile asks any more.
        """
        return self._by_name.get(name) or next(iter(self._by_name.values()), _STANDARD)

    def same(self, key: ProfileKey) -> SslProfile | None:
        """The one with this key; None where it is gone, or has changed."""
        found = self._by_name.get(key.name)
        return found if _key(found) == key else None


_NO_POLICY: Final = TlsPolicy(
    name="", min_version="TLSv1_3", max_version="TLSv1_3", tls12_cipher_suites=(), tls13_cipher_suites=()
)

_STANDARD: Final = SslProfile(name="", ssl_policy=_NO_POLICY)
"""No client is served by it: its rules count alone."""


def _key(profile: SslProfile | None) -> ProfileKey | None:
    return None if profile is None else profile_key(profile)


def _without_trust(profile: SslProfile) -> SslProfile:
    return attrs.evolve(profile, trusted_client_certificates=())
