"""Has a context present a certificate of the gateway's own. Callers: the contexts of listeners and of backends."""

from __future__ import annotations

from collections.abc import Callable

from OpenSSL import SSL

from agwtwisted.core.base.errors import AgwError
from agwtwisted.core.resources.certificates import SslCertificate
from agwtwisted.tls.codec import error_text


def present(context: SSL.Context, certificate: SslCertificate, unfit: Callable[[str, str], AgwError]) -> None:
    """Gives a context a certificate, its key, and the intermediates that are sent with it.

    Raises:
        what `unfit` makes of the certificate's name and OpenSSL's reason: OpenSSL does not take it, for a weak key for
            instance.
    """
    leaf, *intermediates = certificate.certificates
    try:
        context.use_certificate(leaf)
        context.use_privatekey(certificate.key)  # type: ignore[arg-type]
        for intermediate in intermediates:
            context.add_extra_chain_cert(intermediate)
    except SSL.Error as error:
        raise unfit(certificate.name, error_text(error)) from error
