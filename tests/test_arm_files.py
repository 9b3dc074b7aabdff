"""`agwtwisted.arm_files`: what belongs to an ARM document, and `agwtwisted.loading` of one."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted import arm_files
from agwtwisted.arm_files import ArmArguments, local_addresses
from agwtwisted.core.arm.inputs import ArmKeys
from agwtwisted.core.base.errors import ConfigError
from agwtwisted.core.plan.plan import Plan
from agwtwisted.listening.listener import BindError
from agwtwisted.loading import Loaded, UnreadableError, load_arm, load_files, placed, plan_of
from agwtwisted.reload import FileSource
from tests.arm_gateways import Body, authority, gateway, https, pfx, text_of

KEY = "ssl_certificate site"


class DocumentCase(SynchronousTestCase):
    """A document in a directory of its own."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.file = str(self.write("gateway.json", gateway()))
        self.overlay = str(self.directory / "gateway.overlay.ini")

    def write(self, name: str, content: Body | str | bytes) -> Path:
        """A file that its owner alone may read."""
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        text = json.dumps(content, indent=1) if isinstance(content, dict) else content
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return file

    def load(self, *keys: tuple[str, str], overlay: str | None = None) -> Loaded:
        """The document with options of a command line."""
        return load_files(self.file, None, arm=ArmArguments(overlay=overlay, keys=keys))

    def refused(self, *keys: tuple[str, str], overlay: str | None = None) -> list[str]:
        """Why it is not taken."""
        with self.assertRaises(ConfigError) as caught:
            self.load(*keys, overlay=overlay)
        return str(caught.exception).splitlines()


def ports(plan: Plan) -> list[int]:
    """Those that it listens on."""
    return [number for _, number in plan.addresses]


class LoadTests(DocumentCase):
    """A document as a configuration file."""

    def test_document_alone(self) -> None:
        """A document is found by its content, whatever its name; each key stands where the document has it."""
        other = self.write("gw.ini", Path(self.file).read_bytes())
        for file in (self.file, str(other)):
            plan = load_files(file, None).plan
            self.assertEqual(plan.addresses, (("127.0.0.1", 80),))
            place = plan.origins.place("http_listener web", "protocol")
            self.assertEqual((place.file, place.path), (file, "properties.httpListeners[0].properties.protocol"))
        self.assertEqual(plan.config.warnings, ())
        self.assertTrue(plan.config.notes)

    def test_overlay_beside(self) -> None:
        """The overlay beside the document counts, another where it is named, and options over both."""
        self.write("gateway.overlay.ini", "[arm]\nports = 80=8081\n[gateway]\nstate_directory = state\n")
        other = str(self.write("other.ini", "[arm]\nports = 80=8082\n"))
        plan = self.load().plan
        self.assertEqual((ports(plan), plan.gateway.state_directory), ([8081], str(self.directory / "state")))
        self.assertEqual(ports(self.load(overlay=other).plan), [8082])
        self.assertEqual(ports(self.load(("port_offset", "1"), ("ports", "81=9"), overlay=other).plan), [81])

    def test_overlay_cannot_be_read(self) -> None:
        """An overlay that is named and missing, that cannot be read, or that others may write is an error."""
        missing = str(self.directory / "none.ini")
        with self.assertRaisesRegex(UnreadableError, "none.ini cannot be read: No such file"):
            self.load(overlay=missing)
        Path(self.overlay).symlink_to(missing)
        self.assertIn("gateway.overlay.ini cannot be read", self.refused()[0])
        Path(self.overlay).unlink()
        self.write("gateway.overlay.ini", "[gateway]\n").chmod(0o666)
        self.assertIn("gateway.overlay.ini can be written by other users", self.refused()[0])

    def test_notes_are_no_errors(self) -> None:
        """What is said of a refused document are its errors, with line and path; notes would hide them."""
        body = gateway()
        body["properties"]["backendHttpSettingsCollection"][0]["properties"]["port"] = 99999
        self.write("gateway.json", body)
        [line] = self.refused()
        self.assertIn("properties.backendHttpSettingsCollection[0].properties.port", line)

    def test_options_of_an_ini_file(self) -> None:
        """Options about documents are refused with an INI file."""
        self.file = str(self.write("gw.ini", "[gateway]\n"))
        self.assertIn(
            "gw.ini is an INI file: options about ARM documents have no effect", self.refused(("name", "a"))[0]
        )

    def test_key_in_a_readable_document(self) -> None:
        """A private key in a document that others may read is a warning, as one in a file is."""
        body = https()
        for mode, expected in ((0o600, 0), (0o644, 2)):
            self.write("gateway.json", body).chmod(mode)
            said = [str(each) for each in self.load().plan.config.warnings]
            self.assertEqual(sum("can be read by other users (mode 0644)" in each for each in said), expected, said)

    def test_given_key_that_is_readable(self) -> None:
        """Of a key that is given as a file the mode of that file counts, and the message names it."""
        self.write("gateway.overlay.ini", "[arm]\ncertificate.site = site.pfx\npassword.site = p\n")
        self.write("gateway.json", https()).chmod(0o644)
        self.write("p", "secret\n")
        given = self.write("site.pfx", pfx("secret"))
        self.assertEqual(self.load().plan.config.warnings, ())
        given.chmod(0o644)
        [said] = map(str, self.load().plan.config.warnings)
        self.assertIn(f"gateway.overlay.ini:2 [ssl_certificate site] {given} can be read by other users", said)

    def test_port_that_cannot_be_bound(self) -> None:
        """The options for another port are named where a port of the document cannot be bound."""
        plan = self.load().plan
        with (
            self.assertRaisesRegex(ConfigError, r"httpListeners\[0\].* --port 443=8443 or --port-offset 8000"),
            placed(plan),
        ):
            raise BindError("127.0.0.1", 80, OSError(errno.EACCES, "Permission denied"))

    def test_local_addresses(self) -> None:
        """The loopback addresses of both families are this machine's; a system that says nothing has none."""
        self.assertIn("127.0.0.1", local_addresses())
        self.patch(arm_files, "_ROUTES", "/none")
        self.patch(arm_files, "_INTERFACES", "/none")
        self.assertEqual(local_addresses(), frozenset())


class KeptTests(DocumentCase):
    """What is kept of a document makes the same configuration, in workers and reloads of certificates."""

    def test_same_plan(self) -> None:
        """The files that were read make the plan, whatever stands in them now."""
        overlay = "[arm]\ncertificate.site = site.pfx\npassword.site = site.password\nports = 443=8443\n"
        self.write("gateway.overlay.ini", overlay)
        self.write("site.pfx", pfx("secret"))
        self.write("site.password", "secret\n")
        body = https()
        body["properties"]["sslCertificates"][0]["properties"] = {"keyVaultSecretId": "https://vault/secrets/site"}
        self.write("gateway.json", body)
        loaded = self.load(("backend.app", "127.0.0.1:1"))
        names = sorted(os.path.basename(path) for path in loaded.files.named)
        self.assertEqual(names, ["site.password", "site.pfx"])
        self.write("gateway.json", "{}")
        self.write("gateway.overlay.ini", "broken")
        self.write("site.pfx", "broken")
        self.assertEqual(plan_of(loaded.files, None), loaded.plan)

    def test_reread(self) -> None:
        """A certificate that is replaced is read again; document and overlay stay as they were."""
        self.write("gateway.overlay.ini", "[arm]\ncertificate.ca = ca.pem\n")
        self.write("ca.pem", authority().pem)
        profile = {"trustedClientCertificates": [{"id": "/x/trustedClientCertificates/ca"}]}
        trusted = {"name": "ca", "properties": {"data": "****"}}
        self.write("gateway.json", https(profile=profile, trusted=[trusted]))
        source = FileSource(self.file, lambda: None)  # type: ignore[arg-type,return-value]
        loaded = source.load()
        self.write("gateway.json", "{}")
        self.write("ca.pem", authority().intermediate().pem + authority().pem)
        again = source.reread(loaded.files)
        self.assertNotEqual(again.plan, loaded.plan)
        self.assertEqual(again.files.main, loaded.files.main)
        self.assertEqual(again.files.arm, loaded.files.arm)

    def test_reload(self) -> None:
        """A reload reads document and overlay, and has the options that the command was given."""
        arguments = ArmArguments(keys=(("ports", "80=8080"),))
        source = FileSource(self.file, lambda: None, arm=arguments)  # type: ignore[arg-type,return-value]
        self.assertEqual(ports(source.load().plan), [8080])
        self.write("gateway.overlay.ini", "[backend_http_settings plain]\nrequest_timeout = 7\n")
        plan = source.load().plan
        self.assertEqual((ports(plan), plan.routes[0].settings.request_timeout), ([8080], 7.0))


class ControlPlaneTests(DocumentCase):
    """A document in memory."""

    def load_arm(self, body: Body | None, overlay: str = "[arm]\nports = 80=8081\n") -> Loaded:
        """It with an overlay."""
        self.write("gw.ini", overlay)
        data = None if body is None else json.dumps(body).encode()
        return load_arm(data, str(self.directory / "gw.ini"), None)

    def test_document(self) -> None:
        """It is loaded as one of a file; places name it gateway.json."""
        loaded = self.load_arm(gateway())
        self.assertEqual(ports(loaded.plan), [8081])
        place = loaded.plan.origins.place("http_listener web")
        self.assertEqual(str(place), f"{self.file}:1 properties.httpListeners[0]")
        self.assertEqual(plan_of(loaded.files, None), loaded.plan)

    def test_nothing_yet(self) -> None:
        """Without a document what is said is said of the file that there is."""
        [warning] = self.load_arm(None).plan.config.warnings
        self.assertEqual(str(warning.place), str(self.directory / "gw.ini"))
        self.assertIn("serves nothing", warning.message)

    def test_names_may_wait(self) -> None:
        """The overlay may name what clients have not made yet: a warning says so."""
        text = "[arm]\nbackend.later = 127.0.0.1:1\n[ssl_profile later]\nrefusal = Http400\n"
        loaded = self.load_arm(gateway(), text)
        said = "\n".join(map(str, loaded.plan.config.warnings))
        self.assertIn("[ssl_profile later] the document has no ssl_profile 'later'", said)
        self.assertIn("backend.later names no backend pool", said)
        self.assertEqual(plan_of(loaded.files, None), loaded.plan)

    def test_without_a_document(self) -> None:
        """Without one nothing is served, and the overlay's own sections are in force."""
        loaded = self.load_arm(None, "[gateway]\nworkers = 2\n[ssl_profile later]\nrefusal = Http400\n")
        self.assertEqual((loaded.plan.addresses, loaded.plan.gateway.workers), ((), 2))
        self.assertEqual(plan_of(loaded.files, None), loaded.plan)

    def test_refused(self) -> None:
        """Problems of the document have their paths."""
        body = gateway()
        del body["properties"]["requestRoutingRules"][0]["properties"]["httpListener"]
        with self.assertRaises(ConfigError) as caught:
            self.load_arm(body)
        paths = [each.place.path for each in caught.exception.problems if each.severity.value == "ERROR"]
        self.assertTrue(all(path.startswith("properties.requestRoutingRules[0]") for path in paths), paths)


class KeysTests(DocumentCase):
    """What is given is not shown."""

    def test_no_parameter_is_shown(self) -> None:
        """Options may hold secrets: they are not in the text of the values that carry them."""
        keys: ArmKeys = (("parameter.password", "HIDDEN"),)
        self.assertNotIn("HIDDEN", repr(ArmArguments(keys=keys)))
        self.assertNotIn("HIDDEN", repr(self.load(*keys)))
        self.write("gateway.json", https() | {"tags": {"a": text_of(b"HIDDEN")}})
        self.assertNotIn(text_of(b"HIDDEN"), repr(self.load()))
