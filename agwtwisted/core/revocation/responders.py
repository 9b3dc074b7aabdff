"""Which responders are asked about a certificate, as far as that is known before any lookup of names.

Callers: the OCSP source, which asks them, and `explain`, which shows them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Container, Iterator
from typing import Final

import attrs

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.http.destinations import Destination, destination, hindrance
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.ocsp import OcspRequest

MAX_DESTINATIONS: Final = 3
"""Responders of one certificate that are asked in turn, within one timeout for all of them."""

MAX_URLS: Final = 16
"""URLs of one certificate that are considered."""


@attrs.frozen(kw_only=True)
class Responder:
    """A URL of a responder, and why it is not asked; empty where it is."""

    url: str
    hindrance: str = ""
    destination: Destination | None = None  # None: it is none, or others come before it


def responders_of(request: OcspRequest, profile: SslProfile, own_ports: Container[int] = ()) -> tuple[Responder, ...]:
    """The responders of a certificate in their order, each once: the operator's own, else those that it names.

    Those with a destination are asked in turn, but for those that the address rules refuse.

    Args:
        request: about the certificate.
        profile: of the site.
        own_ports: ports of the gateway, which does not ask itself.
    """
    if profile.ocsp_responder_url:
        url = profile.ocsp_responder_url
        return (Responder(url=url, destination=destination(url)),)
    return tuple(named_urls(tuple(dict.fromkeys(request.responders)), profile, own_ports))


def named_urls(urls: tuple[str, ...], profile: SslProfile, own_ports: Container[int] = ()) -> Iterator[Responder]:
    """The URLs that a certificate names, of responders or of distribution points, and why some of them are not asked.

    Args:
        urls: in their order, each once.
        profile: whose address rules count.
        own_ports: ports of the gateway, which does not ask itself.
    """
    count = 0
    for index, url in enumerate(urls):
        if index >= MAX_URLS:
            yield Responder(url=url, hindrance=f"is not used: it is not among the first {MAX_URLS}")
            continue
        try:
            where = destination(url)
        except UnacceptableError as error:
            yield Responder(url=url, hindrance=f"is not used: {error}")
            continue
        count += 1
        if count > MAX_DESTINATIONS:
            yield Responder(url=url, hindrance=f"is not used: only the first {MAX_DESTINATIONS} are asked")
        else:
            yield Responder(url=url, hindrance=_hindrance(where, profile, own_ports), destination=where)


def _hindrance(where: Destination, profile: SslProfile, own_ports: Container[int]) -> str:
    refused = hindrance(where.url, profile.ocsp_allowed_networks, profile.ocsp_allowed_ports)
    if not refused and where.port in own_ports and _is_loopback(where.host):
        return f"is not used: port {where.port} of this machine is one of the gateway's own listeners"
    return refused


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:  # a name, which is not looked up here
        return False
