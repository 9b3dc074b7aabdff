"""The table of attempts; whether it is true is tested with the running gateway, in `test_run`."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.resources.resources import Config, HttpListener, Protocol
from agwtwisted.core.tls.policies import TlsPolicy
from agwtwisted.demo.attempts import ATTEMPTS, Attempt, command, lines

POLICY = TlsPolicy(
    name="any", min_version="TLSv1_2", max_version="TLSv1_3", tls12_cipher_suites=(), tls13_cipher_suites=()
)
STRICT = HttpListener(name="strict", address="127.0.0.1", port=8443, protocol=Protocol.HTTPS)
PLAIN = HttpListener(name="plain", address="127.0.0.1", port=8080, protocol=Protocol.HTTP)


class CommandTests(SynchronousTestCase):
    """The printed command."""

    def test_with_a_certificate(self) -> None:
        """HTTPS names the root to trust, and the client's file."""
        attempt = Attempt(title="any", listener="strict", certificate="client.pem")
        expected = "curl -i --cacert conf/pki/root.pem --cert conf/pki/client.pem https://localhost:8443/"
        self.assertEqual(command(attempt, STRICT, Path("conf/pki")), expected)

    def test_plain(self) -> None:
        """Plain HTTP has no certificates; a scheme of the attempt's own wins over the listener's."""
        attempt = Attempt(title="any", listener="any", scheme="http")
        self.assertEqual(command(attempt, PLAIN, Path("pki")), "curl -i http://localhost:8080/")
        self.assertEqual(command(attempt, STRICT, Path("pki")), "curl -i http://localhost:8443/")

    def test_survives_a_shell(self) -> None:
        """A directory with a blank and an argument with one come through a shell as they are."""
        attempt = Attempt(title="any", listener="strict", arguments="-H 'A: b'")
        expected = "curl -i --cacert 'my files/root.pem' -H 'A: b' https://localhost:8443/"
        self.assertEqual(command(attempt, STRICT, Path("my files")), expected)


class LinesTests(SynchronousTestCase):
    """The printed table."""

    def test_leaves_out_what_cannot_be_tried(self) -> None:
        """Without its listener an attempt is not printed; the others are counted from one."""
        config = Config(gateway=Gateway(ssl_policy=POLICY), http_listeners=(PLAIN,))
        titles = [line for line in lines(config, Path("pki")) if not line.startswith(" ")]
        plain = [attempt for attempt in ATTEMPTS if attempt.listener == "plain"]
        expected = [f"{number}. {attempt.title}: {attempt.expectation}" for number, attempt in enumerate(plain, 1)]
        self.assertEqual(titles, expected)
        self.assertNotEqual(titles, [])

    def test_says_what_to_expect(self) -> None:
        """The expectation is computed from the values that are checked, not written twice."""
        attempt = Attempt(title="any", listener="any", status=400, shows="this", hides="that")
        self.assertEqual(attempt.expectation, "400, with this, without that")
        self.assertEqual(Attempt(title="any", listener="any").expectation, "200")
        refused = Attempt(title="any", listener="any", status=None, shows="alert unknown ca")
        self.assertEqual(refused.expectation, "no answer, the handshake fails, with alert unknown ca")
