"""The reference pages are those of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.http.messages import UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.operations.records import (
    ACCESS,
    ENVELOPE,
    HANDSHAKE,
    HandshakeRecord,
    RecordFrame,
    client_members,
    render,
    render_handshake,
)
from agwtwisted.core.operations.session_records import SESSION, SessionRecord, SessionStatus, render_session
from agwtwisted.core.reports import product_codes, reference_pages
from agwtwisted.core.rules.server_variables import SERVER_VARIABLES
from agwtwisted.core.sections.schema import KINDS
from agwtwisted.core.verification.verdicts import Refused
from tests import identities
from tests.core.operations.test_records import FinishedExchange

ROOT = Path(__file__).parents[3]
FIELDS = {"verdict": Refused("expired"), "certificate": certificate_variables(b"")}
FRAME = RecordFrame.from_names(listener="public")
NO_CODES = {
    "ApplicationGatewayAccess",
    "ApplicationGatewayAvailableSslOptions",
    "ApplicationGatewaySslPredefinedPolicy",
    "ApplicationGatewayAccessLog",
    "ApplicationGatewayAffinity",
    "ApplicationGatewayTotalTime",
}


class PageTests(SynchronousTestCase):
    """What stands in docs/reference."""

    def test_tables(self) -> None:
        """Every row of a table has as many cells as its head."""
        for text in reference_pages.pages().values():
            for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
                cells = {len(re.split(r"(?<!\\)\|", line)) for line in table.splitlines()}
                self.assertEqual(len(cells), 1, table)

    def test_configuration(self) -> None:
        """Every key stands there with its default, as it would be written."""
        text = reference_pages.pages()["configuration.md"]
        for name, kind in KINDS.items():
            self.assertIn(f"\n## [{name}{' NAME' if kind.named else ''}]\n", text)
            for key in kind.keys:
                self.assertIn(f"\n| `{key}` | ", text)
        for line in ("| `match_status_codes` | `200-399` |", "| `log_query` | `true` |", "| `priority` | needed |"):
            self.assertIn(line, text)

    def test_defaults(self) -> None:
        """What stands as a default, written into a file, is the default; what must be there says so."""
        for name, kind in KINDS.items():
            text = reference_pages.pages()["configuration.md"].partition(
                f"## [{name}{' NAME' if kind.named else ''}]\n"
            )[2]
            for key, how in kind.keys.items():
                cell = re.search(rf"(?m)^\| `{key}` \| (.*?) ?\| ", text)
                assert cell
                if how.required:
                    self.assertEqual(cell[1], "needed", f"{name}.{key}")
                elif cell[1] and (name, key) != ("gateway", "ssl_policy"):
                    written = cell[1].split("`")[1]
                    self.assertEqual(how.convert(written), kind.default(key), f"{name}.{key}")
        self.assertIn("\n| `port` | `80`, with `Https` `443` |", reference_pages.pages()["configuration.md"])

    def test_variables(self) -> None:
        """Every server variable stands there."""
        text = reference_pages.pages()["variables.md"]
        for name in SERVER_VARIABLES:
            self.assertIn(f"\n| `{name}` | ", text)


class LogTests(SynchronousTestCase):
    """The members of the access log's lines are those of the page."""

    def members(self, line: bytes) -> set[str]:
        """The properties of a line, whose other members are looked at here."""
        record = json.loads(line)
        self.assertEqual({*record}, {*ENVELOPE})
        return {*record["properties"]}

    def test_requests(self) -> None:
        """Of an exchange."""
        request = UnfitRequest(status=0, error_info=ErrorInfo.NO_ERROR)
        record = FinishedExchange(frame=FRAME, members=client_members(identities.client(**FIELDS)), request=request)
        self.assertEqual(self.members(render(record, True)), {*ACCESS.meanings})

    def test_handshakes(self) -> None:
        """Of a handshake that failed."""
        record = HandshakeRecord(timestamp=b"", frame=FRAME, client=identities.pending(**FIELDS), error="")
        self.assertEqual(self.members(render_handshake(record)), {*HANDSHAKE})

    def test_sessions(self) -> None:
        """Of an L4 session."""
        record = SessionRecord(
            timestamp=b"",
            frame=FRAME,
            client=client_members(identities.client(**FIELDS)),
            server_name="",
            received_bytes=0,
            sent_bytes=0,
            session_time=0,
            status=SessionStatus.OK,
            end="",
        )
        self.assertEqual(self.members(render_session(record)), {*SESSION.meanings})


class CodeTests(SynchronousTestCase):
    """Error codes."""

    def test_log(self) -> None:
        """Each code of the access log has a meaning."""
        self.assertEqual({*reference_pages.ERROR_MEANINGS}, {*ErrorInfo})

    def test_product(self) -> None:
        """Every code of the product that the source has stands on the page."""
        sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "agwtwisted").rglob("*.py"))
        others = ["InvalidResourceReference", "InvalidResourceName", "InvalidRequestFormat", "DuplicateResourceName"]
        words = "|".join((r"ApplicationGateway[A-Z]\w+", *others, "MissingJsonReferenceId"))
        pattern = rf"\b(?:{words})\b"
        codes = {*re.findall(pattern, sources)} - NO_CODES
        beginnings = {each for each in codes if any(other.startswith(each) and other != each for other in codes)}
        listed = [*product_codes.OF_THE_CONFIGURATION, *product_codes.OF_THE_CONTROL_PLANE]
        self.assertEqual(codes - beginnings, {*listed})
