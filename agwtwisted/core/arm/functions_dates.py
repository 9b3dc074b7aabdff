"""The template language's functions on dates and on networks.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-date and …-cidr.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from agwtwisted.core.arm.function_table import ArmFunction, FunctionTable
from agwtwisted.core.arm.values import ArmValue, EvaluationError, integer, text
from agwtwisted.core.base.errors import shown

_DURATION = re.compile(
    r"(?P<sign>-?)P(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,4})M)?(?:(?P<weeks>\d{1,5})W)?(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,9})S)?)?"
)
_STANDARD = {
    "d": "MM/dd/yyyy",
    "o": "yyyy-MM-ddTHH:mm:ss.fffffffZ",
    "O": "yyyy-MM-ddTHH:mm:ss.fffffffZ",
    "s": "yyyy-MM-ddTHH:mm:ss",
    "u": "yyyy-MM-dd HH:mm:ssZ",
}
_PART = re.compile(r"yyyy|yy|MMMM|MMM|MM|M|dddd|ddd|dd|d|HH|H|hh|h|mm|m|ss|s|f{1,7}|tt|K|'([^']*)'|\\(.)|%")
_PARTS: Mapping[str, Callable[[datetime], str]] = {
    "yyyy": lambda moment: f"{moment.year:04}",
    "yy": lambda moment: f"{moment.year % 100:02}",
    "MMMM": lambda moment: f"{moment:%B}",
    "MMM": lambda moment: f"{moment:%b}",
    "MM": lambda moment: f"{moment.month:02}",
    "M": lambda moment: f"{moment.month}",
    "dddd": lambda moment: f"{moment:%A}",
    "ddd": lambda moment: f"{moment:%a}",
    "dd": lambda moment: f"{moment.day:02}",
    "d": lambda moment: f"{moment.day}",
    "HH": lambda moment: f"{moment.hour:02}",
    "H": lambda moment: f"{moment.hour}",
    "hh": lambda moment: f"{(moment.hour + 11) % 12 + 1:02}",
    "h": lambda moment: f"{(moment.hour + 11) % 12 + 1}",
    "mm": lambda moment: f"{moment.minute:02}",
    "m": lambda moment: f"{moment.minute}",
    "ss": lambda moment: f"{moment.second:02}",
    "s": lambda moment: f"{moment.second}",
    "tt": lambda moment: "AM" if moment.hour < 12 else "PM",
    "K": lambda moment: "Z",
    "%": lambda moment: "",
}
_DEFAULT = "yyyy-MM-ddTHH:mm:ssZ"


def formatted(moment: datetime, form: str) -> str:
    """A time in UTC in a form of .NET: its usual parts, and the standard ones d, o, s and u."""
    return _PART.sub(lambda match: _part(match, moment), _STANDARD.get(form, form))


def _part(match: re.Match[str], moment: datetime) -> str:
    if match[0] in _PARTS:
        return _PARTS[match[0]](moment)
    if match[0].startswith("f"):
        return f"{moment.microsecond:06}0"[: len(match[0])]
    return match[1] or match[2] or ""


def parsed(value: ArmValue) -> datetime:
    """A time in ISO 8601, in UTC where it says no other zone.

    Raises:
        EvaluationError: it is none.
    """
    written = text(value).strip()
    compact = re.fullmatch(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", written)
    if compact:
        written = "{}-{}-{}T{}:{}:{}+00:00".format(*compact.groups())
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        raise EvaluationError(f"needs a time in ISO 8601, not {shown(written)}") from None
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise EvaluationError("needs a time of the years 1 to 9999") from None


def date_time_add(base: ArmValue, duration: ArmValue, form: ArmValue = _DEFAULT) -> ArmValue:
    """A time that is later, or earlier, by an ISO 8601 duration: years of 365 days and months of 30."""
    match = _DURATION.fullmatch(text(duration))
    if match is None or not any(match.groups()[1:]):
        raise EvaluationError("needs a duration in ISO 8601")
    count = {name: int(each) if each else 0 for name, each in match.groupdict().items() if name != "sign"}
    days = 365 * count["years"] + 30 * count["months"] + 7 * count["weeks"] + count["days"]
    span = timedelta(days=days, hours=count["hours"], minutes=count["minutes"], seconds=count["seconds"])
    try:
        return formatted(parsed(base) + (-span if match["sign"] else span), text(form))
    except OverflowError:
        raise EvaluationError("makes a time beyond the year 9999") from None


def from_epoch(seconds: ArmValue) -> ArmValue:
    """The time so many seconds after 1970."""
    try:
        return formatted(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=integer(seconds)), _DEFAULT)
    except OverflowError:
        raise EvaluationError("makes a time beyond the year 9999") from None


def to_epoch(moment: ArmValue) -> ArmValue:
    """The seconds from 1970 to a time."""
    return int((parsed(moment) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())


def parse_cidr(whole: ArmValue) -> ArmValue:
    """What there is to say about a network."""
    network = _network(whole)
    return {
        "network": str(network.network_address),
        "netmask": str(network.netmask),
        "broadcast": str(network.broadcast_address),
        "firstUsable": str(_host(network, 0)),
        "lastUsable": str(network.broadcast_address - (network.version == 4 and network.prefixlen < 31)),
        "cidr": network.prefixlen,
    }


def cidr_subnet(whole: ArmValue, length: ArmValue, index: ArmValue) -> ArmValue:
    """A part of a network: the one of this number among those with a prefix of this length."""
    network, prefix, number = _network(whole), integer(length), integer(index)
    if not network.prefixlen <= prefix <= network.max_prefixlen or not 0 <= number < 1 << prefix - network.prefixlen:
        raise EvaluationError("takes a part that the network does not have")
    start = int(network.network_address) + (number << network.max_prefixlen - prefix)
    return f"{network.network_address + (start - int(network.network_address))}/{prefix}"


def cidr_host(whole: ArmValue, index: ArmValue) -> ArmValue:
    """A usable address of a network, by its number."""
    network, number = _network(whole), integer(index)
    if not 0 <= number < network.num_addresses - (2 if network.prefixlen < network.max_prefixlen - 1 else 0):
        raise EvaluationError("takes an address that the network does not have")
    return str(_host(network, number))


def _host(network: ipaddress.IPv4Network | ipaddress.IPv6Network, number: int) -> object:
    return network.network_address + number + (network.prefixlen < network.max_prefixlen - 1)


def _network(whole: ArmValue) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text(whole), strict=False)
    except ValueError:
        raise EvaluationError("needs a network such as 10.0.0.0/16") from None


DATE_FUNCTIONS: FunctionTable = {
    "cidrhost": ArmFunction(cidr_host, 2, 2),
    "cidrsubnet": ArmFunction(cidr_subnet, 3, 3),
    "datetimeadd": ArmFunction(date_time_add, 2, 3),
    "datetimefromepoch": ArmFunction(from_epoch, 1, 1),
    "datetimetoepoch": ArmFunction(to_epoch, 1, 1),
    "parsecidr": ArmFunction(parse_cidr, 1, 1),
}
"""By their names in lower case."""
