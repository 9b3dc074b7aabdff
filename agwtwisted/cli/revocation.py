"""`agw revocation`: what a running gateway knows of revocation; and to have it ask again."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, Final

from agwtwisted.cli import revocation_check, revocation_import
from agwtwisted.cli.actions import STATUSES, act
from agwtwisted.cli.asking import show
from agwtwisted.cli.command import ASKED, Command, Example, Group
from agwtwisted.cli.options import add_control, add_output
from agwtwisted.cli.output import Output, Style
from agwtwisted.cli.tables import Cell, Value, listed, pairs, table

CIRCUIT: Final = {"closed": Style.GOOD, "open": Style.BAD, "half-open": Style.WARNING}

PROFILES: Final = ("SSL PROFILE", "REVOCATION", "OCSP UNAVAILABLE", "CRL UNAVAILABLE")

LISTS: Final = ("LIST OF", "FROM", "NUMBER", "ENTRIES", "THIS UPDATE", "NEXT UPDATE", "RENEWED", "PROBLEM")

RESPONDERS: Final = ("RESPONDER", "CIRCUIT", "FAILURES", "WAITING", "LAST FAILURE")

RENEWALS: Final = ("SERIAL", "ISSUER", "STATUS", "NEXT UPDATE", "RENEWAL")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw revocation` takes."""
    add_control(parser)
    add_output(parser)


def add_certificate(parser: argparse.ArgumentParser) -> None:
    """What `agw revocation forget` takes."""
    parser.add_argument("--serial", metavar="HEX", help="of one certificate; default: all certificates")
    parser.add_argument("--issuer", metavar="DN", help="and its issuer")
    add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Asks for what is known, and prints it."""
    return show(options, "/revocation", revocation_text)


def run_forget(options: argparse.Namespace) -> int:
    """Has answers forgotten."""
    named = (("serial", options.serial), ("issuer", options.issuer))
    given = {name: value for name, value in named if value is not None}
    what = " ".join(f"{name} {value}" for name, value in given.items()) or "all answers"
    return act(options, what, "/revocation/forget", given)


def revocation_text(members: Mapping[str, Any], output: Output) -> str:
    """The profiles, numbers of answers, the responders and the next renewals."""
    return "\n\n".join(_parts(members, output))


def _parts(members: Mapping[str, Any], output: Output) -> Iterator[str]:
    profiles = [_profile(each) for each in members["profiles"]]
    yield table(PROFILES, profiles, output, empty="no SSL profile asks for revocation")
    yield pairs(
        [
            ("known answers", _counted(members["answers"])),
            ("questions", _counted(members["questions"])),
            ("answered from memory", members["cache_hits"]),
            ("let in without a status", members["let_in_without_status"]),
        ],
        output,
    )
    yield table(
        RESPONDERS, [_responder(each) for each in members["responders"]], output, empty="no responder was asked"
    )
    if members.get("lists"):
        yield table(LISTS, [_list(each) for each in members["lists"]], output)
    store = members.get("shared_store")
    if store:
        yield pairs([*_store(store)], output)
    if members["next_renewals"]:
        yield table(RENEWALS, [_renewal(each) for each in members["next_renewals"]], output)


def _profile(each: Mapping[str, Any]) -> tuple[Value, ...]:
    sources = each["verify_client_revocation"]
    unavailable = (each.get(f"{name.lower()}_unavailable") if name in sources else None for name in ("OCSP", "CRL"))
    return each["name"], sources, *unavailable


def _list(each: Mapping[str, Any]) -> tuple[Value, ...]:
    """A revocation list: whose, where it is from, how old, and what is wrong with it."""
    of = f"{each['issuer']}{' (some certificates)' if each['limited'] else ''}"
    times = (each["this_update"], each["next_update"], each["renewal"])
    return of, each["origin"], each["number"], each["entries"], *times, Cell(each["problem"] or "", Style.BAD)


def _store(store: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    """Where it is, whether it answers, and what came of using it."""
    yield "shared store", store["url"]
    yield "connected", Cell("yes", Style.GOOD) if store["connected"] else Cell("NO", Style.BAD)
    yield "answers from it", store["hits"]
    yield "asked all the same", store["misses"]
    yield "commands", f"{store['commands']}, of which {store['errors']} failed"
    if store["last_error"]:
        yield "last error", store["last_error"]


def _counted(numbers: Mapping[str, int]) -> str:
    return listed(f"{number} {name}" for name, number in numbers.items()) or "none"


def _responder(each: Mapping[str, Any]) -> tuple[Value, ...]:
    circuit = str(each["circuit"])
    last = " ".join(str(part) for part in (each["last_failure"], each["last_error"]) if part is not None)
    name = each.get("url") or each.get("address")
    return name, Cell(circuit, CIRCUIT.get(circuit, Style.PLAIN)), each["failures"], each["waiting"], last


def _renewal(each: Mapping[str, Any]) -> tuple[Value, ...]:
    status = str(each["status"])
    style = Style.BAD if status == "revoked" else Style.PLAIN
    return each["serial"], each["issuer"], Cell(status, style), each["next_update"], each["renewal"]


FORGET: Final = Command(
    name="forget",
    group=Group.CHANGE,
    help="forget what responders have answered, so that they are asked again",
    description="A proven `revoked` is never forgotten.",
    examples=(
        Example("agw revocation forget --serial 1a2b3c", "of one certificate"),
        Example("agw revocation forget", "of all"),
    ),
    statuses=STATUSES,
    arguments=add_certificate,
    run=run_forget,
)

COMMAND: Final = Command(
    name="revocation",
    help="show what is known of revocation: answers, responders and their failures, next renewals",
    examples=(
        Example("agw revocation --config gw.ini", "profiles, numbers of answers, responders, renewals"),
        Example("agw revocation check --listener public client.pem", "what the sources say about one client now"),
        Example("agw revocation forget --serial 1a2b3c", "have a responder asked again about one certificate"),
        Example("agw revocation import devices.crl", "a list that was brought here"),
    ),
    statuses=ASKED,
    arguments=add_arguments,
    run=run,
    actions=(revocation_check.COMMAND, FORGET, revocation_import.COMMAND),
)
