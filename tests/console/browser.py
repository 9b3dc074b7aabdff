"""A headless Chromium that tests of the console share: one for a module."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Final, TypeVar

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.programs import path_of

T = TypeVar("T")

PICTURES: Final = Path(__file__).parents[2] / "docs" / "console" if "AGW_PICTURES" in os.environ else None
"""Where pictures of the console are kept; None: none are made."""

DEADLINE: Final = 60
"""Seconds after which what is waited for fails a test."""

SWITCHES: Final = (
    "--headless=new",
    "--no-sandbox",  # tests run as root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-proxy-server",
    "--no-first-run",
    "--hide-scrollbars",
)


class Browser:
    """Chromium with one window."""

    def __init__(self, *switches: str) -> None:
        options = ChromeOptions()
        options.binary_location = path_of("chromium") or ""
        for switch in (*SWITCHES, *switches):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = Service(path_of("chromedriver") or "", log_output=os.devnull)
        self.driver = Chrome(options=options, service=service)
        self.size(1280, 900)

    def close(self) -> None:
        """Ends it."""
        self.driver.quit()

    def size(self, width: int, height: int) -> None:
        """The window's size in pixels of CSS."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, **features: str) -> None:
        """What the system prefers: `prefers_color_scheme="dark"`."""
        listed = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": listed})

    def open(self, url: str) -> None:
        """Shows a page anew, with nothing kept from another test."""
        self.driver.get("about:blank")
        self.driver.get(url)

    def clear(self) -> None:
        """Forgets what the page keeps in the browser."""
        self.driver.execute_script("sessionStorage.clear(); localStorage.clear()")

    def run(self, script: str, *arguments: object) -> Any:
        """What a script returns."""
        return self.driver.execute_script(script, *arguments)

    def module(self, name: str, body: str, *arguments: object) -> Any:
        """What a script with a module of the page as `m` and these arguments as `a` returns."""
        script = (
            "const [name, ...a] = arguments; const done = a.pop();"
            f"import(`/console/${{name}}`).then(async (m) => {{ {body} }}).then(done, (e) => done(`failed: ${{e}}`));"
        )
        self.driver.set_script_timeout(DEADLINE)
        return self.driver.execute_async_script(script, name, *arguments)

    def until(self, found: Callable[[], T]) -> T:
        """What `found` returns once that is true."""
        ignored = [StaleElementReferenceException]
        wait = WebDriverWait(self.driver, DEADLINE, poll_frequency=0.05, ignored_exceptions=ignored)
        return wait.until(lambda _: found())

    def all(self, selector: str) -> list[WebElement]:
        """The elements that a selector of CSS takes."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str, text: str = "") -> WebElement:
        """The first of them that has the text, once there is one."""

        def find() -> WebElement | None:
            return next((each for each in self.all(selector) if text in each.text), None)

        try:
            found = self.until(find)
        except Exception as error:
            shown = self.run("return document.body.innerText")
            raise AssertionError(f"no {selector} with {text!r} in:\n{shown}") from error
        assert found is not None
        return found

    def click(self, selector: str, text: str = "") -> None:
        """Clicks on that, once it can be."""

        def attempt() -> bool:
            found = next((each for each in self.all(selector) if text in each.text and each.is_enabled()), None)
            if found is not None:
                found.click()
            return found is not None

        self.one(selector, text)
        self.until(attempt)

    def press(self, *keys: str) -> None:
        """Presses keys, one after the other, wherever the focus is."""
        for key in keys:
            self.driver.switch_to.active_element.send_keys(key)

    def tab_to(self, selector: str, text: str = "") -> WebElement:
        """Presses Tab until the focus is on that element."""
        on_it = "const e = document.activeElement; return e.matches(arguments[0]) && e.innerText.includes(arguments[1])"
        for _ in range(80):
            if self.run(on_it, selector, text):
                return self.driver.switch_to.active_element
            ActionChains(self.driver, duration=0).send_keys(Keys.TAB).perform()
        raise AssertionError(f"Tab never leads to {selector} with {text!r}")

    def text(self, selector: str = "main") -> str:
        """What of the page can be read."""
        return "\n".join(each.text for each in self.all(selector))

    def picture(self, name: str) -> None:
        """Keeps what is shown as docs/console/NAME.png, where that was asked for, with few colours."""
        if PICTURES is None:
            return
        from PIL import Image  # of the extra `dev`

        shown = Image.open(BytesIO(self.driver.get_screenshot_as_png())).convert("RGB")
        shown.quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            PICTURES / f"{name}.png", optimize=True
        )

    def complaints(self) -> list[str]:
        """What the browser has complained about since it was asked last, but answers that are errors."""
        found: list[dict[str, Any]] = self.driver.get_log("browser")
        return [each["message"] for each in found if each["level"] == "SEVERE" and each["source"] != "network"]


@contextmanager
def browsing(*switches: str) -> Iterator[Browser]:
    """A browser with more switches, ended with the block."""
    browser = Browser(*switches)
    try:
        yield browser
    finally:
        browser.close()
