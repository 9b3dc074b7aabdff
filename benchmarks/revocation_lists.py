"""``python -m benchmarks.revocation_lists``: what a revocation list of a million entries costs.

First alone, in a process of its own: the time to prove it and to make its table, the memory at the peak and once
settled, look-ups. Then in a gateway at work: a small list is replaced by the large one under load, and what counts is
until when a certificate of the new list is refused, how long requests take meanwhile, and the memory.
"""

from __future__ import annotations

import argparse
import base64
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agwtwisted.core.certificates import der
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.revocation.crl import ProvenCrl, proving
from agwtwisted.core.revocation.crl_table import serial_at
from benchmarks import backend, peers, programs, proxies
from benchmarks.load import Generator, Load, require_success
from benchmarks.peers import CRL, RunningPeer
from benchmarks.pki import SERVER_NAME, Authority, Identity, Pki, make_pki
from benchmarks.programs import BenchmarkError
from benchmarks.reloads import overlapping, percentile

ENTRIES = 1_000_000
RATE, BUSY, SECONDS = 500, 32, 30
"""Requests a second over so many connections, for so long; the list is replaced after a quarter."""

_UTC_TIME, _BIT_STRING, _EXTENSIONS = 0x17, 0x03, 0xA0
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_REASON = bytes.fromhex("300c300a0603551d1504030a0101")  # keyCompromise
_NUMBER = "0603551d14"


def _sequence(*parts: bytes) -> bytes:
    return der.encoded(der.SEQUENCE, b"".join(parts))


def _time(when: datetime) -> bytes:
    return der.encoded(_UTC_TIME, when.strftime("%y%m%d%H%M%SZ").encode())


def list_of(authority: Authority, serials: Iterable[bytes], number: int) -> bytes:
    """A list of an authority in DER, every second entry with a reason; libraries take minutes to build a large one."""
    now = datetime.now(UTC)
    when = _time(now - timedelta(days=1))
    entries = [
        _sequence(der.encoded(der.INTEGER, serial), when, _REASON if index % 2 else b"")
        for index, serial in enumerate(serials)
    ]
    issuer = x509.load_pem_x509_certificate(authority.certificate.read_bytes()).subject.public_bytes()
    extension = _sequence(bytes.fromhex(_NUMBER), der.encoded(der.OCTET_STRING, bytes((2, 1, number))))
    signed = _sequence(
        bytes((2, 1, 1)),
        _ECDSA_SHA256,
        issuer,
        _time(now),
        _time(now + timedelta(days=7)),
        _sequence(*entries),
        der.encoded(_EXTENSIONS, _sequence(extension)),
    )
    key = serialization.load_pem_private_key(authority.key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
    return _sequence(signed, _ECDSA_SHA256, der.encoded(_BIT_STRING, b"\0" + signature))


def in_pem(data: bytes) -> bytes:
    """A list in PEM."""
    return b"-----BEGIN X509 CRL-----\n%b-----END X509 CRL-----\n" % base64.encodebytes(data)


def random_serials(count: int) -> Iterable[bytes]:
    """Serial numbers of 16 octets."""
    chosen = random.Random(count)
    for _ in range(count):
        yield bytes((chosen.randrange(1, 128),)) + chosen.randbytes(15)


# Alone


def prove_alone(list_file: Path, issuer_file: Path) -> dict[str, float]:
    """Measures one list in this process, which has done nothing else."""
    issuer = Certificate.read(
        x509.load_pem_x509_certificate(issuer_file.read_bytes()).public_bytes(serialization.Encoding.DER)
    )
    before = programs.resident_bytes(os.getpid())
    data = list_file.read_bytes()
    began, longest, steps = time.process_time(), 0.0, proving(data, issuer)
    while True:
        step = time.thread_time()
        try:
            next(steps)
        except StopIteration as end:
            crl = end.value
            break
        longest = max(longest, time.thread_time() - step)
    used = time.process_time() - began
    if not isinstance(crl, ProvenCrl):
        raise BenchmarkError(crl.reason)
    peak = programs.peak_bytes(os.getpid()) - before
    gc.collect()
    return {
        "entries": len(crl.table),
        "list MB": len(data) / 1e6,
        "CPU s": used,
        "longest step (signature) ms": longest * 1e3,
        "table MB": crl.table.size / 1e6,
        "memory settled MB": (programs.resident_bytes(os.getpid()) - before) / 1e6,
        "memory peak MB": peak / 1e6,
        **_look_ups(crl, data),
    }


def _look_ups(crl: ProvenCrl, data: bytes) -> dict[str, float]:
    """Microseconds of a look-up, of certificates that are in the list and of others."""
    positions = [each for each in crl.table._slots if each]
    listed = [serial_at(data, each) for each in random.Random(1).sample(positions, min(len(positions), 50_000))]
    others = [each[:-1] + bytes((each[-1] ^ 0xFF,)) + b"\1" for each in listed]
    found = {}
    for name, serials in (("look-up hit us", listed), ("look-up miss us", others)):
        began = time.process_time()
        for serial in serials:
            crl.table.find(serial)
        found[name] = (time.process_time() - began) * 1e6 / max(len(serials), 1)
    return found


# In a gateway


def _is_refused(identity: Identity, pki: Pki, port: int) -> bool:
    """Whether the gateway turns a client away that asks for a page."""
    command = ["curl", "--silent", "--output", "-", "--max-time", "20", "--write-out", "%{http_code}", "--connect-to"]
    command += [f"::127.0.0.1:{port}", "--cacert", str(pki.trusted), "--cert", str(identity.chain)]
    command += ["--key", str(identity.key), f"https://{SERVER_NAME}/1k"]
    done = subprocess.run(command, capture_output=True, check=False)
    return not done.stdout.endswith(b"200")


def in_gateway(generator: Generator, peer: RunningPeer, pki: Pki, large: bytes, revoked: Identity) -> dict[str, float]:
    """Replaces the list of a gateway at work. Raises BenchmarkError where the new list does not count in time."""
    if _is_refused(revoked, pki, peer.port):
        raise BenchmarkError("a client is refused before it is revoked")
    settled = programs.resident_bytes(peer.pid)
    cpu = programs.cpu_seconds(peer.pid)
    timeline = peer.access_log.parent / "timeline"
    load = Load(
        mode="keepalive", count=RATE * SECONDS, concurrency=BUSY, rate=RATE, timeline=str(timeline), seconds=300
    )
    with generator.prepared(load, peer.port, pki) as run, ThreadPoolExecutor(1) as pool:
        going = pool.submit(run.go)
        time.sleep(SECONDS / 4)
        began = time.monotonic()
        _replace(peers.list_of(pki), large)
        while not _is_refused(revoked, pki, peer.port):
            if time.monotonic() - began > 60:
                log = (peer.access_log.parent / "twistd.log").read_text()[-2000:]
                raise BenchmarkError(f"the new list does not count after a minute\n{log}")
            time.sleep(0.1)
        ended = time.monotonic()
        require_success(going.result(), load, peer.name)
    during, beside = overlapping(timeline, [(began, ended)])
    return {
        "usable after s": ended - began,
        "requests meanwhile, slowest ms": max(during, default=0) / 1e3,
        "requests meanwhile, p99 ms": percentile(during, 0.99) / 1e3,
        "requests before and after, slowest ms": max(beside, default=0) / 1e3,
        "requests before and after, p99 ms": percentile(beside, 0.99) / 1e3,
        "CPU with the load s": programs.cpu_seconds(peer.pid) - cpu,
        "memory settled MB": (programs.resident_bytes(peer.pid) - settled) / 1e6,
        "memory peak MB": (programs.peak_bytes(peer.pid) - settled) / 1e6,
    }


def _replace(path: Path, data: bytes) -> None:
    new = path.with_suffix(".new")
    new.write_bytes(data)
    new.replace(path)


def main() -> None:
    """Measures both and prints what it found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.revocation_lists", description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--alone", action="store_true", help="without a gateway")
    parser.add_argument("--pem", action="store_true", help="the gateway gets the list in PEM")
    parser.add_argument("--checkout", type=Path, default=Path(), help="the gateway to measure (default: here)")
    parser.add_argument("--prove", nargs=2, type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.prove:
        print(json.dumps(prove_alone(*chosen.prove)))
        return
    with tempfile.TemporaryDirectory() as place:
        measure(Path(place), chosen)


def measure(place: Path, chosen: argparse.Namespace) -> None:
    """Makes the files, and measures."""
    pki = make_pki(place / "pki", "ecdsa", clients=1)
    authority = pki.authorities[-1]
    chain = pki.client.chain.with_name("client.pem.0")
    revoked = Certificate.read(
        x509.load_pem_x509_certificate(chain.read_bytes()).public_bytes(serialization.Encoding.DER)
    )
    large = list_of(authority, [*random_serials(chosen.entries - 1), revoked.serial], 2)
    file = place / "large.crl"
    file.write_bytes(large)
    command = [sys.executable, "-m", "benchmarks.revocation_lists", "--prove", str(file), str(authority.certificate)]
    _show("alone", json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    if chosen.alone:
        return
    peers.list_of(pki).write_bytes(list_of(authority, [b"\1"], 1))
    generator = Generator(program=programs.compile_c("load", place, "-lssl", "-lcrypto"))
    gateway = proxies.gateway("agwtwisted", chosen.checkout.absolute(), sys.executable, [])
    with (
        backend.started(programs.compile_c("backend", place)) as pages,
        peers.started(gateway, place / "gateway", pki, pages.port, CRL) as peer,
    ):
        identity = Identity(chain=chain, key=pki.client.key)
        with suppress(KeyboardInterrupt):
            replacing = in_pem(large) if chosen.pem else large
            _show("in a gateway", in_gateway(generator, peer, pki, replacing, identity))


def _show(title: str, found: dict[str, Any]) -> None:
    print(title)
    for name, value in found.items():
        print(f"  {name:40} {value:14,.2f}", flush=True)


if __name__ == "__main__":
    main()
