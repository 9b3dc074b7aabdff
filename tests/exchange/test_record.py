"""What the access log says of one exchange, from what was noted meanwhile."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.verification.verdicts import NotAsked
from agwtwisted.exchange.record import ExchangeRecord
from tests import identities
from tests.gateways import Stand
from tests.wires import Network

HEAD = RequestHead(
    method=b"GET", target=b"/a?b=c", version=b"1.1", host="a", authority=b"a.example", headers=(), size=100
)
OK = ResponseHead(status=200, reason=b"OK", headers=((b"Content-Type", b"text/plain"),), framing=Framing.NONE)


class ExchangeRecordTests(SynchronousTestCase):
    """One record, on a clock in the test's hand."""

    def setUp(self) -> None:
        self.network = Network()
        self.stand = Stand(self.network)
        self.record = ExchangeRecord(self.stand.exchanges, HEAD, identities.client(NotAsked()), "public")

    def test_answered(self) -> None:
        """Sizes, times and names of an exchange that went well."""
        self.network.advance(1)
        self.record.server_name, self.record.server_status, self.record.upstream_port = b"10.0.0.1:80", 200, 40000
        self.record.host, self.record.forwarded_target = b"b.example", b"/z"
        self.record.body_size = 11
        self.record.answer_begun(OK)
        self.network.advance(2)
        self.record.write(None, 40)
        log = self.stand.log.last
        self.assertEqual((log["httpStatus"], log["contentType"], log["sentBytes"]), (200, "text/plain", 40))
        self.assertEqual((log["receivedBytes"], log["timeTaken"], log["clientResponseTime"]), (111, 3.0, 2.0))
        self.assertEqual((log["serverRouted"], log["serverStatus"]), ("10.0.0.1:80", "200"))
        self.assertEqual((log["serverResponseLatency"], log["upstreamSourcePort"]), ("1.000", "40000"))
        self.assertEqual((log["host"], log["originalHost"]), ("b.example", "a.example"))
        self.assertEqual((log["requestUri"], log["originalRequestUriWithArgs"]), ("/z", "/a?b=c"))
        self.assertEqual(log["transactionId"], self.record.trace_id.decode())

    def test_left(self) -> None:
        """Of one whose client left, the status is what it would have got; what was not reached is empty."""
        self.record.error_info = ErrorInfo.CLIENT_CLOSED_REQUEST
        self.record.write(499, 0)
        log = self.stand.log.last
        self.assertEqual((log["httpStatus"], log["error_info"]), (499, "ERRORINFO_CLIENT_CLOSED_REQUEST"))
        self.assertEqual((log["serverRouted"], log["serverStatus"], log["upstreamSourcePort"]), ("", "", ""))
        self.assertEqual((log["requestUri"], log["host"]), ("/a", "a.example"))

    def test_disabled(self) -> None:
        """Without an access log nothing is made of it."""
        self.stand.log.enabled = False
        self.record.write(None, 0)
        self.assertEqual(self.stand.log.lines, [])
