"""h2spec, the conformance tests of HTTP/2 by Moto Ishizawa: where it is installed, in `make explore`."""

from __future__ import annotations

import unittest
from pathlib import Path
from xml.etree import ElementTree

from tests import EXAMPLES
from tests.end_to_end import clients
from tests.end_to_end.http2 import Http2Case
from tests.programs import needs, path_of

CASES = 146

ACCEPTED: dict[str, str] = {}
"""Cases that fail, by what they are about, each with the reason why the gateway does otherwise."""


class ConformanceTests(Http2Case):
    """RFC 9113 and 7541, case by case."""

    @needs("h2spec")
    @unittest.skipUnless(EXAMPLES, "h2spec takes a while: make explore")
    def test_h2spec(self) -> None:
        """All cases pass but those that are argued."""
        program = path_of("h2spec")
        assert program
        report = Path(self.mktemp()).absolute()
        words = [program, "--tls", "--insecure", "--timeout", "5", "--junit-report", str(report)]
        port = str(self.scene.doors["open"])
        done = clients.run([*words, "--host", "127.0.0.1", "--port", port], patience=900)
        cases = list(ElementTree.parse(report).iter("testcase"))
        failed = {
            f"{case.get('package')}: {case.get('classname')}": "".join(case.itertext())
            for case in cases
            if case.find("failure") is not None or case.find("error") is not None or case.find("skipped") is not None
        }
        self.assertEqual({name: said for name, said in failed.items() if name not in ACCEPTED}, {}, done.stdout[-2000:])
        self.assertEqual(len(cases), CASES)
