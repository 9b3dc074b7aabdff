"""A scriptable OCSP responder: true responses, false ones, or no OCSP at all.

Bytes are of our own making, because the libraries build only responses that are right; keys and signatures are real.
"""

from __future__ import annotations

import hashlib
import socket
import threading
from base64 import b64decode
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import unquote

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from agwtwisted.core.certificates.der import SEQUENCE, elements, only_element
from agwtwisted.core.revocation.ocsp import OcspRequest, OcspRules, prove, status_at
from agwtwisted.core.revocation.status import CertStatus, Unusable
from tests import pki
from tests.end_to_end.lines import DEADLINE, Line, wait_until
from tests.pki import tlv

CONTENT_TYPE = b"application/ocsp-response"
NOCHECK = pki.extension(x509.OCSPNoCheck())
TRY_LATER = bytes.fromhex("30030a0103")
"""A response without content: status tryLater."""

_ALGORITHMS = {  # object identifiers of RFC 5758, RFC 8017 and RFC 8410, in DER
    ("ec", "sha1"): "06072a8648ce3d0401",
    ("ec", "sha256"): "06082a8648ce3d040302",
    ("ec", "sha384"): "06082a8648ce3d040303",
    ("rsa", "md5"): "06092a864886f70d0101040500",
    ("rsa", "sha1"): "06092a864886f70d0101050500",
    ("rsa", "sha256"): "06092a864886f70d01010b0500",
    ("rsa", "sha512"): "06092a864886f70d01010d0500",
    ("pss", "sha256"): "06092a864886f70d01010a"
    "3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120",
    ("ed25519", ""): "06032b6570",
}
_HASHES = {
    "sha1": "300906052b0e03021a0500",
    "sha256": "300d06096086480165030402010500",
    "md5": "300c06082a864886f70d02050500",
}


def status_by(response: bytes, request: OcspRequest, rules: OcspRules, now: float) -> CertStatus | Unusable:
    """What a response that comes now says about the certificate of a request."""
    proven = prove(response, request)
    return proven if isinstance(proven, Unusable) else status_at(proven, rules, now)


def delegate(issuer: pki.Authority, subject: str = "OCSP responder", **options: Any) -> pki.Credential:
    """A credential that may sign responses for its issuer."""
    return issuer.issue(subject, **{"eku": (pki.OCSP_SIGNING,), "extra": (NOCHECK,), **options})


@attrs.frozen(kw_only=True)
class Single:
    """What a response says about one certificate; the fields of its CertID may be replaced."""

    certificate: pki.Credential
    issuer: pki.Authority | None = None  # None: the certificate's own
    status: str = "good"  # revoked, unknown
    this_update: datetime = pki.NOW
    next_update: datetime | None = pki.NOW + timedelta(hours=1)
    revoked_at: datetime = pki.NOW - timedelta(days=1)
    reason: int | None = 1  # keyCompromise
    hash: str = "sha1"
    name_hash: bytes | None = None
    key_hash: bytes | None = None
    serial: int | None = None
    extensions: Sequence[bytes] = ()

    def der(self) -> bytes:
        """SingleResponse (RFC 6960 section 4.2.1)."""
        return tlv(
            0x30,
            self._certificate_id(),
            self._status(),
            generalized(self.this_update),
            tlv(0xA0, generalized(self.next_update)) if self.next_update else b"",
            tlv(0xA1, tlv(0x30, *self.extensions)) if self.extensions else b"",
        )

    def _certificate_id(self) -> bytes:
        issuer = self.issuer or self.certificate.issuers[0]
        name_hash = hashlib.new(self.hash, issuer.subject).digest() if self.name_hash is None else self.name_hash
        key_hash = hashlib.new(self.hash, _key_bits(issuer)).digest() if self.key_hash is None else self.key_hash
        serial = self.certificate.certificate.serial_number if self.serial is None else self.serial
        return tlv(
            0x30,
            bytes.fromhex(_HASHES[self.hash]),
            tlv(0x04, name_hash),
            tlv(0x04, key_hash),
            tlv(0x02, serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)),
        )

    def _status(self) -> bytes:
        if self.status != "revoked":
            return tlv({"good": 0x80, "unknown": 0x82}[self.status])
        reason = b"" if self.reason is None else tlv(0xA0, tlv(0x0A, bytes([self.reason])))
        return tlv(0xA1, generalized(self.revoked_at), reason)


@attrs.frozen(kw_only=True)
class Response:
    """A whole response: `der` is correct unless a test asks for something else."""

    signer: pki.Credential
    singles: Sequence[Single]
    certificates: Sequence[pki.Credential] = ()
    by_name: bool = False
    responder: pki.Credential | None = None  # named instead of the signer
    produced_at: datetime = pki.NOW
    nonce: bytes = b""
    extensions: Sequence[bytes] = ()
    digest: str = "sha256"
    pss: bool = False
    algorithm: tuple[str, str] | None = None  # named instead of the true one
    signature: bytes | None = None
    status: int = 0
    kind: bytes = bytes.fromhex("06092b0601050507300101")  # id-pkix-ocsp-basic
    trailing: bytes = b""
    inner_trailing: bytes = b""

    def der(self) -> bytes:
        """OCSPResponse (RFC 6960 section 4.2.1)."""
        basic = self._basic() + self.inner_trailing
        body = tlv(0xA0, tlv(0x30, self.kind, tlv(0x04, basic)))
        return tlv(0x30, tlv(0x0A, bytes([self.status])), body) + self.trailing

    def _basic(self) -> bytes:
        data = self._data()
        signature = self._sign(data) if self.signature is None else self.signature
        name = self.algorithm or (self._family(), self.digest if self._family() != "ed25519" else "")
        chain = tlv(0xA0, tlv(0x30, *(each.der for each in self.certificates))) if self.certificates else b""
        return tlv(0x30, data, tlv(0x30, bytes.fromhex(_ALGORITHMS[name])), tlv(0x03, b"\0", signature), chain)

    def _data(self) -> bytes:
        responder = self.responder or self.signer
        hashed = tlv(0xA2, tlv(0x04, hashlib.sha1(_key_bits(responder)).digest()))
        extensions = list(self.extensions)
        if self.nonce:
            extensions.append(extension("06092b0601050507300102", tlv(0x04, self.nonce)))
        return tlv(
            0x30,
            tlv(0xA1, responder.subject) if self.by_name else hashed,
            generalized(self.produced_at),
            tlv(0x30, *(single.der() for single in self.singles)),
            tlv(0xA1, tlv(0x30, *extensions)) if extensions else b"",
        )

    def _family(self) -> str:
        match self.signer.key:
            case ec.EllipticCurvePrivateKey():
                return "ec"
            case rsa.RSAPrivateKey():
                return "pss" if self.pss else "rsa"
            case _:
                return "ed25519"

    def _sign(self, data: bytes) -> bytes:
        digest = {"md5": hashes.MD5(), "sha1": hashes.SHA1(), "sha256": hashes.SHA256()}.get(self.digest)
        digest = digest or {"sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[self.digest]
        match self.signer.key:
            case ec.EllipticCurvePrivateKey() as key:
                return key.sign(data, ec.ECDSA(digest))
            case rsa.RSAPrivateKey() as key if self.pss:
                return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
            case rsa.RSAPrivateKey() as key:
                return key.sign(data, padding.PKCS1v15(), digest)
            case key:
                return key.sign(data)


def extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    """An extension in DER; the object identifier is DER in hex."""
    return tlv(0x30, bytes.fromhex(oid), tlv(0x01, b"\xff") if critical else b"", tlv(0x04, value))


def generalized(moment: datetime) -> bytes:
    """A GeneralizedTime."""
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


def _key_bits(credential: pki.Credential) -> bytes:
    """The contents of subjectPublicKey, without the octet for unused bits."""
    info = credential.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return elements(only_element(info, SEQUENCE))[1].content[1:]


Asked: TypeAlias = ocsp.OCSPRequest | None
Say: TypeAlias = Callable[[Asked], bytes | None]
"""What to answer to a request: a whole HTTP response; None leaves the client without an answer."""


def http(body: bytes, *headers: bytes, status: bytes = b"200 OK", content_type: bytes = CONTENT_TYPE) -> bytes:
    """An HTTP response."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: " + content_type, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


class Responder:
    """Listens on a port of 127.0.0.1; every question is answered by `say`, in a thread of its own.

    `answers` is what a well-behaved one says, by serial number: a status word, or a function of the request.
    """

    def __init__(self, signer: pki.Credential, say: Say | None = None, port: int = 0) -> None:
        self.signer = signer
        self.say: Say = say or self.true_answer
        self.statuses: dict[int, str] = {}
        self.credentials: dict[int, pki.Credential] = {}
        self.certificates: tuple[pki.Credential, ...] = ()
        self.lifetime = timedelta(hours=1)
        self.gate = threading.Event()  # nothing is answered before it is set
        self.gate.set()
        self.asked: list[int] = []  # the serial number of every request
        self.heads: list[str] = []
        self.lines: list[Line] = []
        self._listening = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}/"

    def knows(self, *credentials: pki.Credential, status: str = "good") -> None:
        """What to say about certificates."""
        for credential in credentials:
            serial = credential.certificate.serial_number
            self.credentials[serial], self.statuses[serial] = credential, status

    def true_answer(self, request: Asked) -> bytes:
        """The response of an honest responder, as HTTP."""
        assert request
        now = datetime.now(UTC).replace(microsecond=0)
        single = Single(
            certificate=self.credentials[request.serial_number],
            status=self.statuses[request.serial_number],
            hash=request.hash_algorithm.name,
            this_update=now,
            next_update=now + self.lifetime,
        )
        response = Response(signer=self.signer, singles=[single], certificates=self.certificates, produced_at=now)
        return http(response.der())

    def wait_for(self, count: int) -> None:
        """Wait until so many questions were asked."""
        wait_until(lambda: len(self.asked) >= count, f"the responder is asked {count} times")

    def close(self) -> None:
        """Answers no more."""
        self.gate.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        for line in self.lines:
            with suppress(OSError):
                line.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line = Line(self._listening.accept()[0])
                self.lines.append(line)
                thread = threading.Thread(target=self._serve, args=(line,), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _serve(self, line: Line) -> None:
        with closing(line.socket), suppress(OSError, AssertionError):  # the client may leave at any point
            while head := line.head():
                self.heads.append(head.start)
                body = line.body(head)
                if head.start.startswith("GET"):
                    body = b64decode(unquote(head.start.split()[1].rpartition("/")[2]))
                request = ocsp.load_der_ocsp_request(body)
                self.asked.append(request.serial_number)
                self.gate.wait(DEADLINE)
                answer = self.say(request)
                if answer is None:
                    line.rest()
                    return
                line.send(answer)
        line.ended.set()
