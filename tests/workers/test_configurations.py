"""Configurations and problems on their way between processes."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.arm_files import ArmFiles
from agwtwisted.core.base.errors import Place, Problem, Severity
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.listening.listener import InheritedSocket
from agwtwisted.loading import Files
from agwtwisted.workers.configurations import files_of, now_of, prepare, problems_of, refused, sockets_of
from agwtwisted.workers.messages import Decoder, Message, pieces

FILES = Files(
    file="/etc/gw.ini",
    main=SourceFile(data=b"[gateway]\n", mode=0o100640),
    named={
        "/etc/a.pem": SourceFile(data=b"", mode=0o100644),
        "/etc/\udcff.key": SourceFile(data=b"\0secret", mode=0o100600),
    },
    unreadable={"/etc/b.pem": 13},
)


def carried(message: Message) -> Message:
    """The message, as the other process has it."""
    decoder = Decoder()
    for data, descriptors in pieces(message):
        decoder.feed(data, descriptors)
    [found] = decoder.messages()
    return found


class ConfigurationTests(SynchronousTestCase):
    """What is sent is what is received."""

    def test_files(self) -> None:
        """Every file arrives with its bytes, its mode and its path, whatever is in them."""
        now = datetime(2026, 11, 30, 12, 0, 0, 5, tzinfo=UTC)
        message = carried(prepare(3, FILES, now))
        self.assertEqual(files_of(message), FILES)
        self.assertEqual(now_of(message), now)
        self.assertEqual((message.fields["serial"], tuple(message.descriptors)), (3, ()))

    def test_arm_documents(self) -> None:
        """So do the overlay of a document, and what the command line says about it; without a document, too."""
        arm = ArmFiles(
            overlay="/etc/gw.overlay.ini",
            text=SourceFile(data=b"[arm]\n", mode=0o100600),
            keys=(("parameter.a", "secret"), ("ports", "80=8080")),
            local_addresses=frozenset({"127.0.0.1", "::1"}),
            names_may_wait=True,
        )
        for overlay in (arm, attrs.evolve(arm, text=None, keys=())):
            for main in (SourceFile(data=b"{}", mode=0o100600), SourceFile(data=b"", mode=0o600)):
                files = attrs.evolve(FILES, main=main, arm=overlay)
                self.assertEqual(files_of(carried(prepare(3, files, None))), files)

    def test_sockets(self) -> None:
        """Sockets arrive with their addresses, and those of systemd are known as such: they are left as they are."""
        with socket.socket() as own, InheritedSocket() as inherited:
            message = carried(prepare(3, FILES, None, {("::1", 443): own, ("127.0.0.1", 80): inherited}))
            self.assertEqual(list(message.descriptors), [own.fileno(), inherited.fileno()])
            found = sockets_of(message, map(os.dup, message.descriptors))
        self.assertEqual(list(found), [("::1", 443), ("127.0.0.1", 80)])
        self.assertEqual([type(each) for each in found.values()], [socket.socket, InheritedSocket])
        for each in found.values():
            each.close()

    def test_without_dates(self) -> None:
        """Where dates do not count here, they do not there."""
        self.assertIsNone(now_of(carried(prepare(1, FILES, None))))

    def test_problems(self) -> None:
        """Problems arrive with file, line, path and code, so that the answer to a reload is as that of one process."""
        problems = (
            Problem(place=Place(file="gw.ini", line=3), section="gateway", message="is wrong", code="Code"),
            Problem(place=Place(file="gw.ini"), message="is odd", severity=Severity.WARNING),
            Problem(place=Place(file="gw.json", line=1, path="tags"), message="is idle", severity=Severity.NOTE),
        )
        message = carried(refused(5, problems))
        self.assertEqual((problems_of(message), message.fields["serial"]), (problems, 5))
