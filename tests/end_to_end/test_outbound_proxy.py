"""A gateway that reaches responders by an HTTP proxy alone, with tinyproxy."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.end_to_end.lines import wait_until
from tests.end_to_end.test_revocation import Place
from tests.programs import needs, path_of

CREDENTIALS = "gateway:geheim"


@contextmanager
def tinyproxy() -> Iterator[tuple[int, Path]]:
    """A proxy that wants a password: its port, and its log."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log = directory / "log"
        for _ in range(5):  # another program may take the port meanwhile
            (port,) = running.free_ports(1)
            lines = (
                f"Port {port}",
                "Listen 127.0.0.1",
                f"BasicAuth {CREDENTIALS.replace(':', ' ')}",
                "LogLevel Info",
            )
            (directory / "conf").write_text("\n".join((*lines, f'LogFile "{log}"', "")))
            words = [path_of("tinyproxy") or "", "-d", "-c", str(directory / "conf")]
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)

            def is_up(process: subprocess.Popen[bytes] = process) -> bool:
                return process.poll() is not None or (log.exists() and "Starting main loop" in log.read_text())

            wait_until(is_up, "tinyproxy listens")
            if process.poll() is None:
                break
        yield port, log


@needs("tinyproxy")
class TinyproxyTests(SynchronousTestCase):
    """tinyproxy between the gateway and the responder."""

    def test_responder_behind_it(self) -> None:
        """Devices are let in and refused as their responder says, which has no request but those of the proxy."""
        with ExitStack() as stack:
            port, log = stack.enter_context(tinyproxy())
            at = Place(stack, gateway_keys={"outbound_proxy": f"http://{CREDENTIALS}@127.0.0.1:{port}"})
            for status, code in (("good", 200), ("revoked", 400)):
                at.device(status, status, ocsp_url=at.responder.url)
                answer, record = at.ask("aia", status)
                self.assertEqual((answer.status, record["ocspStatus"]), (code, status))
            self.assertEqual(len(at.responder.asked), 2)
            self.assertTrue(all(b"tinyproxy" in bytes(line.received) for line in at.responder.lines))
            self.assertIn(f"GET {at.responder.url}", log.read_text())
            self.assertNotIn("geheim", at.gateway.output)

    def test_wrong_password(self) -> None:
        """A proxy that refuses is a responder that does not answer; its password is in no log."""
        with ExitStack() as stack:
            port, _ = stack.enter_context(tinyproxy())
            at = Place(stack, gateway_keys={"outbound_proxy": f"http://gateway:falsch@127.0.0.1:{port}"})
            at.device("good", ocsp_url=at.responder.url)
            answer, record = at.ask("aia", "good")
            self.assertEqual((answer.status, record["ocspStatus"]), (400, "unavailable"))
            self.assertEqual(at.responder.asked, [])
            self.assertRegex(at.gateway.output, "HTTP status 40[17]")  # versions differ
            self.assertNotIn("falsch", at.gateway.output)
