"""The headers and the access log of peers.py for mitmproxy, which cannot verify a client's certificate."""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import Any
from urllib.parse import quote

LOG = open(os.environ["ACCESS_LOG"], "a", buffering=65536)  # noqa: SIM115


def requestheaders(flow: Any) -> None:
    """Sets the headers, and has large bodies streamed."""
    flow.request.stream = True
    client = flow.client_conn
    headers = flow.request.headers
    headers["X-Forwarded-For"] = f"{client.peername[0]}:{client.peername[1]}"
    headers["X-Forwarded-Proto"] = "https"
    headers["X-Forwarded-Port"] = str(client.sockname[1])
    headers["X-Original-Host"] = headers.get("Host", "")
    headers["X-Original-Url"] = flow.request.path
    headers["X-Appgw-Trace-Id"] = flow.id
    if client.certificate_list:
        certificate = client.certificate_list[0]
        pem = certificate.to_pem()
        headers["X-Client-Certificate"] = quote(pem.decode(), safe="")
        headers["X-Client-Certificate-Verification"] = "SUCCESS"
        headers["X-Client-Certificate-Subject"] = ",".join("=".join(pair) for pair in certificate.subject)
        headers["X-Client-Certificate-Issuer"] = ",".join("=".join(pair) for pair in certificate.issuer)
        headers["X-Client-Certificate-Serial"] = f"{certificate.serial:X}"
        headers["X-Client-Certificate-Fingerprint"] = hashlib.sha1(pem, usedforsecurity=False).hexdigest()
        headers["X-Client-Certificate-Start-Date"] = str(certificate.notbefore)
        headers["X-Client-Certificate-End-Date"] = str(certificate.notafter)


def responseheaders(flow: Any) -> None:
    """Has the body streamed."""
    flow.response.stream = True


def response(flow: Any) -> None:
    """One line of the log."""
    record = {
        "timeStamp": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "clientIP": flow.client_conn.peername[0],
        "httpMethod": flow.request.method,
        "requestUri": flow.request.path,
        "userAgent": flow.request.headers.get("User-Agent", ""),
        "httpStatus": flow.response.status_code,
        "transactionId": flow.id,
    }
    LOG.write(json.dumps(record) + "\n")
    LOG.flush()
