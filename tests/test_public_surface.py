"""What the package offers to other programs: `agwtwisted.__all__`, and docs/library.md about it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import unittest
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import agwtwisted
from agwtwisted._version import VERSION
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.exchange.certificate_headers import header_block
from agwtwisted.core.identity.clients import Identity
from agwtwisted.core.resources.resources import CertificateHeaders
from agwtwisted.core.verification.verdicts import Trusted, Unchecked
from tests import pki

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "library.md").read_text()
PROGRAM = """
from typing import Any, assert_type

from agwtwisted import AccessLog, AgwError, CertificateHeaders, ClientIdentity, IdentityHeadersError, ProxyResource
from agwtwisted import PendingClient, Verification, __version__, client_identity, count_monotonically, web_client
from twisted.internet import reactor as installed
from twisted.web.http import Request


def client_of(request: Request) -> PendingClient:
    if request.uri == b"/":
        return web_client(request, b"der", chain=[b"der"])
    return web_client(request, None, verified=False, refused="no")


def resource(reactor: Any) -> ProxyResource:
    count_monotonically(reactor)
    return ProxyResource(
        reactor,
        ["127.0.0.1:9000"],
        client_of=client_of,
        certificate_headers=frozenset({CertificateHeaders.ALL}),
        request_timeout=5.0,
        access_log=AccessLog("-", reactor),
    )


def log() -> AccessLog:
    return AccessLog(None, installed)


def who(headers: list[tuple[bytes, bytes]]) -> str:
    try:
        identity = client_identity(headers)
    except IdentityHeadersError as error:
        problem: AgwError = error
        return str(problem)
    assert_type(identity, ClientIdentity)
    if identity.verification is Verification.PASSTHROUGH:
        return "anybody"
    return identity.subject if identity.verified else __version__
"""
"""What a program that uses every public name may look like."""


def taken(source: str) -> Iterator[str]:
    """What a program takes of the package, as ``module.name``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name.partition(".")[0] == "agwtwisted")
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "agwtwisted":
            yield from (f"{node.module}.{each.name}" for each in node.names)


def examples() -> Iterator[str]:
    """The programs of the documentation."""
    yield (ROOT / "docs" / "proxy_resource.py").read_text()
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        yield from re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


def python(program: str) -> str:
    """What a fresh interpreter prints."""
    words = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


class NameTests(SynchronousTestCase):
    """The names."""

    def test_every_name_is_there(self) -> None:
        """Each is found, by type checkers, at run time and by `dir`, and nothing else is."""
        self.assertEqual([*agwtwisted._MODULES], sorted(agwtwisted._MODULES))
        self.assertEqual({*agwtwisted.__all__}, {*agwtwisted._MODULES, "__version__"})
        for name in agwtwisted.__all__:
            self.assertIsNotNone(getattr(agwtwisted, name))
            self.assertIn(name, dir(agwtwisted))
        self.assertRaises(AttributeError, getattr, agwtwisted, "Backends")
        self.assertEqual(agwtwisted.__version__, VERSION)
        checked = [name for name in taken((ROOT / "agwtwisted" / "__init__.py").read_text()) if "_version" not in name]
        self.assertEqual({*checked}, {f"agwtwisted.{module}.{name}" for name, module in agwtwisted._MODULES.items()})

    def test_page(self) -> None:
        """The page has each name in its table, and no other."""
        rows = re.findall(r"(?m)^\| (`.*?`) \|", PAGE)
        self.assertEqual({*re.findall(r"`(\w+)`", " ".join(rows))}, {*agwtwisted.__all__})

    def test_examples(self) -> None:
        """The programs of the documentation use public names alone."""
        used = {name for example in examples() for name in taken(example)}
        self.assertLessEqual(used, {f"agwtwisted.{name}" for name in agwtwisted.__all__})
        self.assertLessEqual({"agwtwisted.ProxyResource", "agwtwisted.client_identity"}, used)


class ImportTests(SynchronousTestCase):
    """What an import brings along."""

    def test_backends_need_no_twisted(self) -> None:
        """The package itself and the reader of identity headers import neither Twisted nor OpenSSL."""
        shown = "import sys; print({'twisted', 'OpenSSL', 'cryptography'} & {*sys.modules})"
        self.assertEqual(python(f"from agwtwisted import client_identity; {shown}"), "set()")

    def test_no_reactor_is_installed(self) -> None:
        """A program can choose its reactor after it has imported everything."""
        shown = "import sys; print('twisted.internet.reactor' in sys.modules)"
        self.assertEqual(python(f"from agwtwisted import *; {shown}"), "False")


class TypeTests(SynchronousTestCase):
    """The annotations."""

    def check(self, directory: Path, program: str) -> str:
        """What mypy says of a program."""
        (directory / "program.py").write_text(program)
        words = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "program.py"]
        done = subprocess.run(words, cwd=directory, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    @unittest.skipUnless(find_spec("mypy"), "mypy is not installed")
    def test_strict(self) -> None:
        """mypy accepts, in its strict mode, a program that uses every name, and finds what is wrong in another."""
        self.assertEqual({*taken(PROGRAM)}, {f"agwtwisted.{name}" for name in agwtwisted.__all__})
        directory = Path(self.mktemp())
        directory.mkdir(parents=True)
        self.assertIn("Success: no issues found", self.check(directory, PROGRAM))
        self.assertIn('incompatible type "str"', self.check(directory, PROGRAM.replace("=5.0", '="5"')))


class BackendTests(SynchronousTestCase):
    """The backend of the page."""

    def answer(self, *headers: tuple[str, str]) -> tuple[str, bytes]:
        """What it answers to a request with these headers."""
        [source] = [each for each in examples() if "def application" in each]
        names: dict[str, Any] = {}
        exec(compile(source, "library.md", "exec"), names)
        environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers}
        statuses: list[str] = []
        body: Iterable[bytes] = names["application"](
            environ | {"wsgi.input": BytesIO()}, lambda status, _: statuses.append(status)
        )
        return statuses[0], b"".join(body)

    def test_who_is_let_in(self) -> None:
        """A client with a verified certificate is named; one without, and headers that contradict, are refused."""
        certificate = certificate_variables(pki.Authority.root().issue("device 7").der)
        for verdict, answer in ((Trusted(), ("200 OK", b"CN=device 7")), (Unchecked(), ("403 Forbidden", b""))):
            block = header_block(
                Identity(verdict=verdict, certificate=certificate), frozenset({CertificateHeaders.ALL})
            ).decode()
            lines = [(name, value) for name, _, value in (line.partition(": ") for line in block.splitlines())]
            self.assertEqual(self.answer(*lines), answer)
        self.assertEqual(self.answer(), ("403 Forbidden", b""))
        self.assertEqual(self.answer(("X-Client-Certificate-Verification", "SUCCESS")), ("403 Forbidden", b""))
