"""The console's files."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.console import files
from agwtwisted.console.files import HEADERS, INDEX, console_files
from agwtwisted.core.operations.families import FAMILIES
from agwtwisted.core.operations.metric_kinds import FamilyKind

STATIC = Path(files.__file__).parent / "static"


class ConsoleFilesTests(SynchronousTestCase):
    """What a site serves."""

    def test_every_file_is_served(self) -> None:
        """Each file of the directory has a media type, so none is missing from the page."""
        self.assertEqual(set(console_files()), {path.name for path in STATIC.iterdir()})
        self.assertIn(INDEX, console_files())

    def test_policy_allows_nothing_from_outside(self) -> None:
        """The policy names no source but the site itself, and neither inline scripts nor inline styles."""
        policy = HEADERS["Content-Security-Policy"]
        self.assertTrue(policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';"))
        self.assertNotIn("unsafe", policy)
        self.assertNotRegex(policy, r"https?:|\*")

    def test_files_name_nothing_outside(self) -> None:
        """No file loads anything from another place: the only addresses in them are the names of XML namespaces."""
        for name, file in console_files().items():
            found = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"'`]*", file.content.decode()))
            self.assertLessEqual(found, {"http://www.w3.org/2000/svg"}, name)

    def test_text_never_becomes_markup(self) -> None:
        """No script uses a way by which a string becomes elements, a script or a style."""
        ways = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|cssText|srcdoc"
        for name, file in console_files().items():
            self.assertNotRegex(file.content.decode(), ways, name)

    def test_metrics_exist(self) -> None:
        """The metrics that the plots are made of are those that the gateway has, by name and kind."""
        table = console_files()["traffic.js"].content.decode().partition("NAMES = {")[2].partition("}")[0]
        used = re.findall(r'"(agw_\w+)"', table)
        self.assertEqual(len(used), 6)
        kinds = {family.name: family.kind for family in FAMILIES.values()}
        for name in used:
            self.assertIn(name.removesuffix("_total"), kinds)
            counter = kinds[name.removesuffix("_total")] is FamilyKind.COUNTER
            self.assertEqual(name.endswith("_total"), counter, name)

    def test_page_has_nothing_inline(self) -> None:
        """The page has no script, style or handler in itself: the policy would leave them out."""
        page = console_files()[INDEX].content.decode()
        self.assertNotRegex(page, r"<style|style=|\son\w+=|<script(?![^>]*\ssrc=)")
