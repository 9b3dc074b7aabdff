"""The reference page of ARM properties, made from the table by which documents are read and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from agwtwisted.core.arm.properties import Collection, Meaning, Property
from agwtwisted.core.arm.table import BACK_REFERENCES, CHILD_MEMBERS, COLLECTIONS
from agwtwisted.core.base.tables import markdown

_INTRODUCTION: Final = (
    "What each property of an Application Gateway means to this gateway, in templates, bodies of the REST API and"
    " answers of azure-cli. Names and values of enumerations are compared without case; `null`, an empty text and an"
    " empty list are as if they were not there; numbers and booleans may be texts. A reference is resolved by the last"
    " two segments of its id, so ids may be of any subscription, group and gateway. An expression that only a"
    " deployment can evaluate is an error where the property works, and does not matter elsewhere.",
)

_MEANINGS: Final = {
    Meaning.WORKS: "It does what it does in the product, by the key that is named, or as the sentence says.",
    Meaning.NOTE: "It has no meaning on one machine: a check shows a note.",
    Meaning.WARN: "It is ignored, and something that it did is missing: a warning, which `--strict` makes an error.",
    Meaning.ERROR: "The document is refused: to ignore it would open what it closes.",
    Meaning.READ_ONLY: "The service writes it in its answers; it is passed over without a word.",
}

LIMITS: Final = (
    "- There is **no web application firewall**. A document with one is run without, with the warning `waf-ignored`.",
    "- **Tokens are not validated** (`entraJWTValidationConfigs`, `authConfigs`), and **advanced routing** is not"
    " supported: documents with either are refused.",
    "- **Key Vault is never asked**, error pages are never fetched, and no address of Azure is resolved: options give"
    " the files, the pages and the servers. Network interfaces in pools are not reached.",
    "- **Addresses**: listeners listen on 127.0.0.1 unless the options say otherwise, so that a production"
    " configuration on a laptop opens no port to the network. `targetListener`, `server_port` and `X-Forwarded-Port`"
    " have the local port.",
    "- **Requests and responses are not buffered**, whatever `globalConfiguration` says.",
    "- **Certificates pinned by a v1 gateway** become trusted roots where they are self-signed or of a CA, and are"
    " ignored otherwise, with a warning.",
    "- **A redirect that leads to itself** is refused; the product takes it.",
    "- **Values that lists of an INI file cannot have**, with commas, are refused in documents, too: a document and the"
    " file that `agw import` writes of it mean the same.",
    "- **There are no instances**: sizes, scaling, zones and private links are notes.",
    "- **Where this gateway is stricter than documented for the product**: a profile that is Strict, or says no mode,"
    " with an empty list of trusted client certificates is refused; a member of a pool with a name and an address is"
    " refused.",
)
"""What a document cannot expect, each a sentence or two."""


def arm_page() -> Iterator[str]:
    """The parts of the page."""
    yield from _INTRODUCTION
    yield markdown(("here", "what that means"), ((f"**{each.value}**", text) for each, text in _MEANINGS.items()))
    yield "## Limits against the product"
    yield "\n".join(LIMITS)
    yield "## Every child"
    yield "Besides a `name` and `properties` (or, from azure-cli, its properties beside the name), a child may have:"
    yield _properties(CHILD_MEMBERS)
    names = ", ".join(f"`{name}`" for name in sorted(BACK_REFERENCES))
    yield f"Answers of the service say in a child who refers to it: {names}. These are passed over, too."
    for collection in COLLECTIONS.values():
        yield f"## {_heading(collection)}"
        yield _sentences(collection)
        yield _properties(collection.properties)


def _heading(collection: Collection) -> str:
    return f"{collection.within}.{collection.name}" if collection.within else collection.name


def _sentences(collection: Collection) -> str:
    if not collection.kind:
        return collection.remark
    name = "" if collection.kind == "gateway" else " …"
    return f"{collection.remark} Section [`[{collection.kind}{name}]`](configuration.md)."


def _properties(properties: Iterable[Property]) -> str:
    return markdown(("property", "here", "key", "form", "what it means"), map(_row, properties))


def _row(row: Property) -> Sequence[str]:
    form = "" if row.meaning is not Meaning.WORKS else str(row.form)
    inside = f" With everything in it: {', '.join(f'`{name}`' for name in row.inside)}." if row.inside else ""
    return f"`{row.name}`", row.meaning.value, f"`{row.key}`" if row.key else "", form, row.remark + inside
