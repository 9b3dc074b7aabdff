"""Paths in one form: beside what servers of many kinds make of a path."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

from hypothesis import assume, example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.messages import MAX_TARGET
from agwtwisted.core.http.paths import UnclearPath, normalised, override_path
from agwtwisted.core.plan.actions import Action, Actions

UNCLEAR = (
    # what is no encoding, and what is encoded twice
    "/a%",
    "/a%2",
    "/a%4%31",
    "/%u0061dmin",
    "/%2561dmin",
    "/%25%36%31dmin",
    "/%252561dmin",
    "/%25u0061dmin",
    "/%252e%252e/admin",
    # separators, and what others cut a path at
    "/x%2fadmin",
    "/x%2Fadmin",
    "/x%5cadmin",
    "/x\\admin",
    "/admin;x",
    "/admin;/x",
    "/x/..;/admin",
    "/admin%3bx",
    "/admin%3Fx",
    "/admin%23x",
    "/admin#x",
    # controls, however they come
    "/admin%00",
    "/admin%00.png",
    "/admin%0a",
    "/admin%0d%0aX:y",
    "/admin%09",
    "/admin%7f",
    "/admin\t",
    "/admin\x7f",
    # names that other systems shorten
    "/admin%20",
    "/%20admin",
    "/admin%20/x",
    "/admin.",
    "/admin./x",
    "/admin...",
    "/admin::$DATA",
    "/admin:$i30:$INDEX_ALLOCATION/x",
    "/admin:",
    "/admini~1/x",
    # above the root
    "/..",
    "/../admin",
    "/a/../../admin",
    "/%2e%2e/",
    "/%2E%2e/admin",
    # UTF-8 that is none, or too long
    "/%c1%a1dmin",
    "/%c0%af",
    "/%e0%81%a1dmin",
    "/%e9",
    "/%ff",
    "/%ed%a0%80",
    # letters that are not composed, not seen, or not only themselves
    "/cafe%cc%81",
    "/ad%c2%admin",
    "/adm%e2%80%8bin",
    "/admin%ef%b8%8f",
    "/adm%c4%b1n",
    "/adm%c4%b0n",
    "/%c5%bfecret",
    "/%e2%84%aaeys",
    "/%ef%bd%81dmin",
    "/stra%c3%9fe",
    "/a%c2%a0b",
    "/admin%c2%85",
    "/a%ee%80%80b",
    # no path at all
    "",
    "admin",
    "**",
    "http://h/admin",
)
ONE_FORM = {
    "/": "/",
    "*": "*",
    "/a/b.c/d-e_f": "/a/b.c/d-e_f",
    "/admin": "/admin",
    "/ADMIN": "/ADMIN",
    "//admin": "/admin",
    "///admin//x///": "/admin/x/",
    "/./admin": "/admin",
    "/x/../admin": "/admin",
    "/x//../admin": "/admin",
    "/a/%2e./admin": "/admin",
    "/a/.%2E/admin": "/admin",
    "/a/%2e/admin": "/a/admin",
    "/a/b/..": "/a/",
    "/a/.": "/a/",
    "/a/..": "/",
    "/.": "/",
    "//": "/",
    "/%61dmin": "/admin",
    "/%41DMIN": "/ADMIN",
    "/%7euser/%2D%5f": "/~user/-_",
    "/~1": "/~1",
    "/a%21%24%26%27%28%29%2a%2c%3d%3a%40b": "/a!$&'()*,=:@b",
    "/a+b": "/a+b",
    "/a%2bb": "/a%2Bb",
    "/a%20b": "/a%20b",
    "/100%25": "/100%25",
    "/100%25/": "/100%25/",
    '/a"<>[]^`{|}b': "/a%22%3C%3E%5B%5D%5E%60%7B%7C%7Db",
    "/a%22%3c": "/a%22%3C",
    "/caf%c3%a9": "/caf%C3%A9",
    "/%e6%97%a5": "/%E6%97%A5",
    "/.hidden/..x/a..b": "/.hidden/..x/a..b",
    "//a?b=//c/../d;e%2f": "/a?b=//c/../d;e%2f",
    "/?": "/?",
    "/a/..?x": "/?x",
}

_PIECES = (
    "admin ADMIN public keys strasse secret a.b s x / // /./ /../ .. . ; ;x %2e %2E%2e %61 %41dmin %2f %5c \\ %00 %20"
    " %25 %2561 %3b %3f %23 : :$data ::$DATA ~1 + %2b %c4%b1 %c4%b0 %e2%84%aa %c5%bf %c1%a1 %ef%bd%81 %c3%9f %cc%81"
    " %c2%ad %e2%80%8b %ef%b8%8f %c3%a9 %c3%89 %7f ? % a d m i n"
)
PIECES = st.sampled_from(_PIECES.split())


class OneFormTests(SynchronousTestCase):
    """`normalised`."""

    def test_forms(self) -> None:
        """What is the same path becomes the same, and the query stays as it came."""
        self.assertEqual(
            {path: normalised(path.encode()) for path in ONE_FORM},
            {path: form.encode() for path, form in ONE_FORM.items()},
        )

    def test_unclear(self) -> None:
        """What servers read in different ways is refused, with a reason that can be printed."""
        for path in UNCLEAR:
            for target in (path, f"{path}?q"):
                found = normalised(target.encode("latin-1"))
                self.assertIsInstance(found, UnclearPath, path)
                assert isinstance(found, UnclearPath)
                self.assertTrue(found.reason and found.reason.isprintable() and found.reason.isascii(), path)

    def test_every_byte(self) -> None:
        """Each byte, encoded or not, is refused or comes out the same in both ways.

        But for the plus sign, which is a space to some, and for those that mean something where they stand plainly.
        """
        apart = {0x2B: (b"/a+b", b"/a%2Bb"), 0x2F: (b"/a/b", None), 0x3F: (b"/a?b", None), 0x25: (None, b"/a%25/")}
        for byte in range(256):
            ends = b"/" if byte == 0x25 else b"b"  # %25b could be encoded twice
            found = [normalised(b"/a%b%b" % (each, ends)) for each in (bytes((byte,)), b"%%%02x" % byte)]
            forms = tuple(None if isinstance(each, UnclearPath) else each for each in found)
            self.assertEqual(forms, apart.get(byte, (forms[0], forms[0])), byte)

    def test_length(self) -> None:
        """A path that is too long once it is encoded is refused: nothing longer than a URL may be goes on."""
        fitting = b'/"' + b"a" * (MAX_TARGET - 4)
        self.assertEqual(normalised(fitting), b"/%22" + b"a" * (MAX_TARGET - 4))
        self.assertEqual(normalised(fitting + b"a"), UnclearPath("too long after encoding"))

    @given(
        st.binary(max_size=30).map(lambda rest: b"/" + rest)
        | st.lists(PIECES).map(lambda pieces: b"/" + "".join(pieces).encode())
    )
    @example(b"/a%4%31")
    def test_any_target(self, target: bytes) -> None:
        """Whatever comes, what goes on is a target for sure, has no empty segment and no dots, and stays as it is."""
        found = normalised(target)
        if isinstance(found, UnclearPath):
            self.assertTrue(found.reason.isascii() and found.reason.isprintable())
            return
        path, mark, query = found.partition(b"?")
        self.assertRegex(path, rb"\A/[!-~]*\Z")
        self.assertNotRegex(path, rb"//|[\\;#]|/\.{1,2}(/|\Z)")
        self.assertEqual(mark + query, target[target.find(b"?") :] if b"?" in target else b"")
        self.assertEqual(normalised(found), found)


# -- what servers do with the path they get

Server = Callable[[bytes], bytes]
"""From a path as it is forwarded to the one that it means, decoded."""


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode(
        "utf-8", "surrogatepass" if re.search("[\ud800-\udc7f\udd00-\udfff]", text) else "surrogateescape"
    )


def resolved(path: bytes) -> bytes:
    """Dots and empty segments taken out, as a file system does."""
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            kept = kept[:-1]
        elif segment not in (b"", b"."):
            kept.append(segment)
    return b"/" + b"/".join(kept) + (b"/" if kept and path.endswith((b"/", b"/.", b"/..")) else b"")


def without_parameters(path: bytes) -> bytes:
    """What stands after a semicolon cut off each segment, as servlet containers do."""
    return re.sub(rb";[^/]*", b"", path)


def windows(path: bytes) -> bytes:
    """Backslashes are slashes, and what ends a name or names a stream does not count."""
    segments = re.split(rb"[/\\]", path)
    names = [each if set(each) <= {0x2E} else re.sub(rb":\$.*\Z|:\Z", b"", each).rstrip(b". ") for each in segments]
    return b"/".join(names)


def lenient(path: bytes) -> bytes:
    """UTF-8 that is longer than it need be is read all the same."""
    return re.sub(rb"[\xc0\xc1]([\x80-\xbf])", lambda m: bytes(((m[0][0] & 3) << 6 | m[0][1] & 63,)), path)


def compatible(text: str) -> str:
    """Letters of one meaning in one form."""
    return unicodedata.normalize("NFKC", text)


def unseen(text: str) -> str:
    """Without the characters that some file systems pass over."""
    return "".join(each for each in text if unicodedata.category(each) != "Cf" and not "\ufe00" <= each <= "\ufe0f")


SERVERS: dict[str, Server] = {
    "decodes once": lambda path: resolved(unquote_to_bytes(path)),
    "decodes twice": lambda path: resolved(unquote_to_bytes(unquote_to_bytes(path))),
    "resolves, then decodes": lambda path: unquote_to_bytes(resolved(path)),
    "cuts parameters, then decodes": lambda path: resolved(unquote_to_bytes(without_parameters(path))),
    "decodes, then cuts parameters": lambda path: resolved(without_parameters(unquote_to_bytes(path))),
    "ends at a decoded question mark": lambda path: resolved(re.split(rb"[?#]", unquote_to_bytes(path))[0]),
    "ends at a NUL": lambda path: resolved(unquote_to_bytes(path).split(b"\0")[0]),
    "is Windows": lambda path: resolved(windows(unquote_to_bytes(path))),
    "trims": lambda path: b"/".join(each.strip() for each in resolved(unquote_to_bytes(path)).split(b"/")),
    "reads lenient UTF-8": lambda path: resolved(lenient(unquote_to_bytes(path))),
    "raises": lambda path: _bytes(_text(resolved(unquote_to_bytes(path))).upper()),
    "lowers": lambda path: _bytes(_text(resolved(unquote_to_bytes(path))).lower()),
    "folds": lambda path: _bytes(_text(resolved(unquote_to_bytes(path))).casefold()),
    "composes": lambda path: _bytes(unicodedata.normalize("NFC", _text(resolved(unquote_to_bytes(path))))),
    "is compatible": lambda path: _bytes(compatible(_text(resolved(unquote_to_bytes(path))))),
    "folds like ext4": lambda path: _bytes(unseen(_text(resolved(unquote_to_bytes(path)))).casefold()),
}

PATTERNS = ("/admin/public/*", "/admin/*", "/admin", "/strasse", "/keys*", "/secret/a.b", "/public*", "/s/x/*")


class ServerTests(SynchronousTestCase):
    """No server finds another path in what is forwarded than the one that the gateway has matched."""

    def setUp(self) -> None:
        listed = [(pattern, Action(rule="rule", path_rule=pattern)) for pattern in PATTERNS]
        self.actions = Actions(Action(rule="rule"), listed)

    def assert_alike(self, target: bytes) -> None:
        """Every server's reading of a target has the action that the gateway took for it."""
        found = normalised(target)
        if isinstance(found, UnclearPath):
            return
        path = found.partition(b"?")[0]
        action = self.actions.for_path(path)
        for name, server in SERVERS.items():
            read = server(path)
            self.assertIs(self.actions.for_path(read), action, f"{name}: {target!r} {path!r} {read!r}")

    def test_known_tricks(self) -> None:
        """The known ways round a rule for a path lead to it, or nowhere."""
        for path in (*UNCLEAR, *ONE_FORM):
            self.assert_alike(path.encode("latin-1"))

    def test_reached(self) -> None:
        """Those that are let through are matched by the rule."""
        for trick in ("/x/../admin", "//admin", "/%61dmin", "/ADMIN", "/a/%2e./admin", "/./admin", "/%41%44min"):
            found = normalised(trick.encode())
            assert isinstance(found, bytes)
            self.assertEqual(self.actions.for_path(found).path_rule, "/admin", trick)

    @given(st.lists(PIECES, max_size=8))
    def test_any_trick(self, pieces: list[str]) -> None:
        """Any combination of such tricks."""
        self.assert_alike(b"/" + "".join(pieces).encode())

    @given(
        st.lists(st.sampled_from(["/admin", "/keys", "/public/x", "/strasse", "/secret/a.b"]), min_size=1), st.data()
    )
    def test_one_letter(self, paths: list[str], data: st.DataObject) -> None:
        """Any one character in place of another, encoded in UTF-8."""
        path = paths[0]
        place = data.draw(st.integers(1, len(path) - 1))
        letter = data.draw(st.characters(exclude_categories=["Cs"]))
        encoded = "".join(f"%{byte:02x}" for byte in letter.encode())
        self.assert_alike(f"{path[:place]}{encoded}{path[place + 1 :]}".encode())
        self.assert_alike(f"{path[:place]}{encoded}{path[place:]}".encode())

    def test_every_letter(self) -> None:
        """No character of Unicode goes on that some change of case or compatibility, or several, make ASCII of."""
        changes = (str.lower, str.upper, str.casefold, str.title, compatible)
        for number in range(0x80, 0x110000):
            if unicodedata.category(chr(number)) in ("Cn", "Co", "Cs"):
                continue
            seen, unseen_yet = {chr(number)}, [chr(number)]
            while unseen_yet:
                text = unseen_yet.pop()
                new = {change(text) for change in changes} - seen
                seen |= new
                unseen_yet += new
            if any(each.isascii() for text in seen for each in text):
                encoded = "".join(f"%{byte:02x}" for byte in chr(number).encode())
                self.assertIsInstance(normalised(f"/{encoded}".encode()), UnclearPath, hex(number))

    def test_servers_are_cheated(self) -> None:
        """Without the one form every one of these servers is led to a path that was not matched."""
        cheated = set()
        for path in UNCLEAR:
            raw = path.encode("latin-1").partition(b"?")[0]
            for name, server in SERVERS.items():
                if self.actions.for_path(raw) is not self.actions.for_path(server(raw)):
                    cheated.add(name)
        self.assertEqual(cheated, {*SERVERS})


class OverrideTests(SynchronousTestCase):
    """`override_path`."""

    def test_basic_rules(self) -> None:
        """The product's table for basic rules: the path follows that of the settings."""
        for target, expected in {
            b"/home/": b"/override/home/",
            b"/home/secondhome/": b"/override/home/secondhome/",
            b"/": b"/override/",
            b"/a?b=/c": b"/override/a?b=/c",
        }.items():
            self.assertEqual(override_path("/override/", b"", target), expected)

    def test_path_rules(self) -> None:
        """The product's table for path rules: what the rule matched gives way, and nothing where none matched."""
        for target, pattern, expected in (
            (b"/pathrule/home/", "/pathrule*", b"/override/home/"),
            (b"/pathrule/home/secondhome/", "/pathrule*", b"/override/home/secondhome/"),
            (b"/home/", "/pathrule*", b"/override/home/"),
            (b"/home/secondhome/", "/pathrule*", b"/override/home/secondhome/"),
            (b"/pathrule/home/", "/pathrule/home*", b"/override/"),
            (b"/pathrule/home/secondhome/", "/pathrule/home*", b"/override/secondhome/"),
            (b"/pathrule/", "/pathrule/", b"/override/"),
            (b"/pathrule/home", "/pathrule/*", b"/override/home"),
            (b"/PathRule/Home", "/pathrule/*", b"/override/Home"),
            (b"/pathrule?q", "/pathrule", b"/override/?q"),
        ):
            prefix = pattern.removesuffix("*").encode()
            matched = prefix if target.lower().startswith(prefix) else b""  # else the map's default took it
            self.assertEqual(override_path("/override/", matched, target), expected, (target, pattern))

    def test_slashes(self) -> None:
        """There is one slash between the settings' path and the rest, however each ends."""
        for path, target, expected in (
            ("/o", b"/a/b", b"/o/b"),
            ("/o/", b"/a/b", b"/o/b"),
            ("/o", b"/ab", b"/o/b"),
            ("/o", b"/a", b"/o"),
            ("/o/", b"/a", b"/o/"),
            ("/", b"/a/b", b"/b"),
            ("/", b"/a", b"/"),
        ):
            self.assertEqual(override_path(path, b"/a", target), expected)

    def test_nothing_to_do(self) -> None:
        """Without a path in the settings, and for ``*``, the target stays as it came."""
        self.assertEqual(override_path("", b"/a", b"/a/../b?c"), b"/a/../b?c")
        self.assertEqual(override_path("/o/", b"", b"*"), b"*")

    def test_rewritten(self) -> None:
        """A target that does not begin with what was matched any more loses nothing."""
        self.assertEqual(override_path("/o/", b"/a", b"/b/c"), b"/o/b/c")

    def test_dots(self) -> None:
        """Nothing leaves the path of the settings: neither by dots of its own nor by those that a prefix lets loose."""
        for target in (
            b"/a../secret",
            b"/a../",
            b"/a..",
            b"/a/../secret",
            b"/a/%2e%2E/secret",
            b"/a/b/..%2fsecret",
            b"/a/..;x/secret",
            b"/a/..\\secret",
            b"/a%2e%2e/secret",
            b"/a/./b",
            b"/a/..?b",
        ):
            self.assertIsInstance(override_path("/o/", b"/a", target), UnclearPath, target)
        for target in (b"/a/b..c", b"/a/...", b"/a..b", b"/a/b?c=/../d"):
            self.assertIsInstance(override_path("/o/", b"/a", target), bytes, target)

    @given(
        st.from_regex(r"\A/[a-z/]{0,4}\Z"),
        st.sampled_from([b"", b"/a", b"/a/"]),
        st.lists(st.sampled_from([b"/", b"a", b".", b"..", b"%2e", b"b", b";", b"?"])),
    )
    def test_any_target(self, path: str, prefix: bytes, pieces: list[bytes]) -> None:
        """Whatever is asked for, what goes on begins with the path of the settings and does not leave it again."""
        target = b"/" + b"".join(pieces)
        found = override_path(path, prefix, target)
        assume(isinstance(found, bytes))
        assert isinstance(found, bytes)
        self.assertTrue(found.startswith(path.encode().removesuffix(b"/")))
        rest = found.partition(b"?")[0]
        self.assertNotRegex(rest, rb"(?i)/(\.|%2e){1,2}(;[^/]*)?(/|\Z)")
