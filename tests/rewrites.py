"""What tests of rewriting look at: a request with a certificate, its context, and lookups in it."""

from __future__ import annotations

from functools import cache
from typing import Any

import attrs

from agwtwisted.core.certificates.variables import CertificateVariables, certificate_variables
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead
from agwtwisted.core.identity.clients import Admitted
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.core.rules.variable_references import Lookup
from agwtwisted.core.verification.verdicts import Trusted
from tests import identities, pki

HEAD = RequestHead(
    method=b"GET",
    target=b"/a/b%20c?d=e&f",
    version=b"1.1",
    host="www.example.com",
    authority=b"WWW.example.com:8443",
    headers=((b"User-Agent", b"curl/8"), (b"Cookie", b"session=1; other=2"), (b"Accept", b"*/*")),
    user_agent=b"curl/8",
    size=321,
)
RESPONSE = ResponseHead(
    status=302,
    reason=b"Found",
    headers=((b"Location", b"https://app.azurewebsites.net/path2"), (b"Set-Cookie", b"a=b"), (b"Set-Cookie", b"c=d")),
    framing=Framing.LENGTH,
    content_length=12,
)


@cache
def device() -> pki.Credential:
    """A client's certificate, one for the whole run."""
    name = pki.name("device-7", country_name="US", organization_name="Contoso", organizational_unit_name="IoT")
    san = ["one.example", "two.example", pki.x509.UniformResourceIdentifier("urn:device:7")]
    return pki.Authority.root("Devices").issue(name, san=san)


def certificate() -> CertificateVariables:
    """The variables of that certificate."""
    return certificate_variables(device().der)


def client(**changes: Any) -> Admitted:
    """A client with a verified certificate over TLS 1.3, unless changed."""
    fields: dict[str, Any] = {
        "address": "192.0.2.1",
        "port": 4711,
        "gateway_port": 8443,
        "verdict": Trusted(),
        "certificate": certificate(),
        "tls_version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "server_name": "www.example.com",
    }
    return identities.admitted(**fields | changes)


def request(*headers: Header, **changes: object) -> RequestHead:
    """The request, with further header lines and other changes."""
    return attrs.evolve(HEAD, headers=(*HEAD.headers, *headers), **changes)


def context(head: RequestHead = HEAD, response: ResponseHead | None = None, **changes: Any) -> Context:
    """The request in its context; `changes` are those of the client."""
    return Context(head, client(**changes), response)


def lookup(head: RequestHead = HEAD, response: ResponseHead | None = None, **changes: Any) -> Lookup:
    """A lookup of the request as it came."""
    return Lookup(context(head, response, **changes), response=() if response is None else response.headers)
