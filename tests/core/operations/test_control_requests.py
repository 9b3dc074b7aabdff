"""From requests to the control API to routes and arguments."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.control_requests import MethodError, body_arguments, matched
from agwtwisted.core.operations.questions import LONGEST_TEXT, Question, QuestionError
from agwtwisted.core.operations.routes import ROUTES, Operation


class TargetTests(SynchronousTestCase):
    """Paths and queries."""

    def refused(self, target: bytes, method: str = "GET") -> QuestionError:
        """Why this is no request."""
        return self.assertRaises(QuestionError, matched, method, target)

    def test_plain(self) -> None:
        """A path of words has one route; HEAD is as GET."""
        for method in ("GET", "HEAD"):
            found = matched(method, b"/status")
            self.assertEqual((found.route.asks, found.arguments), (Operation.STATUS, {}))

    def test_segments(self) -> None:
        """Segments are arguments, each decoded by itself: a slash in one does not end it."""
        found = matched("POST", b"/backends/a%2Fb/c%20d/%5B%3A%3A1%5D:80/drain")
        self.assertEqual(found.route.asks, Question.DRAIN)
        self.assertEqual(found.arguments, {"pool": "a/b", "settings": "c d", "server": "[::1]:80"})

    def test_query(self) -> None:
        """Arguments of the query are decoded, plus signs too; an empty query has none."""
        found = matched("GET", b"/clients?search=%C3%BC+%2B&limit=10")
        self.assertEqual(found.arguments, {"search": "\u00fc +", "limit": "10"})
        self.assertEqual(matched("GET", b"/clients?").arguments, {})

    def test_wrong_arguments(self) -> None:
        """Unknown arguments, and those given twice, are errors that say what there is."""
        error = self.refused(b"/clients?limits=10")
        self.assertEqual(
            (error.status, "'limits'" in error.message, "limit, after" in error.message), (400, True, True)
        )
        self.assertIn("it takes none", self.refused(b"/status?x=1").message)
        self.assertEqual(self.refused(b"/clients?limit=1&limit=2").message, "limit is given twice")

    def test_wrong_escapes(self) -> None:
        """What is no percent-encoding of UTF-8, has control characters or is too long, is an error."""
        for each in (b"%", b"%2", b"%zz", b"%ff", b"%00", b"%0d%0a", b"\xff", b"%e2%80%8b", b"x" * (LONGEST_TEXT + 1)):
            self.assertEqual(self.refused(b"/clients?search=" + each).status, 400, each)
            self.assertEqual(self.refused(b"/connections/" + each + b"/close", "POST").status, 400, each)

    def test_no_path(self) -> None:
        """Other paths are no routes; neither are those with empty segments or dots."""
        for each in (
            b"",
            b"*",
            b"status",
            b"/",
            b"/Status",
            b"/status/",
            b"//status",
            b"/x/../status",
            b"http://h/status",
        ):
            self.assertEqual(self.refused(each).status, 404, each)
        self.assertEqual(self.refused(b"/connections//close", "POST").status, 404)

    def test_methods(self) -> None:
        """A path with another method is an error that says which it has."""
        error = self.assertRaises(MethodError, matched, "POST", b"/status")
        self.assertEqual((error.status, error.allowed), (405, ("GET",)))
        self.assertRaises(MethodError, matched, "OPTIONS", b"/reload")

    def test_every_route(self) -> None:
        """Each route is found by its own path, and no two share path and method."""
        for route in ROUTES:
            path = route.path.replace("{", "").replace("}", "").encode()
            self.assertIs(matched(route.method, path).route, route)


class BodyTests(SynchronousTestCase):
    """JSON objects."""

    route = next(each for each in ROUTES if each.asks is Question.FORGET)

    def test_members(self) -> None:
        """Members that the route takes are arguments; no body is none."""
        self.assertEqual(body_arguments(self.route, b' {"serial": "0A"}\n'), {"serial": "0A"})
        self.assertEqual(body_arguments(self.route, b""), {})

    def test_wrong(self) -> None:
        """Anything else is an error, however deep or long."""
        wrong = (
            b"x",
            b"1",
            b"[]",
            b"null",
            b'{"x":1}',
            b'{"serial":1,"serial":2}',
            b'{"serial":Infinity}',
            b"\xff",
            b"",
        )
        for body in (*wrong[:-1], b"[" * 60000, b'{"serial":' + b"9" * 60000 + b"}"):
            error = self.assertRaises(QuestionError, body_arguments, self.route, body)
            self.assertEqual(error.status, 400, body[:40])
            self.assertLess(len(error.message), 300)
