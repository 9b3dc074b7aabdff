"""What templates and conditions can name, as the product does: ``http_req_NAME``, ``http_resp_NAME``, ``var_name``.

A reference is read once, at load, and then knows how to get its value from a `Lookup`. A value is bytes. A header that
is not there has the empty value, as in nginx; what is unknown altogether, a misspelt variable, is an error at load.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.base.errors import UnacceptableError, shown
from agwtwisted.core.base.texts import nearest
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.managed import canonical
from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead
from agwtwisted.core.rules.server_variables import SERVER_VARIABLES, About, Comparison, server_variable
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.core.rules.variable_values import joined


class Lookup:
    """Where values are looked up: a request as the client sent it, its header as rules have made it so far.

    Args:
        context: what server variables describe.
        headers: the request's lines, those of `context` where no rule has changed them.
        host: the Host header, likewise.
        decided: canonical names of headers that the gateway would else set by itself, and rules have set or deleted.
        response: the response's lines so far.
    """

    __slots__ = ("context", "decided", "headers", "host", "response")

    def __init__(
        self,
        context: Context,
        headers: Sequence[Header] | None = None,
        host: bytes | None = None,
        decided: frozenset[bytes] = frozenset(),
        response: Sequence[Header] = (),
    ) -> None:
        self.context = context
        self.headers = context.head.headers if headers is None else headers
        self.host = context.head.authority if host is None else host
        self.decided = decided
        self.response = response

    def copy(self) -> Lookup:
        """The same, which may go on otherwise."""
        return Lookup(self.context, self.headers, self.host, self.decided, self.response)

    def request_header(self, name: bytes) -> bytes:
        """A request header by its canonical name."""
        if name == b"host":
            return self.host
        special = _OF_REQUEST.get(name)
        if special is not None and name not in self.decided:
            return special(self.context.head)
        return joined(self.headers, name)

    def response_header(self, name: bytes) -> bytes:
        """A response header by its canonical name."""
        response = self.context.response
        if name == b"content-length" and response is not None:
            return _length(response)
        return joined(self.response, name)


def _length(head: RequestHead | ResponseHead) -> bytes:
    return b"%d" % head.content_length if head.framing is Framing.LENGTH else b""


_OF_REQUEST: Final[Mapping[bytes, Callable[[RequestHead], bytes]]] = {
    b"x-forwarded-for": lambda head: head.forwarded_for,
    b"content-length": _length,
    b"transfer-encoding": lambda head: b"chunked" if head.framing is Framing.CHUNKED else b"",
    b"connection": lambda head: b"upgrade" if head.upgrade else b"",
    b"upgrade": lambda head: head.upgrade,
    b"expect": lambda head: b"100-continue" if head.expects_continue else b"",
}
"""Headers that a `RequestHead` has taken out of the others."""

FromLookup: TypeAlias = Callable[[Lookup], bytes]
AllFromLookup: TypeAlias = Callable[[Lookup], tuple[bytes, ...]]


@attrs.frozen(kw_only=True)
class VariableReference:
    """One variable, as written, and how its value is had."""

    written: str
    read: FromLookup = attrs.field(repr=False, eq=False)
    request_header: bytes = b""  # the canonical name, where it is one
    of_response: bool = False  # there is nothing to read before the response is there
    of_certificate: bool = False  # it identifies the client
    of_path: bool = False  # it is the request's path, or holds it
    of_client: bool = False  # clients choose the text as they like
    read_all: AllFromLookup | None = attrs.field(default=None, repr=False, eq=False)  # where it has several values
    read_rivals: AllFromLookup | None = attrs.field(
        default=None, repr=False, eq=False
    )  # where servers may take another
    comparison: Comparison = Comparison.TEXT
    form: str = ""  # a pattern that all values fit which are not empty; "": any text may be one

    @classmethod
    def of(cls, text: str) -> VariableReference:
        """Reads ``http_req_NAME``, ``http_resp_NAME`` or ``var_name``.

        Raises:
            UnacceptableError: it is none of them, or nothing is known by that name.
        """
        for beginning, make in _KINDS.items():
            if text.startswith(beginning):
                return make(text, text[len(beginning) :])
        raise UnacceptableError(
            f"there is no {shown(text)}{_nearest(text)}"
            " (http_req_NAME and http_resp_NAME are headers, var_NAME is a server variable)"
        )


_REQUEST_NAME: Final = re.compile(r"[A-Za-z0-9-]+")
_RESPONSE_NAME: Final = re.compile(r"[!#$%&'*+.^`|~0-9A-Za-z-]+")


def request_header_name(text: str) -> str:
    """A request header's name, as far as the product forwards any: letters, digits and hyphens."""
    if not _REQUEST_NAME.fullmatch(text):
        raise UnacceptableError(
            f"{shown(text)} is not the name of a request header: only letters, digits and hyphens are allowed"
        )
    return text


def response_header_name(text: str) -> str:
    """A response header's name: a token of RFC 9110 section 5.6.2 without underscore."""
    if not _RESPONSE_NAME.fullmatch(text):
        raise UnacceptableError(f"{shown(text)} is not the name of a response header (underscores are not allowed)")
    return text


def _request_header(text: str, name: str) -> VariableReference:
    folded = canonical(request_header_name(name).encode())
    return VariableReference(
        written=text, read=lambda lookup: lookup.request_header(folded), request_header=folded, of_client=True
    )


def _response_header(text: str, name: str) -> VariableReference:
    folded = canonical(response_header_name(name).encode())
    return VariableReference(written=text, read=lambda lookup: lookup.response_header(folded), of_response=True)


def _variable(text: str, name: str) -> VariableReference:
    variable = server_variable(name)
    if variable is None:
        raise UnacceptableError(f"there is no server variable {shown(text)}{_nearest(text)}")
    read, read_all, read_rivals = variable.read, variable.read_all, variable.read_rivals
    return VariableReference(
        written=text,
        read=lambda lookup: read(lookup.context),
        of_response=variable.about is About.RESPONSE,
        of_certificate=variable.about is About.CERTIFICATE,
        of_path=variable.about is About.PATH,
        of_client=variable.about in (About.REQUEST, About.PATH) and not variable.form,
        read_all=None if read_all is None else lambda lookup: read_all(lookup.context),
        read_rivals=None if read_rivals is None else lambda lookup: read_rivals(lookup.context),
        comparison=variable.comparison,
        form=variable.form,
    )


def _nearest(text: str) -> str:
    """The end of a message about an unknown variable; what all of them begin with makes none of them similar."""
    name = text.removeprefix("var_")
    near = _attribute_of_subject(name) or nearest(name, SERVER_VARIABLES)
    return f"; did you mean {shown(f'var_{near}')}?" if near else ""


def _attribute_of_subject(name: str) -> str:
    """The variable of a single attribute that is meant by a name like `client_certificate_ou`; empty where none is."""
    attribute = name.removeprefix("client_certificate_").removeprefix("san_")
    meant = f"client_certificate_subject_{attribute}"
    return meant if name.startswith("client_certificate_") and meant in SERVER_VARIABLES else ""


_KINDS: Final[Mapping[str, Callable[[str, str], VariableReference]]] = {
    "http_req_": _request_header,
    "http_resp_": _response_header,
    "var_": _variable,
}
