"""Which of the gateway's certificates have their OCSP responses stapled, and who is asked, as `--check` shows it."""

from __future__ import annotations

from collections.abc import Iterable

from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.tables import table_if_any
from agwtwisted.core.resources.certificates import SslCertificate
from agwtwisted.core.revocation.stapling import NotStapled, is_demanded, subject_of


def table(certificates: Iterable[SslCertificate]) -> str:
    """A row for each certificate that is stapled or demands it; empty where none does."""
    rows = [row for each in certificates if (row := _row(each))]
    return table_if_any("OCSP stapling", ("CERTIFICATE", "RESPONDER", "MUST-STAPLE"), rows)


def _row(certificate: SslCertificate) -> tuple[str, ...]:
    subject, demanded = subject_of(certificate), is_demanded(certificate)
    if isinstance(subject, NotStapled):
        return (certificate.name, f"none: {subject.reason}", "yes") if demanded else ()
    urls = "\n".join(printable(each.url) for each in subject.responders)
    return certificate.name, urls, "yes" if demanded else "no"
