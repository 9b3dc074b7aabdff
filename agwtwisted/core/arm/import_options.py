"""What an import is given besides the document: what only Azure has, and where it is on this machine."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class GivenCertificate:
    """A file in place of a certificate's data: PEM, DER or PFX, and the password of a PFX."""

    data: bytes = attrs.field(repr=False)
    password: bytes | None = attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class ImportOptions:
    """Everything that may be given; names of resources are compared without case.

    Attributes:
        addresses: the address of each frontend by its name; under the empty name that of all others.
        ports: local ports by those of the document.
        port_offset: what is added to ports that are not among them.
        backends: the servers (``host`` or ``host:port``) of pools, by their names.
        certificates: by the name of the certificate, or ``collection/name`` where two collections have one of it.
        pages: error pages by their URL.
        tls_policy: the predefined policy in place of those that were retired.
        local_addresses: the addresses that this machine has.
        elsewhere: titles of sections (``ssl_certificate web``) whose files an overlay names: they need no data.
        names_may_wait: whether options may name children that the gateway does not have yet, as those of a control
            plane whose clients add them one by one: a warning then, otherwise an error.
    """

    addresses: Mapping[str, str] = attrs.field(factory=dict)
    ports: Mapping[int, int] = attrs.field(factory=dict)
    port_offset: int = 0
    backends: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    certificates: Mapping[str, GivenCertificate] = attrs.field(factory=dict, repr=False)
    pages: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)
    tls_policy: str = ""
    local_addresses: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    names_may_wait: bool = False
