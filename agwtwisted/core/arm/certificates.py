"""The certificates of a gateway: their sections, and the files that these name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from agwtwisted.core.arm.certificate_data import VirtualFile, certificate_bytes, suffix_of
from agwtwisted.core.arm.findings import IGNORED
from agwtwisted.core.arm.import_options import GivenCertificate
from agwtwisted.core.arm.members import ObjectMembers
from agwtwisted.core.arm.reading import ChildResource, Reading, entry, section
from agwtwisted.core.arm.tls_properties import (
    AUTHENTICATION_CERTIFICATES,
    SSL_CERTIFICATES,
    TRUSTED_CLIENT_CERTIFICATES,
    TRUSTED_ROOT_CERTIFICATES,
)
from agwtwisted.core.base.errors import Place, UnacceptableError
from agwtwisted.core.sections.ini import Entry, Section
from agwtwisted.core.verification import trusted_roots
from agwtwisted.core.verification.chains import INVALID_DATA, MUST_SPECIFY_DATA

DIRECTORY: Final = "certificates"
KEY_VAULT: Final = "ApplicationGatewayKeyVaultSecretException"
MUST_BE_SPECIFIED: Final = "ApplicationGatewayCertificateDataOrKeyVaultSecretIdMustBeSpecified"

_COLLECTIONS: Final = (
    SSL_CERTIFICATES,
    TRUSTED_CLIENT_CERTIFICATES,
    TRUSTED_ROOT_CERTIFICATES,
    AUTHENTICATION_CERTIFICATES,
)


@attrs.define
class VirtualFiles:
    """The files of a conversion by their paths beside the document, no two of which differ in case alone."""

    files: dict[str, VirtualFile] = attrs.Factory(dict)
    _taken: set[str] = attrs.Factory(set)

    def add(self, directory: str, name: str, suffix: str, file: VirtualFile) -> str:
        """Keep a file; its path."""
        path, count = f"{directory}/{name}{suffix}", 1
        while path.casefold() in self._taken:
            count += 1
            path = f"{directory}/{name}-{count}{suffix}"
        self._taken.add(path.casefold())
        self.files[path] = file
        return path


@attrs.frozen(kw_only=True)
class Certificates:
    """Converts them; `pinned` are the authentication certificates that became trusted roots, by their names."""

    reading: Reading
    files: VirtualFiles
    pinned: dict[str, str] = attrs.Factory(dict)

    def sections(self) -> Iterator[Section]:
        """The sections of all that can be read; the others are reported."""
        self._check_options()
        for child in self.reading.of(SSL_CERTIFICATES):
            yield section(child, list(self._ssl_certificate(child)))
        for child in self.reading.of(TRUSTED_CLIENT_CERTIFICATES):
            yield section(child, list(self._trusted(child)))
        for child in self.reading.of(TRUSTED_ROOT_CERTIFICATES):
            yield section(child, list(self._trusted(child)))
        for child in self.reading.of(AUTHENTICATION_CERTIFICATES):
            yield from self._pinned(child)

    def _ssl_certificate(self, child: ChildResource) -> Iterator[Entry]:
        data = self._data(child)
        if data is None:
            return
        given = self._given(child)
        suffix, place = suffix_of(data), self._place(child)
        file = self.files.add(DIRECTORY, child.name, suffix, VirtualFile(data=data, is_secret=True))
        yield entry("certificate_file", file, place)
        if suffix != ".pfx":
            yield entry("key_file", file, place)
            return
        password = given.password if given else self._password(child)
        if not given and (unknown := child.members.unknown.get("password")):
            findings = self.reading.findings
            findings.unknown(child.place, "password", unknown, section=child.title, key="password_file")
        elif password:
            secret = VirtualFile(data=password, is_secret=True)
            path = self.files.add(DIRECTORY, child.name, ".password", secret)
            yield entry("password_file", path, child.members.values.get("password", child.members.node).place)

    def _password(self, child: ChildResource) -> bytes:
        """A password in the document, as it stands there: blanks belong to it."""
        node = child.members.values.get("password")
        return node.value.encode() if node is not None and isinstance(node.value, str) else b""

    def _trusted(self, child: ChildResource) -> Iterator[Entry]:
        data = self._data(child)
        if data is not None:
            yield entry("file", self._written(child, data), self._place(child))

    def _written(self, child: ChildResource, data: bytes) -> str:
        secret = b"PRIVATE KEY" in data
        return self.files.add(DIRECTORY, child.name, suffix_of(data), VirtualFile(data=data, is_secret=secret))

    def _pinned(self, child: ChildResource) -> Iterator[Section]:
        """A pinned certificate of v1 as a trusted root, where it can be one."""
        data = self._data(child)
        if data is None:
            return
        findings, place = self.reading.findings, self._place(child)
        if not isinstance(trusted_roots.read_roots(data, child.name), trusted_roots.TrustedRoots):
            findings.warning(
                place,
                f"authentication certificate {child.name} is ignored: it is neither a root CA nor self-signed, and the"
                " gateway pins no servers' certificates; they are verified against the system's roots",
                section=child.title,
                name=IGNORED.name,
            )
            return
        findings.warning(
            place,
            f"authentication certificate {child.name} becomes a trusted root: servers whose certificates it issued are"
            " accepted, too, and their names are verified",
            section=child.title,
            name=IGNORED.name,
        )
        name = child.name
        while self.reading.find(TRUSTED_ROOT_CERTIFICATES.name, name):
            name += "-authentication"
        self.pinned[child.name] = name
        entries = (entry("file", self._written(child, data), place),)
        yield Section(kind=TRUSTED_ROOT_CERTIFICATES.kind, name=name, place=child.place, entries=entries)

    def _given(self, child: ChildResource) -> GivenCertificate | None:
        """The file that the options give in place of the data."""
        collection = child.members.collection.name
        names = {f"{collection}/{child.name}".casefold(), child.name.casefold()}
        found = [file for name, file in self.reading.options.certificates.items() if name.casefold() in names]
        return found[0] if found else None

    def _place(self, child: ChildResource) -> Place:
        return child.members.values.get("data", child.members.node).place

    def _data(self, child: ChildResource) -> bytes | None:
        """The bytes of a certificate's file; None where there are none (reported) or they are elsewhere."""
        if child.title.casefold() in {title.casefold() for title in self.reading.options.elsewhere}:
            return None
        given = self._given(child)
        if given is not None:
            return given.data
        node = child.members.values.get("data")
        if node is None:
            self._without_data(child)
            return None
        try:
            if not isinstance(node.value, str):
                raise UnacceptableError("must be a text")
            return certificate_bytes(node.value)
        except UnacceptableError as error:
            code = INVALID_DATA if child.members.collection is TRUSTED_CLIENT_CERTIFICATES else ""
            self._refuse(child, node.place, f"certificate {child.name} {error.message}", code)
            return None

    def _without_data(self, child: ChildResource) -> None:
        """Report why there are no data, and what helps."""
        members, place = child.members, child.place
        if unknown := members.unknown.get("data"):
            self.reading.findings.unknown(
                members.body.member("data").place,
                "data",
                unknown,
                section=child.title,
                key=members.row("data").key,
                instead=f"--certificate {child.name}=FILE gives its file",
            )
        elif secret := self._secret(members):
            message = f"certificate {child.name} is in Key Vault ({secret[:400]}), which is never asked"
            self._refuse(child, members.body.member("keyVaultSecretId").place, message, KEY_VAULT)
        elif not members.body.member("hsm").is_absent:
            return  # it was reported
        elif members.collection is TRUSTED_CLIENT_CERTIFICATES:
            self._refuse(child, place, f"trusted client certificate {child.name} has no data", MUST_SPECIFY_DATA)
        else:
            message = (
                "Either Data or KeyVaultSecretId must be specified for Certificate"
                f" '{self.reading.id_of(members, child.name)}' in Application Gateway."
            )
            self._refuse(child, place, message, MUST_BE_SPECIFIED)

    def _secret(self, members: ObjectMembers) -> str:
        """The id of a secret in Key Vault, or the expression that stands for it."""
        name = "keyVaultSecretId"
        if unknown := members.unknown.get(name):
            return unknown.expression
        return members.text(name) if name in members else ""

    def _refuse(self, child: ChildResource, place: Place, message: str, code: str) -> None:
        way_out = f"--certificate {child.name}=FILE gives its file"
        message = f"{message.rstrip('.')}: {way_out}"
        key = child.members.row("data").key
        self.reading.findings.error(place, message, section=child.title, key=key, code=code)

    def _check_options(self) -> None:
        """Options that name no certificate."""
        names = [(each.name, child.name) for each in _COLLECTIONS for child in self.reading.of(each)]
        known = {name.casefold() for collection, child in names for name in (child, f"{collection}/{child}")}
        for name in self.reading.options.certificates:
            if name.casefold() not in known:
                self.reading.unknown_option(f"certificate.{name}", [child for _, child in names])
