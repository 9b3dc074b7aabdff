"""The page's modules in a real browser, by themselves and with more clients than a gateway has in a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from selenium.webdriver.common.keys import Keys
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.answer_members import example
from agwtwisted.core.operations.revocation_answers import REVOCATION
from tests.console.browser import Browser, browsing
from tests.console.stub import Stub, serving
from tests.end_to_end.gateway import shared
from tests.programs import needs

CLIENTS = 10_000
HARM = "return [window.pwned ?? null, document.querySelectorAll('main img, dialog img').length]"
MARKUP = "<img src=x onerror=window.pwned=1>"


def client(number: int) -> dict[str, Any]:
    """A connection as GET /clients lists it."""
    return {
        "id": f"0-{number}",
        "listener": ("public", "partners")[number % 2],
        "protocol": "http/1.1",
        "address": f"198.51.{number // 250}.{number % 250}",
        "port": 40000 + number,
        "since": "2026-06-01T12:00:00Z",
        "verify": "SUCCESS",
        "subject": f"CN={MARKUP}" if number == 1 else f"CN=device-{number:05}",
        "issuer": "CN=Devices",
        "serial": f"{number:x}",
        "fingerprint_sha256": "0f" * 32,
        "revocation": None,
        "tls": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "resumed": False,
        "host": MARKUP,
        "state": "idle",
        "requests": number,
        "bytes_received": 100,
        "bytes_sent": 1000,
        "backend": None,
    }


class ManyClients:
    """A gateway that has ten thousand."""

    def __init__(self) -> None:
        self.clients = [client(number) for number in range(CLIENTS)]
        self.failing = False
        self.missing: list[int] = []

    def list(self, arguments: Mapping[str, str], _: Mapping[str, Any]) -> Any:
        """GET /clients."""
        if self.failing:
            return 500, {"error": f"it is broken {MARKUP}"}
        search, listener = arguments.get("search", ""), arguments.get("listener")
        found = [each for each in self.clients if search in each["subject"] and listener in (None, each["listener"])]
        ids = [each["id"] for each in found]
        start = ids.index(arguments["after"]) + 1 if "after" in arguments else 0
        page = found[start : start + int(arguments["limit"])]
        more = start + len(page) < len(found)
        following = page[-1]["id"] if more else None
        return {"clients": page, "total": len(found), "next": following, "missing_workers": self.missing}

    def close(self, _: Mapping[str, str], __: Mapping[str, Any]) -> Any:
        """POST /connections/0-3/close."""
        self.clients = [each for each in self.clients if each["id"] != "0-3"]
        return {"outcome": "closed"}


def names(_: Mapping[str, str], __: Mapping[str, Any]) -> Any:
    """GET /listeners, as far as a filter needs it."""
    return {"listeners": [{"name": "public"}, {"name": "partners"}]}


@contextmanager
def stage() -> Iterator[tuple[Browser, Stub, ManyClients]]:
    """A browser, and an API that is made up."""
    many = ManyClients()
    answers = {"/clients": many.list, "/listeners": names, "/connections/0-3/close": many.close}
    with serving(Stub(answers=answers)) as stub, browsing() as browser:
        yield browser, stub, many


@needs("chromium", "chromedriver")
class ScriptTests(SynchronousTestCase):
    """In one browser, of one API that is made up."""

    def setUp(self) -> None:
        self.browser, self.stub, self.many = shared(stage)

    def show(self, view: str) -> Browser:
        """The page at a view."""
        self.many.failing, self.many.missing = False, []
        self.browser.open(f"{self.stub.url}#/{view}")
        return self.browser

    def rows(self) -> int:
        """How many clients the page lists."""
        return len(self.browser.all(".rows tbody tr:not(.detail)"))

    def test_metrics_are_read(self) -> None:
        """The parser reads names, escaped labels and infinities, and sums by labels."""
        text = (
            "# HELP agw_x_total help\n# TYPE agw_x_total counter\n"
            'agw_x_total{a="one \\"quoted\\" \\\\ \\n line",b="}"} 3 # {trace="1"} 1\n'
            'agw_x_total{a="two",b=""} 4.5e1\nagw_bare 7 1700000000\nagw_top{le="+Inf"} +Inf\n# EOF\n'
        )
        body = (
            "const s = m.parse(a[0]); return [s.get('agw_x_total'), m.total(s, 'agw_x_total'),"
            " s.get('agw_bare')[0].value, s.get('agw_top')[0].value === Infinity, m.total(s, 'missing')]"
        )
        samples, total, bare, infinite, missing = self.show("explain").module("metrics.js", body, text)
        self.assertEqual(samples[0]["labels"], {"a": 'one "quoted" \\ \n line', "b": "}"})
        self.assertEqual((total, bare, infinite, missing), (48, 7, True, None))

    def test_revocation(self) -> None:
        """Lists with their age and what is wrong with them, and the store that gateways share; text stays text."""
        answer = example(REVOCATION)
        [found] = answer["lists"]
        answer["lists"] = [{**found, "origin": MARKUP, "problem": "the CRL has expired"}]
        self.stub.answers["/revocation"] = lambda _, __: answer
        browser = self.show("revocation")
        browser.one("h2", "Revocation lists")
        browser.one("tr", "the CRL has expired")
        browser.one("tr", MARKUP)
        browser.one(".card h3", "redis://")

    def test_since(self) -> None:
        """Refusals by reason are those since the page was opened, and then those of the last ten minutes."""
        body = (
            "const t = new m.Traffic(); const found = [t.since];"
            " for (const at of [1000, 3000, 600999, 601000]) { t.take(new Map(), at); found.push(t.since); }"
            " return found;"
        )
        found = self.show("explain").module("traffic.js", body)
        self.assertEqual(found, [None, 1000, 1000, 1000, None])

    def test_quantiles_and_rates(self) -> None:
        """A quantile is of what was counted between two scrapes, and a counter that fell began anew."""
        body = (
            "const before = new Map([[1, 10], [2, 10], [Infinity, 10]]);"
            "const after = new Map([[1, 20], [2, 30], [Infinity, 30]]);"
            "return [m.quantile(0.5, before, after), m.quantile(0.75, before, after), m.quantile(0.5, after, after),"
            " m.rate(10, 30, 2), m.rate(30, 10, 2), m.rate(null, 1, 2)]"
        )
        self.assertEqual(self.show("explain").module("metrics.js", body), [1, 1.5, None, 10, 5, None])

    def test_events_in_pieces(self) -> None:
        """Server-Sent Events are read whatever pieces they come in, comments and each kind of line end included."""
        stream = ": hello\r\n\r\nid: 7\nevent: refusal\ndata: {\ndata: }\n\nretry: 5\nid\n\ndata:x\r\n\r\n"
        body = (
            "const heard = []; const parser = new m.EventParser((...event) => heard.push(event));"
            "for (const piece of a[1] ? a[0].match(/[^]/g) : [a[0]]) parser.feed(piece); return heard"
        )
        for pieces in (False, True):
            heard = self.show("explain").module("live.js", body, stream, pieces)
            self.assertEqual(heard, [["refusal", "{\n}", "7"], ["message", "x", None]])

    def test_numbers_and_times(self) -> None:
        """Numbers have the digits that count, and times are UTC."""
        body = (
            "return [m.duration(0.00042), m.duration(0.00125), m.duration(3), m.bytes(1536), m.span(90000),"
            " m.count(12345), m.moment('2026-06-01T12:00:00Z'), m.endpoint('::1', 80), m.pairs('aabbcc')]"
        )
        expected = ["420 µs", "1.25 ms", "3.00 s", "1.50 KiB", "1 d 1 h", "12,345"]
        expected += ["2026-06-01 12:00:00", "[::1]:80", "aa:bb:cc"]
        self.assertEqual(self.show("explain").module("format.js", body), expected)

    def test_what_is_alike_stays(self) -> None:
        """A new answer leaves an element that is alike where it is, with the focus, and text that is chosen."""
        body = (
            "const place = document.createElement('div'); document.body.append(place);"
            "const rows = (keys) => keys.map((key) => m.h('button', { key, onclick: () => key }, `row ${key}`));"
            "m.show(place, rows(['a', 'b', 'c'])); const kept = place.children[1]; kept.focus();"
            "m.show(place, rows(['n', 'b', 'c', 'd'])); const text = place.innerText; const called = kept.onclick();"
            "const focused = document.activeElement === kept && place.children[1] === kept; place.remove();"
            "return [focused, text.split(/\\s*row /).filter(Boolean), called]"
        )
        self.assertEqual(self.show("explain").module("dom.js", body), [True, ["n", "b", "c", "d"], "b"])

    def test_invisible_characters_are_shown(self) -> None:
        """Characters that turn the direction of text, or show as nothing, are written as escapes."""
        body = "return m.h('p', { title: a[0] }, a[0]).outerHTML"
        found = self.show("explain").module("dom.js", body, "a\u202eb\u0000\u200b<i>")
        self.assertEqual(found, '<p title="a\\u202eb\\u0000\\u200b&lt;i&gt;">a\\u202eb\\u0000\\u200b&lt;i&gt;</p>')

    def test_a_text_is_no_handler(self) -> None:
        """A string where a function belongs is refused: it would be a script."""
        body = "try { m.h('p', { onclick: a[0] }) } catch (error) { return error.message }"
        self.assertEqual(self.show("explain").module("dom.js", body, "alert(1)"), "onclick is no function")

    def test_ten_thousand_clients(self) -> None:
        """Of ten thousand clients the page holds a hundred, and leads to the others and back."""
        browser = self.show("clients")
        browser.one(".pages", "1\u2013100 of 10,000 clients")
        self.assertEqual(self.rows(), 100)
        browser.click(".pages button", "Next")
        browser.one(".pages", "101\u2013200 of 10,000 clients")
        browser.one("th", "198.51.0.100:40100")
        self.assertEqual(self.rows(), 100)
        browser.driver.refresh()
        browser.one(".pages", "101\u2013200 of 10,000 clients")
        browser.click(".pages button", "Previous")
        browser.one(".pages", "1\u2013100 of 10,000 clients")

    def test_search_and_filter(self) -> None:
        """A search and a listener narrow the list, and stand in the address of the view."""
        browser = self.show("clients")
        browser.one("input[type=search]").send_keys("device-0777")
        browser.one(".pages", "10 clients")
        browser.click("select option", "partners")
        browser.one(".pages", "5 clients")
        self.assertIn("search=device-0777", browser.driver.current_url)
        self.assertIn("listener=partners", browser.driver.current_url)
        browser.driver.refresh()
        browser.one(".pages", "5 clients")

    def test_missing_workers(self) -> None:
        """A worker that has not answered is named: what is shown is not all there is."""
        browser = self.show("clients")
        self.many.missing = [1, 3]
        browser.one("main", "without worker 1, 3, which did not answer in time")

    def test_closing_one(self) -> None:
        """A connection is closed after a question in the page, which Escape takes back."""
        browser = self.show("clients")
        browser.click("button[aria-label='Close 198.51.0.3:40003']")
        browser.one("dialog", "CN=device-00003")
        browser.press(Keys.ESCAPE)
        browser.until(lambda: not browser.all("dialog"))
        self.assertNotIn("/connections/0-3/close", self.stub.asked)
        browser.click("button[aria-label='Close 198.51.0.3:40003']")
        browser.click("dialog button", "Close")
        browser.one(".notice", "198.51.0.3:40003 was closed")
        browser.one(".pages", "9,999 clients")
        self.many.clients.insert(3, client(3))

    def test_an_error_stands_in_its_place(self) -> None:
        """An error of the API is shown in the view, with what was there before, until it answers again."""
        browser = self.show("clients")
        browser.one("th", "198.51.0.0:40000")
        self.many.failing = True
        problem = browser.one(".problem", "The gateway answered 500")
        self.assertIn(f"it is broken {MARKUP}", problem.text)
        self.assertEqual(self.rows(), 100)
        self.many.failing = False
        browser.click(".problem button", "Try again")
        browser.until(lambda: not browser.all(".problem"))

    def test_markup_stays_text(self) -> None:
        """A subject and a host that are markup are text, in a row, in its details, in a dialog."""
        browser = self.show("clients")
        browser.click(".disclosure", "198.51.0.1:40001")
        browser.one(".detail", MARKUP)
        browser.click("button[aria-label='Close 198.51.0.1:40001']")
        browser.one("dialog", MARKUP)
        self.assertEqual(
            browser.run("return [window.pwned ?? null, document.querySelectorAll('main img').length]"), [None, 0]
        )
        self.assertEqual(browser.complaints(), [])
