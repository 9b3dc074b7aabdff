"""The certificate variables next to nginx, whose `$ssl_client_*` they equal byte for byte."""

from __future__ import annotations

import os
import random
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path

import attrs
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.names import SHORT_NAMES
from agwtwisted.core.certificates.variables import CertificateVariables, certificate_variables
from tests import odd, pki
from tests.pki import tlv
from tests.strategies import (
    BMP,
    CHARSETS,
    IA5,
    UNIVERSAL,
    UNKNOWN,
    UTF8,
    certificate,
    integer,
    name,
    relative_name,
    simple_name,
    string,
)

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")

CONFIGURATION = """
daemon off; worker_processes 1; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate}; ssl_certificate_key {key};
        ssl_verify_client optional_no_ca;
        error_page 495 =200 /; # certificates that it does not accept are reported too
        location / {{ return 200 "{report}"; }}
    }}
}}
"""
FIELDS = ("escaped_cert", "fingerprint", "s_dn", "i_dn", "v_start", "v_end", "serial")


@attrs.frozen
class Case:
    """A certificate to compare, and why."""

    what: str
    subject: bytes = b"\x30\x00"
    issuer: bytes = b"\x30\x00"
    serial: bytes = b"\x02\x01\x02"
    not_before: bytes = pki.utc_time(b"200101000000Z")
    not_after: bytes = pki.utc_time(b"491231235959Z")


def every_octet() -> Iterator[Case]:
    """Each of the first 256 characters, in each kind of string: alone, first, last, inside and doubled."""
    for number in range(256):
        character = chr(number)
        forms = (character, f"{character}a", f"a{character}", f"a{character}b", character * 2)
        attributes = [("2.5.4.3", string(tag, form)) for tag in CHARSETS for form in forms]
        yield Case(f"character {number:#x}", simple_name(*attributes))


def every_type() -> Iterator[Case]:
    """Each attribute type that we have a short name for, and some that have none."""
    known = [tlv(0x31, tlv(0x30, tlv(0x06, octets), string(UTF8, "x"))) for octets in sorted(SHORT_NAMES)]
    yield Case("known types", name(*known))
    for dotted in (
        UNKNOWN,
        "2.999.1",
        "2.5.4.1000",
        "1.2.3",
        "0.0",
        "0.39.1",
        "1.39",
        "2.40",
        f"2.47.{2**64}",
        f"2.{2**130}.7",
    ):
        values = [string(tag, "a b") for tag in CHARSETS]
        yield Case(f"type {dotted}", simple_name(*((dotted, value) for value in values)))


def shapes() -> Iterator[Case]:
    """Names of unusual shape, and values that are no strings."""
    one, two, three = (("2.5.4.3", string(UTF8, text)) for text in ("one", "two", "three"))
    yield Case("empty")
    yield Case("several values", name(relative_name(one, two), relative_name(three), relative_name(two, one, three)))
    yield Case("unknown among several", name(relative_name(one, (UNKNOWN, string(IA5, "x"))), relative_name(two)))
    yield Case("empty relative name", name(relative_name(one), relative_name(), relative_name(two)))
    yield Case("only an empty relative name", name(relative_name()))
    yield Case("empty values", simple_name(*(("2.5.4.3", tlv(tag)) for tag in CHARSETS)))
    yield Case(
        "beyond the first plane", simple_name(*(("2.5.4.3", string(tag, "a\U0001f511b")) for tag in (UTF8, UNIVERSAL)))
    )
    yield Case(
        "wide", simple_name(*(("2.5.4.3", string(tag, "\u20ac\u0218\uffff ")) for tag in (UTF8, BMP, UNIVERSAL)))
    )
    yield Case(
        "long", simple_name(("2.5.4.10", string(UTF8, "\u00e4" * 5000)), ("2.5.4.3", string(BMP, "\u20ac" * 100)))
    )
    for tag, octets in (
        (0x30, tlv(0x02, b"\1")),
        (0x30, b""),
        (0x03, b"\0ab"),
        (0x1A, b"visible"),
        (0x1B, b"general"),
        (0x04, b"ab"),
    ):
        for kind in ("2.5.4.3", "2.5.4.45", UNKNOWN):
            yield Case(f"tag {tag:#x} as {kind}", simple_name((kind, tlv(tag, octets))))
    for octets in (b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"a\xe2\x82", b"\xf4\x90\x80\x80"):
        yield Case(f"UTF8String {octets!r}", simple_name(("2.5.4.3", tlv(UTF8, octets))))
    yield Case("issuer and subject", simple_name(one), simple_name(two, three))


def numbers() -> Iterator[Case]:
    """Serial numbers at the edges of an octet, zero, negative and long ones."""
    edges = [
        edge + step for edge in (0, 2**7, 2**8, 2**15, 2**16, 2**63, 2**159, 2**160, 2**280 - 2) for step in (-1, 0, 1)
    ]
    for number in sorted({*edges, *(-edge for edge in edges), 0x0ABC, 0x184487C4436B56824CCCA9B809653FC9}):
        yield Case(f"serial {number:#x}", serial=integer(number))


UTC_TIMES = """
    000101000000Z 491231235959Z 500101000000Z 991231235959Z 230530153200Z 2305301532Z 240229000000Z 230229000000Z
    231301000000Z 230001000000Z 230100000000Z 230132000000Z 230431000000Z 230101240000Z 230101006000Z 230101000060Z
    230101000000 2301010000 23010100Z 230101000000z 23010100000aZ 230101000000ZZ 230101000000.5Z
    230101003000+0100 2312312330-1259 230101000000+1300 230101000000+0060 230101000000+01 230101000000+0100Z
"""
GENERALIZED_TIMES = """
    20500101000000Z 99991231235959Z 19000228235959Z 19000229000000Z 20000229000000Z 00010101000000Z
    20231301000000Z 202301010000Z 20230101000000.5Z 20230101000000.123456789Z 20230101000000.Z 202301010000.5Z
    20230101000000,5Z 20230101000000 2023010100Z 20230101000060Z 20230101000000.5
    20230101003000.25+0100 20231231233000-1259 20230101000000+1300 20230101000000+0060 20230101000000+01
"""


def moments() -> Iterator[Case]:
    """Times of both kinds, in every form that is read and some that are not."""
    for tag, texts in ((0x17, UTC_TIMES), (0x18, GENERALIZED_TIMES)):
        for text in (*texts.split(), "", "20230101 000000Z"):
            time = tlv(tag, text.encode())
            yield Case(f"time {text}", not_before=time, not_after=time)


def at_random(count: int) -> Iterator[Case]:
    """Names of random shape and contents; the same ones in every run."""
    chance = random.Random(20230530)
    kinds = ("2.5.4.3", "2.5.4.6", "2.5.4.10", "1.2.840.113549.1.9.1", "0.9.2342.19200300.100.1.25", UNKNOWN)
    alphabet = 'abc #,+"\\<>;=\0\r\n\x7f\u00e9\u20ac'

    def attribute() -> tuple[str, bytes]:
        text = "".join(chance.choices(alphabet, k=chance.randrange(8)))
        tag = chance.choice([tag for tag in CHARSETS if tag in (UTF8, BMP, UNIVERSAL) or "\u20ac" not in text])
        return chance.choice(kinds), string(tag, text)

    def some_name() -> bytes:
        return name(
            *(
                relative_name(*(attribute() for _ in range(chance.choice((1, 1, 1, 2, 3)))))
                for _ in range(chance.randrange(6))
            )
        )

    for number in range(count):
        yield Case(f"random {number}", some_name(), some_name(), integer(chance.getrandbits(chance.randrange(1, 160))))


@attrs.frozen
class Nginx:
    """One nginx process and the key that every client uses."""

    directory: Path
    address: tuple[str, int]
    key_file: str

    def report(self, der: bytes) -> list[bytes] | None:
        """The fields for a client with this certificate; None where OpenSSL does not take the certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        certificate = self.directory / "client.pem"
        certificate.write_bytes(pki.pem_block("CERTIFICATE", der))
        try:
            context.load_cert_chain(certificate, self.key_file)
        except ssl.SSLError:
            return None
        with socket.create_connection(self.address, timeout=60) as plain, context.wrap_socket(plain) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            _head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
        return body.split(b"\n", len(FIELDS) - 1)


def ours(variables: CertificateVariables) -> list[bytes]:
    """Our values in the order of `FIELDS`."""
    return [
        variables.certificate,
        variables.fingerprint,
        variables.subject,
        variables.issuer,
        variables.start_date,
        variables.end_date,
        variables.serial,
    ]


@unittest.skipUnless(NGINX, "nginx not found")
class LikeNginxTests(SynchronousTestCase):
    """The same certificates, shown to nginx in a handshake and to us as DER."""

    def setUp(self) -> None:
        """Start nginx on a socket that listens already: nothing to wait for."""
        directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, directory)
        server = pki.self_signed("gateway", key=pki.ec_key())
        certificate_file, key = server.write(directory, "server")
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        self.nginx = Nginx(directory, listening.getsockname(), key)
        self.public_key = server.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        configuration = directory / "nginx.conf"
        report = r"\n".join(f"$ssl_client_{field}" for field in FIELDS)
        port = self.nginx.address[1]
        configuration.write_text(
            CONFIGURATION.format(directory=directory, port=port, certificate=certificate_file, key=key, report=report)
        )
        assert NGINX
        process = subprocess.Popen(
            [NGINX, "-p", directory, "-c", configuration, "-e", directory / "error.log"],
            env={"NGINX": f"{listening.fileno()};"},  # how nginx takes over its own sockets
            pass_fds=[listening.fileno()],
            stderr=subprocess.DEVNULL,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)

    def certificate(self, case: Case) -> bytes:
        """A certificate of the case for the key that the client has."""
        validity = tlv(0x30, case.not_before, case.not_after)
        return certificate(
            subject=case.subject, issuer=case.issuer, serial=case.serial, validity=validity, public_key=self.public_key
        )

    def test_every_variable_is_the_same(self) -> None:
        """Certificate, fingerprint, names, dates and serial number equal nginx's for every certificate it takes."""
        compared = 0
        for case in (*every_octet(), *every_type(), *shapes(), *numbers(), *moments(), *at_random(100)):
            der = self.certificate(case)
            if theirs := self.nginx.report(der):
                self.assertEqual(ours(certificate_variables(der)), theirs, case.what)
                compared += 1
        self.assertGreater(compared, 450)

    def test_odd_certificates(self) -> None:
        """Whatever is odd about a certificate that OpenSSL takes, the variables are the same."""
        compared = 0
        for what, parts in odd.SERVED.items():
            der = odd.odd_certificate(**{"public_key": self.public_key, **parts})
            if theirs := self.nginx.report(der):
                self.assertEqual(ours(certificate_variables(der)), theirs, what)
                compared += 1
        self.assertGreater(compared, 60)

    def test_a_long_serial_number_stays_on_one_line(self) -> None:
        """After 35 octets OpenSSL breaks the line, which no header can hold; we go on."""
        der = self.certificate(Case("serial", serial=tlv(0x02, b"\x11" * 36)))
        self.assertEqual(self.field(der, "serial"), b"11" * 35 + b"\\\n11")
        self.assertEqual(certificate_variables(der).serial, b"11" * 36)

    def test_a_long_type_is_not_cut(self) -> None:
        """Of an unknown attribute type OpenSSL prints 79 characters, which may be another type's; we print all."""
        dotted = "2.999." + ".".join(["1234567"] * 14)
        der = self.certificate(Case("type", simple_name((dotted, string(UTF8, "x")))))
        self.assertEqual(self.field(der, "s_dn"), dotted[:79].encode() + b"=#0C0178")
        self.assertEqual(certificate_variables(der).subject, dotted.encode() + b"=#0C0178")

    def test_types_that_no_name_has_are_dotted(self) -> None:
        """OpenSSL has short names for object identifiers of every kind, we for those of attributes."""
        der = self.certificate(Case("type", simple_name(("2.5.29.17", string(UTF8, "x")))))
        self.assertEqual(self.field(der, "s_dn"), b"subjectAltName=x")
        self.assertEqual(certificate_variables(der).subject, b"2.5.29.17=#0C0178")

    def field(self, der: bytes, name: str) -> bytes:
        """One of nginx's fields."""
        report = self.nginx.report(der)
        assert report
        return report[FIELDS.index(name)]
