"""The best reverse proxy that aiohttp makes easily: the job of peers.py, one process, everything streamed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import sys
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web

HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-connection"}
SETTINGS = json.loads(Path(sys.argv[1]).read_text())


def certificate_headers(tls: ssl.SSLObject) -> dict[str, str]:
    """The client's certificate as headers; made once for each connection."""
    der, found = tls.getpeercert(binary_form=True), tls.getpeercert()
    fields: dict[str, Any] = dict(found or {})
    if not der:
        return {}

    def name(field: str) -> str:
        return ",".join(f"{kind}={value}" for entry in reversed(fields[field]) for kind, value in entry)

    return {
        "X-Client-Certificate": quote(ssl.DER_cert_to_PEM_cert(der), safe=""),
        "X-Client-Certificate-Verification": "SUCCESS",
        "X-Client-Certificate-Subject": name("subject"),
        "X-Client-Certificate-Issuer": name("issuer"),
        "X-Client-Certificate-Serial": fields["serialNumber"],
        "X-Client-Certificate-Fingerprint": hashlib.sha1(der, usedforsecurity=False).hexdigest(),
        "X-Client-Certificate-Start-Date": fields["notBefore"],
        "X-Client-Certificate-End-Date": fields["notAfter"],
    }


class Proxy:
    """The handler, and what it keeps of connections."""

    def __init__(self) -> None:
        self.log = open(SETTINGS["access_log"], "a", buffering=65536)  # noqa: SIM115
        self.session: ClientSession
        self.by_transport: dict[asyncio.BaseTransport, dict[str, str]] = {}

    def identity(self, request: web.Request) -> dict[str, str]:
        """The certificate headers of the request's connection."""
        transport = request.transport
        known = self.by_transport.get(transport)
        if known is None:
            if len(self.by_transport) > 4096:
                self.by_transport.clear()
            known = self.by_transport[transport] = certificate_headers(transport.get_extra_info("ssl_object"))
        return known

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        began = time.time()
        headers = [
            (name, value)
            for name, value in request.headers.items()
            if name.lower() not in HOP_BY_HOP and not name.lower().startswith("x-client-certificate")
        ]
        peer = request.transport.get_extra_info("peername")
        trace = uuid.uuid4().hex
        headers += [
            ("X-Forwarded-For", f"{peer[0]}:{peer[1]}"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Port", str(SETTINGS["port"])),
            ("X-Original-Host", request.host),
            ("X-Original-Url", request.path_qs),
            ("X-Appgw-Trace-Id", trace),
            *self.identity(request).items(),
        ]
        body = request.content.iter_chunked(65536) if request.can_read_body else None
        url = f"http://127.0.0.1:{SETTINGS['backend_port']}{request.path_qs}"
        async with self.session.request(request.method, url, headers=headers, data=body) as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
            if (answer.content_length or 0) <= 65536 and "Content-Length" in answer.headers:
                response = web.Response(status=answer.status, headers=kept, body=await answer.read())
            else:
                response = web.StreamResponse(status=answer.status, headers=kept)
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
        record = {
            "timeStamp": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(began)),
            "clientIP": peer[0],
            "clientPort": peer[1],
            "httpMethod": request.method,
            "requestUri": request.path,
            "requestQuery": request.query_string,
            "userAgent": request.headers.get("User-Agent", ""),
            "httpStatus": response.status,
            "timeTaken": time.time() - began,
            "transactionId": trace,
            "originalHost": request.host,
        }
        self.log.write(json.dumps(record) + "\n")
        return response


async def main() -> None:
    """Serves until it is ended."""
    proxy = Proxy()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(SETTINGS["chain"], SETTINGS["key"])
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(SETTINGS["trusted"])
    connector = TCPConnector(limit=0, keepalive_timeout=60)
    async with ClientSession(
        connector=connector, auto_decompress=False, cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=None)
    ) as proxy.session:
        runner = web.ServerRunner(web.Server(proxy, access_log=None, keepalive_timeout=600))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", SETTINGS["port"], ssl_context=context, backlog=4096).start()
        while True:
            await asyncio.sleep(1)
            proxy.log.flush()


if __name__ == "__main__":
    asyncio.run(main())
