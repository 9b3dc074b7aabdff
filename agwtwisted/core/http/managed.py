"""Request headers that the gateway alone says: which names they are, in whatever spelling a client sends them."""

from __future__ import annotations

from typing import Final

_FOLDED: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ_.", b"abcdefghijklmnopqrstuvwxyz--")


def canonical(name: bytes) -> bytes:
    """The spelling by which header names are compared: lower case, ``_`` and ``.`` as ``-``.

    CGI and WSGI give ``X-Client-Certificate`` and ``X_Client.Certificate`` one variable name, so a backend may take
    either for the other; nothing but the canonical spelling decides what a name is.
    """
    return name.translate(_FOLDED)


MANAGED_NAMES: Final = frozenset(
    {
        b"x-client-certificate",
        b"x-client-certificate-verification",
        b"x-client-certificate-subject",
        b"x-client-certificate-issuer",
        b"x-client-certificate-serial",
        b"x-client-certificate-fingerprint",
        b"x-client-certificate-start-date",
        b"x-client-certificate-end-date",
        b"x-client-certificate-omitted",
        b"client-cert",
        b"client-cert-chain",
        b"x-forwarded-client-cert",
        b"x-forwarded-proto",
        b"x-forwarded-port",
        b"x-original-host",
        b"x-original-url",
        b"x-appgw-trace-id",
        b"x-azure-ja4-fingerprint",
    }
)
"""Canonical names that are deleted from every request of every listener before the gateway sets its own.

Names that rewrite rules set from the certificate join them with the configuration. ``X-Forwarded-For`` is not among
them: the product appends to what came.
"""
