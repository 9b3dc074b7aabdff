"""Functions on dates and networks, mostly by the examples of the product's pages."""

from __future__ import annotations

from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.functions_dates import DATE_FUNCTIONS, formatted, parsed
from tests.core.arm.evaluations import refusal_of, value

EXAMPLES: dict[str, object] = {
    "dateTimeAdd('2020-04-07T14:53:14Z', 'P3Y', 'yyyy-MM-dd HH:mm:ssZ')": "2023-04-07 14:53:14Z",
    "dateTimeAdd('2020-04-07 14:53:14Z', '-P9DT1H')": "2020-03-29T13:53:14Z",
    "dateTimeAdd('20200407T145314Z', 'P1W')": "2020-04-14T14:53:14Z",
    "dateTimeFromEpoch(1683040573)": "2023-05-02T15:16:13Z",
    "dateTimeToEpoch('2023-05-02T15:16:13Z')": 1683040573,
    "parseCidr('10.144.0.0/20')": {
        "network": "10.144.0.0",
        "netmask": "255.255.240.0",
        "broadcast": "10.144.15.255",
        "firstUsable": "10.144.0.1",
        "lastUsable": "10.144.15.254",
        "cidr": 20,
    },
    "cidrSubnet('10.144.0.0/20', 24, 4)": "10.144.4.0/24",
    "cidrHost('10.144.3.0/24', 0)": "10.144.3.1",
}

REFUSED = {
    "dateTimeAdd('x', 'P1D')": "needs a time in ISO 8601, not 'x'",
    "dateTimeAdd('2020-04-07T14:53:14Z', '1 day')": "needs a duration in ISO 8601",
    "dateTimeAdd('2020-04-07T14:53:14Z', 'P9999Y')": "makes a time beyond the year 9999",
    "dateTimeFromEpoch(999999999999999)": "makes a time beyond the year 9999",
    "dateTimeToEpoch('0001-01-01T00:00:00+14:00')": "needs a time of the years 1 to 9999",
    "parseCidr('x')": "needs a network such as 10.0.0.0/16",
    "cidrSubnet('10.0.0.0/24', 25, 2)": "takes a part that the network does not have",
    "cidrHost('10.0.0.0/30', 2)": "takes an address that the network does not have",
}


class ExampleTests(SynchronousTestCase):
    """Each function."""

    def test_examples(self) -> None:
        """Each has the value that the product's page says."""
        for expression, expected in EXAMPLES.items():
            self.assertEqual(value(expression), expected, expression)

    def test_refusals(self) -> None:
        """What the product refuses is unknown, and says why."""
        for expression, expected in REFUSED.items():
            self.assertEqual(refusal_of(expression), expected, expression)

    def test_all_are_tried(self) -> None:
        """No function is without an example."""
        text = " ".join(EXAMPLES).lower()
        self.assertEqual([name for name in DATE_FUNCTIONS if f"{name}(" not in text], [])

    def test_forms(self) -> None:
        """The forms of .NET: its standard ones, and those made of parts."""
        moment = datetime(2020, 4, 7, 14, 5, 9, 123000, tzinfo=UTC)
        for form, expected in {
            "d": "04/07/2020",
            "o": "2020-04-07T14:05:09.1230000Z",
            "u": "2020-04-07 14:05:09Z",
            "yy-M-d H:m:s.fff": "20-4-7 14:5:9.123",
            "dddd ddd MMMM MMM hh h tt K": "Tuesday Tue April Apr 02 2 PM Z",
            "yyyy'year'\\d%": "2020yeard",
        }.items():
            self.assertEqual(formatted(moment, form), expected)
        self.assertEqual(parsed("2020-01-01T02:00:00+02:00"), datetime(2020, 1, 1, tzinfo=UTC))
        self.assertEqual(parsed("2020-01-01"), datetime(2020, 1, 1, tzinfo=UTC))
