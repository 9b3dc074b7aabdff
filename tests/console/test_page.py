"""The console of a gateway that runs, in a real browser."""

from __future__ import annotations

from contextlib import closing

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select
from twisted.trial.unittest import SynchronousTestCase

from tests.console.browser import PICTURES
from tests.console.consoles import MARKUP, SHOWN, stage
from tests.end_to_end import clients
from tests.end_to_end.gateway import assert_no_defect, shared
from tests.programs import needs

VIEWS = (
    "overview",
    "refusals",
    "clients",
    "listeners",
    "backends",
    "certificates",
    "revocation",
    "explain",
    "configuration",
)

UNNAMED = """
return [...document.querySelectorAll("button, a, input, select, textarea, meter, [role=group]")].filter((each) => {
  const labelled = each.labels?.length || each.getAttribute("aria-label") || each.getAttribute("aria-hidden");
  return !labelled && !each.innerText.trim() && each.offsetParent !== null;
}).map((each) => each.outerHTML);
"""
"""What can be used in the page and has no name that a screen reader could say."""


LONG_STATE = """
const state = document.createElement("span");
Object.assign(state, { className: "state", textContent: "a sentence ".repeat(9) });
document.querySelector(".columns .card").append(state);
"""
"""A sentence of the overview that is longer than a line."""


@needs("chromium", "chromedriver")
class PageTests(SynchronousTestCase):
    """One gateway and one browser for all."""

    def setUp(self) -> None:
        self.scene = shared(stage)
        self.browser = self.scene.browser
        self.gateway = self.scene.gateway
        self.browser.complaints()
        self.addCleanup(lambda: assert_no_defect(self.gateway.output))
        self.addCleanup(lambda: self.assertEqual(self.browser.complaints(), []))

    def show(self, view: str) -> None:
        """The page at a view, with its token."""
        self.browser.open(f"{self.scene.url}&/{view}")
        self.browser.one("nav a[aria-current=page]")

    def assert_harmless(self) -> None:
        """No text of a stranger has become an element or a script."""
        found = self.browser.run("return [window.pwned ?? null, document.querySelectorAll('main img').length]")
        self.assertEqual(found, [None, 0])

    # -- the views

    def test_overview_lives(self) -> None:
        """Requests, handshakes and refusals are drawn as they happen, and a server that is down stands out."""
        self.show("overview")
        self.browser.one(".columns h2", "live")
        for certificate in ("rsa", "rsa", "expired"):
            self.scene.get("http400", certificate)
        browser = self.browser
        browser.one(".bars", "certificate has expired")
        browser.one(".events", "certificate has expired")
        browser.until(lambda: browser.all(".plot path.line.tone-1"))
        browser.until(lambda: browser.run("return document.querySelectorAll('.plot path.line').length") >= 4)
        browser.one(".plain", "is Down")
        browser.one(".stages", "2 / 3")
        if PICTURES:
            self.scene.traffic(seconds=100)
            for scheme in ("light", "dark"):
                browser.prefer(prefers_color_scheme=scheme)
                browser.picture(f"overview-{scheme}")
            browser.prefer()

    def test_listeners(self) -> None:
        """Each listener has its mode, and its profile's rules one click on."""
        self.show("listeners")
        self.browser.one("tr", "Passthrough")
        self.browser.click(".disclosure", "strict")
        self.assertIn("AppGwSslPolicy", self.browser.one(".detail", "SSL policy").text)

    def test_backends(self) -> None:
        """A server is drained after a question in the page, and used again."""
        self.show("overview")
        browser = self.browser
        browser.one(".columns h2", "live")  # else what happens now would not be heard
        browser.click("nav a", "Backends")
        browser.one("tr", "Down")
        row = browser.one(".group", "app").text.split("Requests")[1]
        name = next(word for word in row.split() if word.startswith("127.0.0.1:"))
        browser.click(f"button[aria-label='Drain {name}']")
        browser.one("dialog", "No other server of app is up")
        browser.picture("backends")
        browser.click("dialog button", "Drain")
        browser.one(".notice", f"{name} is draining")
        browser.one("tr", "Draining")
        browser.click(f"button[aria-label='Use {name}']")
        browser.click("dialog button", "Use again")
        browser.one(".notice", f"{name} is used again")
        browser.click("nav a", "Overview")
        browser.one(".events", f"{name} (app) is Draining")
        browser.one(".events", f"{name} (app) is Up")
        browser.click("nav a", "Backends")
        browser.until(lambda: "Draining" not in browser.text(".rows"))

    def test_certificates(self) -> None:
        """All certificates are there with their days, and narrowed by kind, which a reload of the page keeps."""
        self.show("certificates")
        browser = self.browser
        browser.one("tr", "CN=localhost")
        browser.click(".disclosure", "server")
        browser.one(".detail", "the certificate of its issuer is not in its file")
        Select(browser.one("main select")).select_by_value("trusted_client_certificate")
        browser.until(lambda: "CN=localhost" not in browser.text("main"))
        browser.one("tr", "CN=Devices Root")
        browser.driver.refresh()
        browser.one("tr", "CN=Devices Root")
        self.assertNotIn("CN=localhost", browser.text("main"))

    def test_clients(self) -> None:
        """A client is listed with its certificate's subject, which stays text, and its connection is closed."""
        call = self.gateway.call(self.scene.ports["strict"], "markup")
        with closing(clients.encrypted(call)) as line:
            line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            line.response()
            self.show("clients")
            browser = self.browser
            browser.one("tr", SHOWN)
            address, port = line.socket.getsockname()
            browser.click(".disclosure", f"{address}:{port}")
            browser.one(".detail", "TLSv1.3")
            browser.click(f"button[aria-label='Close {address}:{port}']")
            browser.one("dialog", SHOWN)
            browser.click("dialog button", "Close")
            browser.one(".notice", "was closed")
            line.rest()
        browser.until(lambda: f"{address}:{port}" not in browser.text(".rows, .empty"))
        self.assert_harmless()

    def test_refusals(self) -> None:
        """A refusal appears as it happens, with its reason; one click on there are the steps of its verdict."""
        self.show("refusals")
        browser = self.browser
        browser.one(".heading", "live")
        self.scene.get("http400", "ended")
        browser.one("tr", "certificate has expired")
        browser.one("tr", SHOWN)
        browser.click(".disclosure")
        verdict = browser.one(".verdict", "Refused")
        self.assertIn("expired", verdict.text)
        self.assertTrue(browser.all(".steps li.bad"))
        browser.picture("refusals")
        self.assert_harmless()

    def test_explain(self) -> None:
        """A certificate that is pasted is explained against a listener, or its revocation checked; what is none is an
        error in its place, and so is a check on a listener that asks no source.
        """
        self.show("explain?listener=strict")
        browser = self.browser
        browser.one("main select")
        for name, expected in (("rsa", ".verdict.good"), ("expired", ".verdict.bad")):
            text = (self.gateway.directory / f"{name}.pem").read_text()
            browser.run("arguments[0].value = arguments[1]", browser.one("textarea"), text)
            browser.click("main button", "Explain")
            browser.one(expected)
        browser.click("main button", "Check revocation now")
        browser.one(".problem", "checks revocation")
        browser.run("arguments[0].value = ''", browser.one("textarea"))
        browser.one("textarea").send_keys(MARKUP)
        browser.click("main button", "Explain")
        browser.one(".problem", "The gateway answered 400")
        self.assert_harmless()

    def test_revocation(self) -> None:
        """What is known of revocation is there, and forgetting asks before."""
        self.show("revocation")
        browser = self.browser
        browser.one("h2", "Responders")
        browser.click("main button", "Forget answers")
        browser.click("dialog button", "Forget")
        browser.one(".notice", "orgotten")

    def test_configuration(self) -> None:
        """A reload that is rejected shows every problem and leads to its line; one that is taken says what changed."""
        text = self.gateway.file.read_text()
        self.addCleanup(self.gateway.file.write_text, text)
        self.show("configuration")
        browser = self.browser
        browser.one(".source .section", "[http_listener strict]")
        self.gateway.file.write_text(text.replace("refusal = Http400", "refusal = Sometimes"))
        browser.click("main button", "Reload")
        notice = browser.one(".notice.bad", "rejected")
        self.assertIn("Sometimes", notice.text)
        browser.picture("configuration")
        rejected = next(each for each in browser.all(".notice li") if "Sometimes" in each.text)
        rejected.find_element("tag name", "button").click()
        self.assertIn("refusal = Http400", browser.one(".source .marked").text)
        self.gateway.file.write_text(text.replace("request_timeout = 20", "request_timeout = 21"))
        browser.click("main button", "Reload")
        browser.one(".notice.good", "is in force")
        self.gateway.file.write_text(text)
        browser.click("main button", "Reload")
        browser.until(lambda: "request_timeout = 20" in browser.text(".source"))

    # -- the page itself

    def test_token(self) -> None:
        """The address keeps no token; without one the page asks for it and shows nothing, with it it goes on."""
        self.show("listeners")
        browser = self.browser
        self.assertNotIn("token", browser.driver.current_url)
        browser.driver.refresh()
        browser.one("tr", "strict")
        browser.clear()
        browser.open(f"{self.scene.place}#/listeners")
        browser.one("dialog", "needs a token")
        self.assertFalse(browser.all(".rows"))
        browser.one("#token").send_keys(self.scene.url.partition("#token=")[2])
        browser.press(Keys.ENTER)
        browser.one("tr", "strict")
        self.assertFalse(browser.all("dialog"))

    def test_port_of_the_gateway(self) -> None:
        """A gateway that has a control port serves the page itself, and `agw console` says where, with its token."""
        printed = self.gateway.agw("console", "--no-browser", "--config", "gw.ini")
        self.assertEqual((printed.returncode, printed.stderr), (0, ""))
        self.assertTrue(printed.stdout.startswith(f"http://127.0.0.1:{self.scene.ports['control']}/console/#token="))
        self.browser.open(f"{printed.stdout.strip()}&/listeners")
        self.browser.one("tr", "strict")

    def test_many_visits(self) -> None:
        """A page that was left holds no connection: of those that a browser has for a place, all could be held."""
        for _ in range(8):
            self.show("listeners")
            self.browser.one("tr", "strict")

    def test_gateway_gone(self) -> None:
        """A gateway that is gone is said in a banner, and the page goes on by itself once it is back."""
        self.show("listeners")
        browser = self.browser
        browser.one("tr", "strict")
        self.gateway.stop()
        try:
            browser.one("#gone", "The gateway does not answer")
            browser.one("tr", "strict")
            browser.driver.refresh()
            browser.one("#gone", "The gateway does not answer")
        finally:
            self.gateway.start()
        browser.until(lambda: not browser.all("#gone p"))
        browser.one("tr", "strict")

    def test_keyboard(self) -> None:
        """All of it works without a pointer: the skip link, views, rows, plots, dialogs."""
        self.show("overview")
        browser = self.browser
        browser.tab_to(".skip")
        browser.press(Keys.ENTER)
        self.assertEqual(browser.run("return document.activeElement.id"), "main")
        plot = browser.tab_to(".plot")
        self.assertEqual(plot.get_attribute("role"), "group")
        browser.until(lambda: browser.all(".plot path.line"))
        browser.press(Keys.ARROW_LEFT)
        browser.until(lambda: "2xx" in browser.run("return document.querySelector('.plot .unseen').textContent"))
        self.show("overview")
        browser.tab_to("nav a", "Listeners")
        browser.press(Keys.ENTER)
        browser.until(lambda: browser.run("return document.activeElement.textContent") == "Listeners")
        browser.tab_to(".disclosure", "strict")
        self.assertNotEqual(browser.run("return getComputedStyle(document.activeElement).outlineStyle"), "none")
        browser.press(Keys.ENTER)
        browser.one(".detail")
        self.show("backends")
        browser.one(".rows")
        browser.tab_to("main button", "Drain")
        browser.press(Keys.ENTER)
        browser.one("dialog")
        browser.press(Keys.ESCAPE)
        browser.until(lambda: not browser.all("dialog"))
        self.assertEqual(browser.run("return document.activeElement.textContent"), "Drain")

    def test_narrow(self) -> None:
        """At 375 pixels no view is wider than the screen, the menu leads to the others, and all controls have names."""
        browser = self.browser
        browser.size(375, 800)
        self.addCleanup(browser.size, 1280, 900)
        self.show("overview")
        for view in VIEWS:
            browser.click("#menu")
            browser.click("nav a", view.capitalize())
            browser.until(lambda: not browser.all("main > .view > section > p.empty:only-child"))
            if view == "overview":
                browser.run(LONG_STATE)
            self.assertEqual(browser.run("return document.documentElement.scrollWidth"), 375, view)
            self.assertEqual(browser.run(UNNAMED), [], view)
            if view == "listeners":
                browser.prefer(prefers_color_scheme="dark")
                browser.picture("narrow")
                browser.prefer()

    def test_light_and_dark(self) -> None:
        """The colours follow the system until one is chosen, which a reload of the page keeps."""
        browser = self.browser
        self.addCleanup(browser.prefer)
        self.addCleanup(browser.clear)
        dark = "return getComputedStyle(document.documentElement).backgroundColor"
        found = {}
        for scheme in ("light", "dark"):
            browser.prefer(prefers_color_scheme=scheme)
            self.show("explain")
            found[scheme] = browser.run(dark)
        self.assertNotEqual(found["light"], found["dark"])
        Select(browser.one("#theme")).select_by_visible_text("Light")
        self.assertEqual(browser.run(dark), found["light"])
        browser.driver.refresh()
        browser.one("#theme")
        self.assertEqual(browser.run(dark), found["light"])

    def test_policy(self) -> None:
        """The browser itself refuses a script that is not the page's."""
        self.show("explain")
        added = (
            "const s = document.createElement('script'); s.textContent = 'window.pwned = 1'; document.head.append(s);"
        )
        self.browser.run(added)
        self.assert_harmless()
        self.assertEqual(len(self.browser.complaints()), 1)
