"""The section about a gateway that comes as ARM JSON: `arm`. What its document cannot say, since it was made for Azure.

It stands in the overlay beside the document, and in the file of `agw control`; options of commands are keys of it, too.
"""

from __future__ import annotations

from collections.abc import Iterator

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import Problem, UnacceptableError, shown
from agwtwisted.core.base.texts import one_line
from agwtwisted.core.http.host_names import listener_address
from agwtwisted.core.resources.gateway import ArmSettings
from agwtwisted.core.sections.backend_keys import backend_address
from agwtwisted.core.sections.settings import Empty, Family, Key, Kind, Row, listed, numbered, path, whole
from agwtwisted.core.tls import policies

_QUOTE = "'"
_OPENING, _CLOSING = "([{", ")]}"


def port_pair(text: str) -> tuple[int, int]:
    """``443=8443``: a port of the document, and the one in its place."""
    outside, equals, inside = text.partition("=")
    if not equals:
        raise UnacceptableError(f"has {shown(text)}, but must be pairs of ports: 443=8443, 80=8080")
    port = whole(limits.PORT)
    return port(outside.strip()), port(inside.strip())


def _ports(text: str) -> tuple[tuple[int, int], ...]:
    pairs = listed(port_pair, limits.PORT)(text)
    if len(dict(pairs)) < len(pairs):
        raise UnacceptableError("gives a port of the document twice")
    return pairs


def _server(text: str) -> str:
    """A server of a pool, as it is written."""
    backend_address(text)
    return text


def tls_policy_name(text: str) -> str:
    """The name of a predefined TLS policy."""
    found = policies.predefined(one_line(text))
    if isinstance(found, str):
        raise UnacceptableError(f"is not usable: {found}")
    return text


def resource_name(text: str) -> str:
    """The name that something has in the document."""
    if not text or "\n" in text:
        raise UnacceptableError("the part after the dot must be a name of the document")
    return text


def page_of(text: str) -> tuple[str, str]:
    """``https://… pages/502.html``: where the product has an error page, and the file with it."""
    url, _, file = one_line(text).partition(" ")
    if not file.strip():
        raise UnacceptableError(f"is {shown(text)}, but must be a URL, a space and the path of a file")
    return url, path(file.strip())


def value_of(text: str) -> tuple[str, str]:
    """``reference(...).fqdn=app.example``: an expression of a template, and its value.

    The first ``=`` outside of brackets and quotes is between them.
    """
    depth, is_quoted = 0, False
    for index, each in enumerate(one_line(text)):
        if each == _QUOTE:
            is_quoted = not is_quoted
        elif not is_quoted and each == "=" and depth == 0:
            return text[:index].strip(), text[index + 1 :].strip()
        elif not is_quoted:
            depth += (each in _OPENING) - (each in _CLOSING)
    raise UnacceptableError(f"is {shown(text)}, but must be an expression of the template, = and its value")


def _problems(row: Row) -> Iterator[Problem]:
    """One port in place of two, and passwords of no file."""
    targets = [inside for _, inside in row.get("ports")]
    twice = [port for port in dict.fromkeys(targets) if targets.count(port) > 1]
    if twice:
        yield row.problem(f"ports gives {twice[0]} in place of two ports", key="ports")
    for name in row.family("password"):
        if row.unset(f"certificate.{name}"):
            yield row.problem(f"password.{name} has no effect without certificate.{name}", key=f"password.{name}")


ARM = Kind(
    name="arm",
    meaning=(
        "How a gateway that comes as ARM JSON is run here: what differs between Azure and this machine. It stands in"
        " the overlay beside the document; options of `agw run`, `check`, `explain` and `import` set the same keys."
    ),
    resource=ArmSettings,
    named=False,
    keys={
        "name": Key(one_line, "The gateway that is meant, where the document has several."),
        "address": Key(
            listener_address,
            "The address for every frontend; `0.0.0.0` is reached from other machines. Unset: `127.0.0.1`, and "
            "`127.0.0.2` … where two frontends have the same port; a private address of the document that this machine"
            " has is used as it is.",
        ),
        "ports": Key(
            _ports,
            "Ports in place of those of the document: `443=8443, 80=8080`.",
        ),
        "port_offset": Key(
            whole(limits.Range(0, 65_000)), "A number that is added to each port that `ports` does not name."
        ),
        "tls_policy": Key(
            tls_policy_name, "A predefined TLS policy in place of every retired one that the document names."
        ),
        "parameters": Key(
            listed(path, limits.Range(1, 20)),
            "Files with parameters of the template; of a parameter in several the last value counts.",
        ),
        "subscription": Key(one_line, "What `subscription()` of a template is, as an id."),
        "resource_group": Key(one_line, "The name that `resourceGroup()` of a template has."),
        "location": Key(one_line, "The location that `resourceGroup()` of a template has."),
    },
    families={
        "address": Family(
            key=Key(listener_address, "The address for one frontend IP configuration, by its name."),
            suffix=resource_name,
            placeholder="FRONTEND",
        ),
        "backend": Family(
            key=Key(
                listed(_server, limits.TARGETS_PER_POOL),
                "The servers of a pool, `host` or `host:port`, in place of those that only Azure has.",
            ),
            suffix=resource_name,
            placeholder="POOL",
        ),
        "certificate": Family(
            key=Key(
                path,
                "The file for a certificate that the document has in a Key Vault, without its data or as a placeholder:"
                " PFX, or PEM with certificate, chain and key; for trusted certificates PEM or DER.",
            ),
            suffix=resource_name,
            placeholder="NAME",
        ),
        "password": Family(
            key=Key(path, "The file with the password of the PFX of `certificate.NAME`."),
            suffix=resource_name,
            placeholder="NAME",
        ),
        "page": numbered(Key(page_of, "An error page: the URL that the document has, a space, and the file with it.")),
        "parameter": Family(
            key=Key(
                one_line,
                "The value of one parameter of the template, over those of `parameters`; JSON for an object, an array,"
                " a number.",
                empty=Empty.CONVERTED,
                literal=True,
            ),
            suffix=resource_name,
            placeholder="NAME",
        ),
        "value": numbered(
            Key(
                value_of,
                "The value of an expression that only a deployment knows, as a message names it:"
                " `reference('app').defaultHostName=127.0.0.1:8000`.",
                literal=True,
            )
        ),
    },
    check=_problems,
)
