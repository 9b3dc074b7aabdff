"""From rows to resources: references are resolved, files read, and each section is checked by itself."""

from __future__ import annotations

import datetime
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

import attrs
from cryptography import x509

from agwtwisted.core import chains, limits, policies, server_certificates
from agwtwisted.core.coherence import Built, Draft
from agwtwisted.core.errors import Place, Problem, shown
from agwtwisted.core.ini import Section
from agwtwisted.core.limits import Range
from agwtwisted.core.policies import TlsPolicy
from agwtwisted.core.resources import (
    BackendAddressPool,
    BackendHttpSettings,
    ClientAuth,
    Gateway,
    HttpListener,
    Protocol,
    RequestRoutingRule,
    SslCertificate,
    SslProfile,
    TrustedClientCertificate,
)
from agwtwisted.core.schema import DEFAULT_SSL_POLICY, KINDS
from agwtwisted.core.server_certificates import ServerCertificate, matched, read_key
from agwtwisted.core.settings import Reference, Row, UnacceptableError, did_you_mean

T = TypeVar("T")

_READABLE_BY_OTHERS = 0o044
_WRITABLE_BY_OTHERS = 0o002


@attrs.frozen(kw_only=True)
class SourceFile:
    """A file that a configuration names: its bytes and its permission bits (st_mode)."""

    data: bytes = attrs.field(repr=False)
    mode: int


Read: TypeAlias = Callable[[str], SourceFile]


@attrs.define(kw_only=True)
class Builder:
    """Builds what it can and collects a problem for each thing it cannot."""

    file: str
    read: Read
    now: datetime.datetime | None
    rows: Mapping[str, Mapping[str, Row]]
    problems: list[Problem] = attrs.Factory(list)
    _resources: dict[tuple[str, str], Any] = attrs.Factory(dict)
    _gateway: Gateway | None = None

    def build(self) -> Draft:
        """Every resource, each kind after those it refers to."""
        self._gateway = self._build_gateway()
        built = {kind: tuple(self._built(kind, make)) for kind, make in self._makers().items()}
        return Draft(
            gateway=self._gateway,
            rows={kind: tuple(rows.values()) for kind, rows in self.rows.items()},
            profiles=built["ssl_profile"],
            listeners=built["http_listener"],
            rules=built["request_routing_rule"],
        )

    def _makers(self) -> dict[str, Callable[[Row], Any]]:
        return {
            "ssl_certificate": self._ssl_certificate,
            "trusted_client_certificate": self._trusted_client_certificate,
            "ssl_profile": self._ssl_profile,
            "http_listener": self._http_listener,
            "backend_address_pool": self._backend_address_pool,
            "backend_http_settings": self._backend_http_settings,
            "request_routing_rule": self._request_routing_rule,
        }

    def _built(self, kind: str, make: Callable[[Row], Any]) -> Iterator[Built[Any]]:
        for row in self.rows[kind].values():
            resource = make(row)
            if resource is not None and not row.refused:
                self._resources[kind, row.name] = resource
                yield Built(row, resource)

    def _build_gateway(self) -> Gateway | None:
        row = next(iter(self.rows["gateway"].values()), _no_gateway(self.file))
        policy = self._ssl_policy(row, policies.predefined(DEFAULT_SSL_POLICY))
        if policy is None:
            return None
        values = _fields(row)
        if values.get("access_log", "-") != "-":
            values["access_log"] = self._path(row, "access_log")
        if "state_directory" in values:
            values["state_directory"] = self._path(row, "state_directory")
        return Gateway(**values | {"ssl_policy": policy})

    def _trusted_client_certificate(self, row: Row) -> TrustedClientCertificate | None:
        source = self._source(row, "file")
        if source is None:
            return None
        path = self._path(row, "file")
        chain = chains.read_chain(source.data, path)
        if not isinstance(chain, chains.TrustedChain):
            self.problems += [attrs.evolve(problem, section=row.section.title) for problem in chain]
            return None
        self.problems += [row.warning(f"{path}: {warning}", key="file") for warning in chain.warnings]
        self._check_validity(row, path, chain)
        return TrustedClientCertificate(name=row.name, chain=chain)

    def _check_validity(self, row: Row, path: str, chain: chains.TrustedChain) -> None:
        """An expired root refuses everybody, which nobody wants; with an expired intermediate others may still pass."""
        if self.now is None:
            return
        for warning in server_certificates.validity_warnings([chain.root], self.now):
            self.problems.append(row.problem(f"{path}: no client can be verified, the root {warning}", key="file"))
        rest = [authority for authority in chain.authorities if authority != chain.root]
        for warning in server_certificates.validity_warnings(rest, self.now):
            self.problems.append(row.warning(f"{path}: {warning}", key="file"))

    def _ssl_certificate(self, row: Row) -> SslCertificate | None:
        pfx = server_certificates.is_pfx(row.get("certificate_file") or "")
        if "certificate_file" in row.refused or not self._files_go_together(row, pfx):
            return None
        server = self._pfx(row) if pfx else self._certificate_and_key(row)
        if server is None:
            return None
        if self.now is not None:
            for warning in server_certificates.validity_warnings(server.certificates, self.now):
                self.problems.append(row.warning(warning, key="certificate_file"))
        return SslCertificate(name=row.name, certificates=server.certificates, key=server.key)

    def _files_go_together(self, row: Row, pfx: bool) -> bool:
        unfit, why = ("key_file", "a .pfx holds the key itself") if pfx else ("password_file", "only a .pfx has one")
        if unfit in row.values:
            self.problems.append(row.problem(f"{unfit} does not go with this certificate_file: {why}", key=unfit))
        elif not pfx and "key_file" not in row.values and "key_file" not in row.refused:
            self.problems.append(row.problem("key_file is missing"))
        return unfit not in row.values

    def _pfx(self, row: Row) -> ServerCertificate | None:
        source = self._source(row, "certificate_file", secret=True, most=limits.SSL_CERTIFICATE_BYTES)
        password = self._source(row, "password_file", secret=True)
        if source is None or (password is None and not _unset(row, "password_file")):
            return None
        passphrase = None if password is None else password.data.rstrip(b"\r\n")
        return self._attempt(row, "certificate_file", lambda: server_certificates.read_pfx(source.data, passphrase))

    def _certificate_and_key(self, row: Row) -> ServerCertificate | None:
        certificates = self._certificates(row)
        source = self._source(row, "key_file", secret=True)
        key = None if source is None else self._attempt(row, "key_file", lambda: read_key(source.data))
        if key is None or not certificates:
            return None
        return self._attempt(row, "key_file", lambda: matched(certificates, key))

    def _certificates(self, row: Row) -> tuple[x509.Certificate, ...]:
        source = self._source(row, "certificate_file", most=limits.SSL_CERTIFICATE_BYTES)
        if source is None:
            return ()
        certificates, problems = server_certificates.read_certificates(source.data, self._path(row, "certificate_file"))
        self.problems += [attrs.evolve(problem, section=row.section.title) for problem in problems]
        return () if problems else certificates

    def _ssl_profile(self, row: Row) -> SslProfile | None:
        policy = self._ssl_policy(row, self._gateway.ssl_policy if self._gateway else None)
        trusted = self._found_all(row, "trusted_client_certificates")
        mode = _client_auth(row)
        self.problems += _profile_problems(row, mode)
        if policy is None or trusted is None:
            return None
        fields = _fields(row) | {"trusted_client_certificates": trusted}
        return SslProfile(name=row.name, client_auth=mode, ssl_policy=policy, **fields)

    def _http_listener(self, row: Row) -> HttpListener | None:
        certificate, profile = self._found(row, "ssl_certificate"), self._found(row, "ssl_profile")
        self.problems += _listener_problems(row)
        if certificate is _LOST or profile is _LOST or self._gateway is None or row.refused:
            return None
        policy = profile.ssl_policy if profile else self._gateway.ssl_policy
        tls = row.get("protocol") is Protocol.HTTPS
        fields = _fields(row) | {"ssl_certificate": certificate, "ssl_profile": profile}
        return HttpListener(name=row.name, ssl_policy=policy if tls else None, **fields)

    def _backend_address_pool(self, row: Row) -> BackendAddressPool:
        if _unset(row, "backend_addresses"):
            self.problems.append(row.warning("has no backend_addresses: requests that come here are answered 502"))
        return BackendAddressPool(name=row.name, **_fields(row))

    def _backend_http_settings(self, row: Row) -> BackendHttpSettings:
        if row.get("host_name") and row.get("pick_host_name_from_backend_address"):
            self.problems.append(row.problem("host_name and pick_host_name_from_backend_address exclude each other"))
        return BackendHttpSettings(name=row.name, **_fields(row))

    def _request_routing_rule(self, row: Row) -> RequestRoutingRule | None:
        ends = {
            key: self._found(row, key) for key in ("http_listener", "backend_address_pool", "backend_http_settings")
        }
        if row.refused or any(end is _LOST for end in ends.values()):
            return None
        return RequestRoutingRule(name=row.name, **_fields(row) | ends)

    # -- what sections refer to

    def _found(self, row: Row, key: str) -> Any:
        """The resource that a key names; None where the key is unset, _LOST (and a problem) where there is none."""
        reference = row.get(key)
        return None if reference is None else self._resource(row, key, reference)

    def _found_all(self, row: Row, key: str) -> tuple[Any, ...] | None:
        """The same for a list; None where one of them is lost."""
        found = tuple(self._resource(row, key, reference) for reference in row.get(key))
        return None if _LOST in found else found

    def _resource(self, row: Row, key: str, reference: Reference) -> Any:
        names = self.rows[reference.kind]
        if reference.name not in names:
            message = f"there is no {reference.kind} {shown(reference.name)}{did_you_mean(reference.name, names)}"
            self.problems.append(row.problem(message, key=key, code="InvalidResourceReference"))
        return self._resources.get((reference.kind, reference.name), _LOST)

    def _ssl_policy(self, row: Row, default: TlsPolicy | str | None) -> TlsPolicy | None:
        """The TLS policy that a section names or spells out, else the default."""
        if row.refused & {*_POLICY_KEYS}:
            return None
        given = {key: row.values[key] for key in _POLICY_KEYS if key in row.values}
        policy = _policy(**given) if given else default
        if isinstance(policy, str):
            self.problems.append(row.problem(policy, key=next(iter(given), "")))
            return None
        return policy

    # -- files

    def _path(self, row: Row, key: str) -> str:
        """The path that a key gives, relative to the directory of the configuration."""
        return _beside(self.file, row.get(key))

    def _source(self, row: Row, key: str, *, secret: bool = False, most: Range | None = None) -> SourceFile | None:
        """The file that a key names; None (and a problem, if the key has a value) where there is none."""
        if _unset(row, key) or key in row.refused:
            return None
        path = self._path(row, key)
        try:
            source = self.read(path)
        except OSError as error:
            self.problems.append(row.problem(f"cannot read {path}: {error.strerror or type(error).__name__}", key=key))
            return None
        self.problems += mode_problems(row, key, path, source.mode, secret=secret or b"PRIVATE KEY-----" in source.data)
        if most is not None and len(source.data) not in most:
            self.problems.append(
                row.problem(f"{path} has {len(source.data)} bytes, not {most}", key=key, code=most.code)
            )
            return None
        return source

    def _attempt(self, row: Row, key: str, read: Callable[[], T]) -> T | None:
        """What `read` returns; None and a problem where it finds the file unacceptable."""
        try:
            return read()
        except UnacceptableError as error:
            self.problems.append(row.problem(f"{self._path(row, key)} {error.message}", key=key, code=error.code))
            return None


class _Lost:
    """In place of a resource that a key names and that could not be built."""


_LOST = _Lost()
_POLICY_KEYS = ("ssl_policy", "policy_type", "min_protocol_version", "cipher_suites")


def _policy(
    *,
    ssl_policy: str = "",
    policy_type: str = "",
    min_protocol_version: str = "",
    cipher_suites: tuple[str, ...] = (),
) -> TlsPolicy | str:
    """The policy that these keys describe together, or why they do not."""
    spelt_out = min_protocol_version or cipher_suites
    if policy_type in ("", "Predefined"):
        if spelt_out:
            return "min_protocol_version and cipher_suites need policy_type = Custom or CustomV2"
        return policies.predefined(ssl_policy) if ssl_policy else "policy_type = Predefined needs ssl_policy"
    if ssl_policy:
        return "ssl_policy names a predefined policy: it does not go with policy_type = Custom or CustomV2"
    if policy_type in ("Custom", "CustomV2") and not min_protocol_version:
        return f"policy_type = {policy_type} needs min_protocol_version"
    return policies.custom(policy_type, min_protocol_version, cipher_suites)


def _client_auth(row: Row) -> ClientAuth:
    """Strict where the profile names trusted client certificates and no mode."""
    mode = row.values.get("verify_client_auth_mode")
    if isinstance(mode, ClientAuth):
        return mode
    return ClientAuth.NONE if _unset(row, "trusted_client_certificates") else ClientAuth.STRICT


def _profile_problems(row: Row, mode: ClientAuth) -> Iterator[Problem]:
    if row.refused & {"verify_client_auth_mode"}:
        return
    trusted = not _unset(row, "trusted_client_certificates")
    if mode is ClientAuth.STRICT and not trusted:
        yield row.problem("Strict needs trusted_client_certificates", key="verify_client_auth_mode")
    if mode is not ClientAuth.STRICT and row.get("verify_client_cert_issuer_dn"):
        yield row.problem("verify_client_cert_issuer_dn needs Strict", key="verify_client_cert_issuer_dn")
    if mode is not ClientAuth.STRICT and "refusal" in row.values:
        yield row.warning("refusal has no effect without Strict: nobody is refused", key="refusal")
    if mode is ClientAuth.NONE and all(_unset(row, key) for key in _POLICY_KEYS):
        yield row.problem("must specify either a TLS policy or trusted_client_certificates")


def _listener_problems(row: Row) -> Iterator[Problem]:
    if row.get("require_server_name_indication") and _unset(row, "host_names"):
        yield row.problem("needs host_names to compare the name with", key="require_server_name_indication")
    if row.get("protocol") is Protocol.HTTPS and _unset(row, "ssl_certificate"):
        yield row.problem("an Https listener needs ssl_certificate")
    if row.get("protocol") is Protocol.HTTP:
        for key in ("ssl_certificate", "ssl_profile", "require_server_name_indication"):
            if row.get(key):
                yield row.problem(f"{key} has no place on an Http listener: without TLS nobody sees it", key=key)


def mode_problems(row: Row, key: str, path: str, mode: int, *, secret: bool) -> Iterator[Problem]:
    """What is wrong with the permissions of a file that a key names."""
    if mode & _WRITABLE_BY_OTHERS:
        yield row.problem(f"{path} can be written by others (mode {mode & 0o7777:04o})", key=key)
    if secret and mode & _READABLE_BY_OTHERS:
        yield row.warning(f"{path} can be read by others than its owner (mode {mode & 0o7777:04o})", key=key)


def own_mode_problems(file: str, mode: int) -> Iterator[Problem]:
    """What is wrong with the permissions of the configuration file itself."""
    if mode & _WRITABLE_BY_OTHERS:
        message = f"the configuration can be written by others (mode {mode & 0o7777:04o})"
        yield Problem(place=Place(file=file), message=message)


def _no_gateway(file: str) -> Row:
    """The section [gateway] of a file that has none."""
    section = Section(kind="gateway", line=0)
    return Row(file=file, section=section, kind=KINDS["gateway"], values={}, refused=frozenset())


def _fields(row: Row) -> dict[str, Any]:
    """The row's values that the resource takes as they are."""
    names = attrs.fields_dict(row.kind.resource)
    return {key: value for key, value in row.values.items() if key in names}


def _unset(row: Row, key: str) -> bool:
    """Whether a key is absent, rather than given a value that was refused."""
    return key not in row.values and key not in row.refused


def _beside(file: str, path: str) -> str:
    return posixpath.join(posixpath.dirname(file), path)
