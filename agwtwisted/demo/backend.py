"""A backend that shows what it received: a page for browsers, JSON for everything else."""

from __future__ import annotations

import json
from html import escape
from urllib.parse import unquote

import attrs
from twisted.web.http import Request
from twisted.web.resource import Resource

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>What the backend received</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid #ddd }}
th {{ font-weight: 600; white-space: nowrap }}
td {{ font-family: ui-monospace, monospace; font-size: .85rem; white-space: pre-wrap; overflow-wrap: anywhere }}
</style>
<h1>What the backend received</h1>
<p><strong>{verification}</strong></p>
<p><code>{method} {target}</code></p>
<table>
{rows}
</table>
</html>
"""

_SENTENCES = {
    "SUCCESS": "The gateway verified your certificate.",
    "PASSTHROUGH": "You sent a certificate; the gateway passed it on and did not verify it.",
    "NONE": "You were asked for a certificate and sent none.",
    "": "You were not asked for a certificate.",
}


@attrs.frozen(kw_only=True)
class Received:
    """What arrived, as text; a header that came several times has its values joined."""

    method: str
    target: str
    headers: dict[str, str]


class ReceivedRequest(Resource):
    """Answers every request with what arrived: a page if the client takes HTML, else one JSON object."""

    isLeaf = True

    def render(self, request: Request) -> bytes:
        """The body of the answer, whatever the method."""
        received = _received(request)
        request.setHeader(b"Cache-Control", b"no-store")
        if b"text/html" in (request.getHeader(b"Accept") or b""):
            request.setHeader(b"Content-Type", b"text/html; charset=utf-8")
            request.setHeader(b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'")
            return page(received).encode()
        request.setHeader(b"Content-Type", b"application/json")
        return json.dumps(attrs.asdict(received), indent=2).encode() + b"\n"


def page(received: Received) -> str:
    """The received request as a page; the certificate stands there as the PEM that it is."""
    verification = received.headers.get("X-Client-Certificate-Verification", "")
    return _PAGE.format(
        verification=_SENTENCES.get(verification, escape(verification)),
        method=escape(received.method),
        target=escape(received.target),
        rows="\n".join(_row(name, value) for name, value in sorted(received.headers.items())),
    )


def _received(request: Request) -> Received:
    lines = request.requestHeaders.getAllRawHeaders()
    headers = {_text(name): ", ".join(map(_text, values)) for name, values in lines}
    return Received(method=_text(request.method), target=_text(request.uri), headers=headers)


def _row(name: str, value: str) -> str:
    readable = unquote(value) if name == "X-Client-Certificate" else value
    return f"<tr><th>{escape(name)}<td>{escape(readable.strip())}"


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
