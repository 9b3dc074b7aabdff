"""`agw diff`: what is different between two configurations, or between the one in force and a file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import attrs

from agwtwisted.cli.arm_options import add_arm_options, arm_arguments
from agwtwisted.cli.command import NO, OK, Command, Example, Group, Statuses
from agwtwisted.cli.options import add_control, add_output
from agwtwisted.cli.output import Output, Style, output_of
from agwtwisted.core.base.errors import AgwError, printable

if TYPE_CHECKING:  # they take their time
    from agwtwisted.arm_files import ArmArguments
    from agwtwisted.core.reports.facts import Difference, Fact, Facts

IN_FORCE: Final = "the configuration in force"

STYLES: Final = {"added": Style.GOOD, "removed": Style.BAD, "changed": Style.WARNING}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw diff` takes."""
    text = "configuration files; a single one is compared with the configuration that a running gateway has in force"
    parser.add_argument("files", nargs="+", metavar="FILE", help=text)
    add_control(parser)
    add_output(parser)
    add_arm_options(parser)


@attrs.frozen(kw_only=True)
class Side:
    """One of the two configurations."""

    name: str
    fingerprint: str
    facts: Facts
    whole: Facts  # with whole paths
    masked: bool = False  # whether the facts are, as a running gateway answers them


def run(options: argparse.Namespace) -> int:
    """Compares, and prints what is different; returns 1 where something is."""
    if len(options.files) > 2:
        raise AgwError("agw diff compares two configurations: name one file or two")
    sides = _sides(options)
    if sides is None:
        from agwtwisted.cli.asking import INTERRUPTED

        return INTERRUPTED
    before, after = sides
    found, hidden = _compared(before, after)
    output = output_of(options)
    if options.json:
        output.show_json(_members(before, after, found, hidden=hidden))
    else:
        output.show(_text(before, after, found, output, hidden=hidden))
    return NO if found or hidden else OK


def _sides(options: argparse.Namespace) -> tuple[Side, Side] | None:
    """Both configurations; None: a signal came before the gateway's answer."""
    *first, second = options.files
    arguments = _arguments(options)
    named = options.overlay is not None
    after = _of_file(second, arguments, named=named)
    if first:
        return _of_file(first[0], arguments, named=named), after
    before = _in_force(options, second)
    return None if before is None else (before, after)


def _arguments(options: argparse.Namespace) -> ArmArguments:
    """What counts for every ARM document: the overlay of the first one that has one, unless another is named.

    It may name what one of them does not have: that is a difference, and no error.
    """
    from agwtwisted.core.arm.overlay import overlay_path
    from agwtwisted.loading import is_arm

    given = arm_arguments(options)
    beside = (os.path.abspath(overlay_path(file)) for file in options.files if is_arm(file))
    overlay = given.overlay or next(filter(os.path.lexists, beside), None)
    return attrs.evolve(given, overlay=overlay, names_may_wait=True)


def _of_file(file: str, arguments: ArmArguments, *, named: bool) -> Side:
    from agwtwisted.arm_files import NO_ARGUMENTS
    from agwtwisted.core.arm.overlay import overlay_path
    from agwtwisted.core.reports.facts import facts_of
    from agwtwisted.loading import is_arm, load_files

    arm = NO_ARGUMENTS
    if is_arm(file):  # of two files one may be INI
        own = os.path.abspath(overlay_path(file))
        arm = attrs.evolve(arguments, overlay=own) if not named and os.path.lexists(own) else arguments
    plan = load_files(os.path.abspath(file), None, may_be_empty=True, arm=arm).plan  # paths in it are compared, too
    whole = facts_of(plan, whole_paths=True)
    return Side(name=file, fingerprint=plan.fingerprint, facts=facts_of(plan), whole=whole)


def _in_force(options: argparse.Namespace, file: str) -> Side | None:
    """What the gateway answers that runs by the configuration that is named, or by the file itself."""
    from agwtwisted.cli.asking import ask, refusal
    from agwtwisted.core.reports.facts import with_whole_paths

    if options.config is None:
        options.config = file
    answer = ask(options, "/configuration")
    if answer is None:
        return None
    if answer.status != 200:
        raise AgwError(refusal(answer))
    members = answer.members
    if "resources" not in members:
        raise AgwError("the gateway is of an older version, which does not say what its configuration comes to")
    facts = {each["path"]: each["properties"] for each in members["resources"]}
    whole = with_whole_paths(facts, os.path.dirname(members["file"]))
    return Side(name=IN_FORCE, fingerprint=members["fingerprint"], facts=facts, whole=whole, masked=True)


def _compared(before: Side, after: Side) -> tuple[Sequence[Difference], bool]:
    """What is different, and whether something is that is not shown.

    A path is not different that leads to the same place, or is the same beside its file.
    """
    from agwtwisted.core.reports.facts import differences, masked_facts

    facts, whole = after.facts, after.whole
    if before.masked:
        facts, whole = masked_facts(facts), masked_facts(whole)
    written = differences(before.facts, facts)
    hidden = before.masked and not written and before.fingerprint != after.fingerprint
    places = {each.place for each in differences(before.whole, whole)}
    return [each for each in written if each.place in places], hidden


def _members(before: Side, after: Side, found: Sequence[Difference], *, hidden: bool) -> Mapping[str, Any]:
    return {
        "before": before.name,
        "after": after.name,
        "equal": not (found or hidden),
        "differences": [each.members() for each in found],
        "hidden": hidden,
    }


_HIDDEN: Final = "They differ in what is not shown: in a value that may be a secret, in a file or in a private key."


def _text(before: Side, after: Side, found: Sequence[Difference], output: Output, *, hidden: bool) -> str:
    if hidden:
        return _HIDDEN
    if not found:
        return f"{before.name} and {after.name} are equal"
    return "\n".join(_line(each, output) for each in found)


def _line(difference: Difference, output: Output) -> str:
    """One line, which is not cut in a narrow terminal: a fingerprint says something as a whole only."""
    word = difference.change.value
    said = f"{difference.place}: {_said(difference.before, difference.after)}" if difference.name else difference.place
    return f"{output.paint(word, STYLES[word])}{' ' * (9 - len(word))}{printable(said)}"


def _said(before: Fact, after: Fact) -> str:
    """What a property was, and what it is; of lists what was removed and added, or both orders."""
    if isinstance(before, list) and isinstance(after, list) and sorted(before) != sorted(after):
        gone, new = [each for each in before if each not in after], [each for each in after if each not in before]
        return ", ".join([*(f"-{each}" for each in gone), *(f"+{each}" for each in new)])
    return f"{_shown(before)} -> {_shown(after)}"


def _shown(value: Fact) -> str:
    match value:
        case None | "" | []:
            return "(none)"
        case bool():
            return str(value).lower()
        case list():
            return ", ".join(value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)


COMMAND: Final = Command(
    name="diff",
    group=Group.FILES,
    help="show what is different between two configurations, in the product's words",
    description=(
        "Compared is what configurations come to, defaults included, not how they are written: resources by their"
        " paths, certificates by subject and SHA-256. Secrets are compared, and never shown. A section that nothing in"
        " force names does not count."
    ),
    examples=(
        Example("agw diff old.ini new.ini", "added, removed and changed resources and properties"),
        Example("agw diff gw.ini", "what a reload of gw.ini would change in the gateway that runs by it"),
        Example("agw diff --control /run/agwtwisted/control.sock new.ini", "the same of another file"),
        Example("agw diff --json old.ini new.ini", "for programs"),
    ),
    statuses=Statuses(
        ok="they are equal",
        no="they are different",
        failed="wrong usage, a configuration that is not valid or cannot be read, or no gateway was reached",
    ),
    arguments=add_arguments,
    run=run,
)
