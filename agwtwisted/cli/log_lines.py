"""Lines of the access log as `agw log` reads and shows them (their members: docs/reference/access-log.md)."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import attrs

from agwtwisted.cli.output import Output, Style
from agwtwisted.cli.tables import endpoint, size
from agwtwisted.core.base.errors import AgwError, printable

REFUSED: Final = "ERRORINFO_HTTPS_NO_CERT"
"""`error_info` where the client's certificate, or that there is none, is the cause."""

NO_ERROR: Final = "ERRORINFO_NO_ERROR"

ClientNetwork: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"


class LogFilterError(AgwError):
    """A filter that cannot be read."""


@attrs.frozen
class LogEntry:
    """One line that is whole: a request, a handshake that failed, or a session of L4."""

    members: Mapping[str, Any]
    properties: Mapping[str, Any]

    def word(self, name: str) -> str:
        """A property as text; empty where there is none."""
        value = self.properties.get(name, "")
        return value if isinstance(value, str) else str(value)

    @property
    def listener(self) -> str:
        """The name of the listener."""
        return str(self.members.get("listenerName", ""))

    @property
    def status(self) -> int | None:
        """The status of HTTP, 0 of a handshake that failed; of a session its `serverStatus`."""
        text = self.word("httpStatus") or self.word("serverStatus")
        return int(text) if re.fullmatch(r"[0-9]{1,3}", text) else None

    @property
    def refused(self) -> bool:
        """Whether the client was refused for its certificate, or for the want of one."""
        blamed = self.word("sslClientVerify").startswith("FAILED") or self.word("error_info") == REFUSED
        return blamed or ("sessionEnd" in self.properties and self.status == 403)

    @property
    def time(self) -> datetime | None:
        """When it ended."""
        try:
            moment = datetime.fromisoformat(str(self.members.get("timeStamp", "")))
        except ValueError:
            return None
        return moment if moment.tzinfo else None


def read_line(line: bytes) -> LogEntry | None:
    """What a line says; None: it is no line of an access log."""
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        return None
    properties = members.get("properties") if isinstance(members, dict) else None
    return LogEntry(members, properties) if isinstance(properties, dict) else None


# Filters


@attrs.frozen(kw_only=True)
class LogFilter:
    """Which entries are wanted: those that have all that is given."""

    statuses: tuple[range, ...] = ()
    listener: str | None = None
    client: ClientNetwork | None = None
    refused: bool = False
    since: datetime | None = None

    def takes(self, entry: LogEntry) -> bool:
        """Whether this one is wanted."""
        status = entry.status
        return (
            (not self.statuses or any(status in each for each in self.statuses))
            and (self.listener is None or entry.listener == self.listener)
            and (self.client is None or _is_in(entry.word("clientIP"), self.client))
            and (not self.refused or entry.refused)
            and (self.since is None or entry.time is None or entry.time >= self.since)
        )


def statuses(text: str) -> tuple[range, ...]:
    """`404`, `4xx`, `500-503`, with commas; raises LogFilterError."""
    found = []
    for part in text.split(","):
        of_class = re.fullmatch(r"([1-5])xx", part.strip(), re.IGNORECASE)
        numbers = re.fullmatch(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", part.strip())
        if of_class:
            found.append(range(int(of_class[1]) * 100, int(of_class[1]) * 100 + 100))
        elif numbers:
            found.append(range(int(numbers[1]), int(numbers[2] or numbers[1]) + 1))
        else:
            raise LogFilterError(f"--status {text!r} is no status: write 404, 4xx, 500-503, or several with commas")
    return tuple(found)


def network(text: str) -> ClientNetwork:
    """An address, or a network as 192.0.2.0/24; raises LogFilterError."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise LogFilterError(
            f"--client {text!r} is no address: write 192.0.2.7, or a network as 192.0.2.0/24"
        ) from None


def moment(text: str, now: datetime) -> datetime:
    """A time in UTC, or how long before `now`: `90s`, `15m`, `2h`, `7d`; raises LogFilterError."""
    ago = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    try:
        if ago:
            return now - timedelta(seconds=int(ago[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[ago[2]])
        given = datetime.fromisoformat(text)
        return given if given.tzinfo else given.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise LogFilterError(
            f"--since {text!r} is no time: write 15m, 2h, 7d, 2026-06-01 or 2026-06-01T12:00Z (UTC)"
        ) from None


def _is_in(address: str, wanted: ClientNetwork) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed in wanted


# Texts


def entry_text(entry: LogEntry, output: Output) -> str:
    """One line about an entry: time, client, verdict, what was asked for, what came of it, how long, which server."""
    if "handshakeError" in entry.properties:
        text = _handshake
    elif "sessionEnd" in entry.properties:
        text = _session
    else:
        text = _request
    client = endpoint({"address": entry.word("clientIP"), "port": entry.word("clientPort")})
    begin = f"{printable(str(entry.members.get('timeStamp', '')))} {printable(client):21}"
    return f"{begin} {_verdict(entry, output)} {printable(entry.listener)} {text(entry, output)}".rstrip()


def broken_text(line: bytes, output: Output) -> str:
    """A line that is none of an access log, as it is."""
    shown = printable(line.decode("utf-8", "backslashreplace"))
    return f"{output.paint('?', Style.WARNING)} {shown}"


def _verdict(entry: LogEntry, output: Output) -> str:
    verdict = entry.word("sslClientVerify") or "-"
    style = Style.GOOD if verdict == "SUCCESS" else Style.BAD if entry.refused else Style.PLAIN
    return output.paint(printable(verdict), style)


def _request(entry: LogEntry, output: Output) -> str:
    status = entry.status
    query = entry.word("requestQuery")
    url = entry.word("originalRequestUriWithArgs") or entry.word("requestUri") + (f"?{query}" if query else "")
    asked = f"{entry.word('httpMethod')} {entry.word('originalHost') or '-'} {url}"
    shown = "-" if status is None else output.paint(str(status), _status_style(status))
    return f"{printable(asked)} {shown} {_seconds(entry, 'timeTaken')}{_server(entry)}{_error(entry)}"


def _handshake(entry: LogEntry, output: Output) -> str:
    failure = f"TLS handshake failed: {entry.word('handshakeError')}"
    details = [entry.word("serverName"), entry.word("sslClientCertificateSubjectName")]
    omitted = entry.word("omitted")
    if omitted not in ("", "0"):
        details.append(f"{omitted} more omitted")
    known = ", ".join(printable(each) for each in details if each)
    return output.paint(printable(failure), Style.BAD) + (f" ({known})" if known else "")


def _session(entry: LogEntry, output: Output) -> str:
    status = entry.status
    shown = "-" if status is None else output.paint(str(status), _status_style(status))
    traffic = f"in {_bytes(entry, 'receivedBytes')} out {_bytes(entry, 'sentBytes')}"
    end = printable(entry.word("sessionEnd"))
    return f"L4 session {shown} {_seconds(entry, 'sessionTime')}{_server(entry)} {traffic}, {end}"


def _status_style(status: int) -> Style:
    return (
        Style.BAD if status >= 500 else Style.WARNING if status >= 400 else Style.GOOD if status < 300 else Style.PLAIN
    )


def _seconds(entry: LogEntry, name: str) -> str:
    value = entry.properties.get(name)
    return f"{value:.3f}s" if isinstance(value, (int, float)) else "-"


def _bytes(entry: LogEntry, name: str) -> str:
    value = entry.properties.get(name)
    return size(value) if isinstance(value, int) else "-"


def _server(entry: LogEntry) -> str:
    server = entry.word("serverRouted")
    return f" -> {printable(server)}" if server else ""


def _error(entry: LogEntry) -> str:
    error = entry.word("error_info")
    return "" if error in ("", NO_ERROR) else f" {printable(error)}"
