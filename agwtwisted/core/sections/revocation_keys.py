"""The keys about revocation: of `ssl_profile`, which sources say it, and of `gateway`, what gateways share of it.

Beside the tables: what must fit together among these keys of one section.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import Problem, UnacceptableError, shown
from agwtwisted.core.base.texts import did_you_mean
from agwtwisted.core.http.destinations import network, port_range, responder_url
from agwtwisted.core.http.service_urls import proxy_address, store_address
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.resources.resources import (
    ClientAuth,
    OcspRequestMethod,
    RevocationScope,
    RevocationUnavailable,
    WithoutNocheck,
    sources_text,
)
from agwtwisted.core.sections.settings import Empty, Key, Row, choice, listed, path, seconds, whole

SOURCES: Final = "verify_client_revocation"
"""The key that lists the sources of a profile."""

UNAVAILABLE: Final = {RevocationSource.OCSP: "ocsp_unavailable", RevocationSource.CRL: "crl_unavailable"}
"""The keys that say what becomes of clients whose status a source does not give."""

FILE_LISTS: Final = ("crl_files",)
"""Keys of which each value is a path."""

_LEAST_TIMEOUT: Final = 0.01

_NOT_OF_OCSP_ALONE: Final = ("ocsp_allowed_networks", "ocsp_allowed_ports", "ocsp_clock_skew")
"""Keys that lists go by as well."""


def revocation_sources(text: str) -> tuple[RevocationSource, ...]:
    """``None``, or sources of revocation status, the preferred one first."""
    return () if text == "None" else _LISTED(text)


def _source(text: str) -> RevocationSource:
    by_value = {each.value: each for each in RevocationSource}
    if text not in by_value:
        raise UnacceptableError(f"is {shown(text)}, but must be None or OCSP or CRL{did_you_mean(text, by_value)}")
    return by_value[text]


_LISTED: Final = listed(_source, limits.REVOCATION_SOURCES)


def _store_prefix(text: str) -> str:
    """The beginning of the keys in a store."""
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > limits.STORE_PREFIX.highest:
        most = limits.STORE_PREFIX.highest
        raise UnacceptableError(f"is {shown(text)}, but must be at most {most} printable ASCII characters, no blanks")
    return text


def _store_timeout(text: str) -> float:
    """Seconds for a reply of a store."""
    value = seconds(limits.STORE_TIMEOUT)(text)
    if value < _LEAST_TIMEOUT:
        raise UnacceptableError(f"is {shown(text)}, but must be at least {_LEAST_TIMEOUT}")
    return value


PROFILE_KEYS: Final = {
    SOURCES: Key(
        revocation_sources,
        "`None`, or the sources that say whether a certificate was revoked, the preferred one first: `OCSP`, `CRL`, or"
        " both. The next one is asked where the one before cannot say.",
        empty=Empty.REFUSED,
    ),
    "ocsp_responder_url": Key(responder_url, "The responder to use instead of those that certificates name."),
    "ocsp_scope": Key(choice(*RevocationScope), "`Leaf`, or `Chain`: check the intermediates, too."),
    "ocsp_unavailable": Key(
        choice(*RevocationUnavailable),
        "`Refuse`, or `Allow` clients whose status OCSP does not give; each is logged. With several sources each of"
        " them has to allow it.",
    ),
    "ocsp_timeout": Key(seconds(limits.OCSP_TIMEOUT), "Seconds from sending the OCSP request to the whole response."),
    "ocsp_clock_skew": Key(
        seconds(limits.OCSP_CLOCK_SKEW),
        "Seconds by which the clock of a responder, or of who issues a CRL, may differ.",
    ),
    "ocsp_max_age": Key(
        seconds(limits.OCSP_AGE),
        "The longest time after its thisUpdate for which a response is accepted, in seconds.",
    ),
    "ocsp_default_age": Key(seconds(limits.OCSP_AGE), "Seconds for which a response without nextUpdate is accepted."),
    "ocsp_allowed_networks": Key(
        listed(network, limits.NETWORKS),
        "Networks in which responders and distribution points named by certificates may be, besides those that are"
        " open by default.",
    ),
    "ocsp_allowed_ports": Key(
        listed(port_range, limits.PORT_RANGES), "Ports of responders and distribution points named by certificates."
    ),
    "ocsp_responder_without_nocheck": Key(
        choice(*WithoutNocheck), "`Refuse`, or `Allow` delegated responders without id-pkix-ocsp-nocheck."
    ),
    "ocsp_request_method": Key(
        choice(*OcspRequestMethod),
        "`Auto`: an OCSP request is sent by GET, which caches on the way can answer, where its URL stays below 255"
        " bytes, else by `POST`.",
    ),
    "crl_files": Key(
        listed(path, limits.CRL_FILES),
        "Files with CRLs, PEM (several in one) or DER. Those that certificates name are downloaded besides.",
    ),
    "crl_scope": Key(choice(*RevocationScope), "`Leaf`, or `Chain`: check the intermediates by CRLs, too."),
    "crl_unavailable": Key(
        choice(*RevocationUnavailable),
        "`Refuse`, or `Allow` clients whose status no CRL gives; each is logged. With several sources each of them has"
        " to allow it.",
    ),
    "crl_max_bytes": Key(whole(limits.CRL_BYTES), "Bytes of one CRL that is downloaded."),
    "crl_timeout": Key(seconds(limits.CRL_TIMEOUT), "Seconds for the download of a CRL."),
}
"""Of `ssl_profile`."""

GATEWAY_KEYS: Final = {
    "outbound_proxy": Key(
        proxy_address,
        "The HTTP proxy by which responders and distribution points are asked: `http://[user:password@]host:port`."
        " It resolves their names, by `CONNECT` for https.",
    ),
    "revocation_store": Key(
        store_address,
        "The Redis server over which gateways share OCSP responses and CRLs: `redis://[user@]host[:port]`"
        " or, with TLS, `rediss://…`, and `/number` of a database. Every gateway verifies what it reads there"
        " ([how](../revocation.md#sharing-over-redis)).",
    ),
    "revocation_store_password_file": Key(
        path, "A file with the password for `revocation_store`; it is read whenever the gateway connects."
    ),
    "revocation_store_trusted_file": Key(
        path, "CA certificates (PEM) for `rediss://`; without it those of the system."
    ),
    "revocation_store_certificate_file": Key(
        path, "The gateway's own certificate for `rediss://` (PEM), where the server asks for one."
    ),
    "revocation_store_key_file": Key(path, "Its private key (PEM)."),
    "revocation_store_prefix": Key(
        _store_prefix,
        "The beginning of all keys in the store: gateways that share have the same.",
    ),
    "revocation_store_timeout": Key(
        _store_timeout, "Seconds for each reply of the store; later the gateway goes on as if it were not there."
    ),
}
"""Of `gateway`."""

STORE_FILES: Final = tuple(key for key in GATEWAY_KEYS if key.endswith("_file"))
"""Those that name files."""


def profile_problems(row: Row, mode: ClientAuth) -> Iterator[Problem]:
    """What is wrong with a profile's keys about revocation, whose clients are asked for certificates like this."""
    sources = row.get(SOURCES)
    if sources and mode is ClientAuth.NONE:
        yield row.problem(f"{SOURCES} = {sources_text(sources)} needs Strict", key=SOURCES)
    if row.get("ocsp_responder_without_nocheck") is WithoutNocheck.ALLOW and RevocationSource.OCSP in sources:
        yield row.warning(
            "ocsp_responder_without_nocheck = Allow accepts a responder although its own certificate may have been"
            " revoked: let its CA issue it with id-pkix-ocsp-nocheck",
            key="ocsp_responder_without_nocheck",
        )
    if SOURCES not in row.refused:
        yield from _unheard(row, sources)
        yield from _allowed_in_vain(row, sources)


def _unheard(row: Row, sources: tuple[RevocationSource, ...]) -> Iterator[Problem]:
    """Of each source that is not listed, the first key that has no effect."""
    for source in RevocationSource:
        prefix = f"{source.value.lower()}_"
        others = _NOT_OF_OCSP_ALONE if sources else ()
        unheard = next((each for each in row.values if each.startswith(prefix) and each not in others), "")
        if unheard and source not in sources:
            yield row.warning(f"{unheard} has no effect without {SOURCES} = {source.value}", key=unheard)


def _allowed_in_vain(row: Row, sources: tuple[RevocationSource, ...]) -> Iterator[Problem]:
    """A source that allows what another one refuses."""
    refusing = [each for each in sources if row.get(UNAVAILABLE[each]) is RevocationUnavailable.REFUSE]
    for source in sources if refusing else ():
        key = UNAVAILABLE[source]
        if source not in refusing:
            other = UNAVAILABLE[refusing[0]]
            message = f"{key} = Allow has no effect with {other} = Refuse: a client is refused unless both allow it"
            yield row.warning(message, key=key)


def gateway_problems(row: Row) -> Iterator[Problem]:
    """What is wrong with the gateway's keys about its store."""
    if "revocation_store" in row.refused:
        return
    store = row.get("revocation_store")
    others = [key for key in GATEWAY_KEYS if key.startswith("revocation_store_") and key in row.values]
    if store is None:
        if others:
            yield row.warning(f"{others[0]} has no effect without revocation_store", key=others[0])
        return
    if store.user and row.unset("revocation_store_password_file"):
        yield row.problem(
            "revocation_store names a user: revocation_store_password_file is missing", key="revocation_store"
        )
    pair = ("revocation_store_certificate_file", "revocation_store_key_file")
    for key, other in (pair, pair[::-1]):
        if key in row.values and row.unset(other):
            yield row.problem(f"{key} needs {other}", key=key)
    if not store.is_encrypted:
        yield from _in_the_clear(row)


def _in_the_clear(row: Row) -> Iterator[Problem]:
    for key in ("revocation_store_trusted_file", "revocation_store_certificate_file"):
        if key in row.values:
            yield row.warning(f"{key} has no effect without rediss://", key=key)
    if "revocation_store_password_file" in row.values and not row.get("revocation_store").is_loopback:
        yield row.warning("revocation_store is redis://: its password is sent in the clear", key="revocation_store")
