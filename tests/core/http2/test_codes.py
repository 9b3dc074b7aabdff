"""The numbers and names of HTTP/2, next to those of another implementation."""

from __future__ import annotations

from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import FRAMES
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2 import codes


class NameTests(SynchronousTestCase):
    """Numbers, and the names that logs give them."""

    def test_errors(self) -> None:
        """Every error code of RFC 9113 has its name and its number; another one is shown by its number."""
        for error in ErrorCodes:
            self.assertEqual(codes.error_name(error), error.name)
            self.assertEqual(getattr(codes, error.name), error)
        self.assertEqual([codes.error_name(code) for code in (14, 0xFFFFFFFF)], ["0xe", "0xffffffff"])

    def test_kinds(self) -> None:
        """Every frame type that RFC 9113 and RFC 9218 define has its name; another one is shown by its number."""
        ours = {kind: codes.kind_name(kind).replace("_", "") for kind in FRAMES if kind != 0x0A}
        theirs = {kind: FRAMES[kind].__name__.removesuffix("Frame").upper() for kind in ours}
        self.assertEqual(ours, theirs)
        self.assertEqual([codes.kind_name(kind) for kind in (0x10, 0x0A)], ["PRIORITY_UPDATE", "0xa"])

    def test_settings(self) -> None:
        """The settings have their numbers."""
        for setting in SettingCodes:
            self.assertEqual(getattr(codes, setting.name), setting)
        self.assertEqual(codes.NO_RFC7540_PRIORITIES, 9)
