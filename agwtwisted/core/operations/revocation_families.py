"""The metrics of revocation: what is asked of responders and distribution points, and what gateways share.

Caller: the table of all metrics.
"""

from __future__ import annotations

from typing import Final

from agwtwisted.core.operations.metric_kinds import counter, gauge, histogram

_DOWNLOADS: Final = "Downloads of CRLs: `new`, `not_modified`, `unusable`, `unreachable`, `could_not_ask`, `cancelled`"

REVOCATION: Final = (
    counter(
        "agw_revocation_checks",
        ("source", "status"),
        "Checks of clients' certificates, by what has decided (`OCSP`, `CRL`, `none`) and by `revocationStatus` of the"
        " access log; a connection is checked again when a verdict ends",
    ),
    counter(
        "agw_ocsp_requests",
        ("outcome",),
        "Questions to OCSP responders: `good`, `revoked`, `unknown`, `unusable` (a response that proves nothing),"
        " `unreachable` (no response), `could_not_ask` (the gateway lacked something), `cancelled`",
    ),
    histogram(
        "agw_ocsp_request_duration_seconds",
        (),
        "Time from a question about a certificate to its outcome, with the wait for a slot",
    ),
    counter("agw_ocsp_cache_hits", (), "Times that the status of a certificate was known, and no responder was asked"),
    counter(
        "agw_ocsp_fail_open",
        (),
        "Clients that were accepted without a status of their certificate"
        " (`ocsp_unavailable`, `crl_unavailable = Allow`)",
    ),
    counter("agw_crl_downloads", ("outcome",), _DOWNLOADS),
    gauge("agw_crl_lists", ("worker",), "CRLs in force"),
    gauge("agw_crl_entries", ("worker",), "Certificates in all of them"),
    gauge("agw_crl_bytes", ("worker",), "Memory that they take"),
    gauge("agw_crl_next_update_timestamp_seconds", ("worker",), "When the first of them ends, since 1970; 0: none"),
    gauge("agw_ocsp_requests_waiting", (), "Questions that wait for their turn at a responder"),
    gauge(
        "agw_ocsp_staple_next_update_timestamp_seconds",
        ("name",),
        "Until when an OCSP response is stapled to a certificate, in seconds since 1970; 0: none is",
        of_gateway=True,
    ),
    counter(
        "agw_ocsp_staple_requests",
        ("outcome",),
        "Questions about the gateway's own certificates: `good`, `revoked`, `unusable`, `unreachable`, `could_not_ask`",
        of_gateway=True,
    ),
    counter(
        "agw_revocation_store_answers",
        ("origin",),
        "Answers about certificates with a `revocation_store`: `hit` (another gateway had it), `waited` (another one"
        " asked meanwhile), `asked` (this one asked a responder)",
    ),
    counter(
        "agw_revocation_store_commands",
        ("command", "outcome"),
        "Commands to the `revocation_store` (`get`, `put`, `lease`, `release`, `publish`): `done`, `none` (it has no"
        " such value, or another gateway has the lease), `error`, `not_connected`",
    ),
    gauge("agw_revocation_store_connected", (), "Processes with a connection to the `revocation_store`"),
)
"""Its rows."""
