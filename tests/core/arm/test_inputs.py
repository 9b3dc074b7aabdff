"""`agwtwisted.core.arm.inputs`: what a document is read with."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.inputs import ArmInputs, ArmKeys, arm_section, inputs_of, with_arm
from agwtwisted.core.sections import ini
from tests.configurations import Files


def read(text: str, keys: ArmKeys = (), files: Files | None = None) -> ArmInputs:
    """The inputs of an overlay and of a command line."""
    overlay = ini.parse(f"[arm]\n{text}".encode(), "over/gw.overlay.ini")
    section = arm_section(with_arm(overlay, "over/gw.overlay.ini", keys), "over/gw.overlay.ini")
    return inputs_of(section, (files or Files()).read, local_addresses=frozenset({"10.0.0.1"}))


class InputsTests(SynchronousTestCase):
    """The section [arm], and the files that it names."""

    def test_options(self) -> None:
        """Addresses, ports, servers and the policy are given as they are; those of the command line come first."""
        text = "address = 127.0.0.9\naddress.private = 127.0.0.8\nports = 443=8443\nbackend.app = 127.0.0.1:9000, b\n"
        inputs = read(text, (("ports", "80=8080"), ("port_offset", "1"), ("backend.web", "c:1")))
        options = inputs.options
        self.assertEqual(options.addresses, {"": "127.0.0.9", "private": "127.0.0.8"})
        self.assertEqual((options.ports, options.port_offset, options.tls_policy), ({80: 8080}, 1, ""))
        self.assertEqual(options.backends, {"app": ("127.0.0.1:9000", "b"), "web": ("c:1",)})
        self.assertEqual(options.local_addresses, {"10.0.0.1"})
        self.assertEqual(inputs.problems, ())

    def test_files(self) -> None:
        """Files are looked for beside the file in which their key stands."""
        files = Files({"over/a.pfx": b"A", "over/a.password": b"secret\r\n", "/b.cer": b"B", "over/5.html": b"P"})
        text = "certificate.a = a.pfx\npassword.a = a.password\npage.1 = https://x/5?a=b 5.html\n"
        options = read(text, (("certificate.b", "/b.cer"),), files).options
        self.assertEqual(options.certificates["a"].data + (options.certificates["a"].password or b""), b"Asecret")
        self.assertEqual((options.certificates["b"].data, options.certificates["b"].password), (b"B", None))
        self.assertEqual(options.pages, {"https://x/5?a=b": b"P"})

    def test_no_secret_is_shown(self) -> None:
        """Neither a password nor a parameter is in the text of the value."""
        files = Files({"over/a.pfx": b"HIDDEN", "over/a.password": b"HIDDEN"})
        inputs = read("certificate.a = a.pfx\npassword.a = a.password\nparameter.p = HIDDEN\n", files=files)
        self.assertNotIn("HIDDEN", repr(inputs))

    def test_context(self) -> None:
        """Parameters of files are values, those of keys texts; of a parameter in several files the last one counts."""
        one, two = ({"parameters": {"a": {"value": each}, each: {"value": 1}}} for each in ("x", "y"))
        files = Files({"over/one.json": json.dumps(one).encode(), "over/two.json": json.dumps(two).encode()})
        text = (
            "parameters = one.json, two.json\nparameter.size = 2\nvalue.1 = reference('a').fqdn=b.example\n"
            'value.2 = listKeys(1)={"key": [1]}\nname = gw\nresource_group = rg\n'
        )
        context = read(text, (("name", "other"),), files).context
        self.assertEqual({name: node.value for name, node in context.parameters.items()}, {"a": "y", "x": 1, "y": 1})
        self.assertEqual(context.texts, {"size": "2"})
        self.assertEqual(context.values["reference('a').fqdn"].value, "b.example")
        self.assertEqual(context.values["listKeys(1)"].member("key").items()[0].value, 1)
        self.assertEqual((context.name, context.resource_group, context.location), ("other", "rg", "local"))

    def test_problems(self) -> None:
        """Files that cannot be read or are none of these, and values that are no JSON, each at its key or line."""
        files = Files({"over/p.json": b"[]", "over/a.pfx": b"A"})
        text = "certificate.a = a.pfx\npage.1 = https://x/ none.html\nparameters = p.json\nvalue.1 = f()={\n"
        problems = [str(each) for each in read(text, (("certificate.b", "/b.cer"),), files).problems]
        self.assertEqual(
            problems[:2],
            [
                "ERROR over/gw.overlay.ini:3 [arm] cannot read over/none.html: No such file or directory",
                "ERROR command line [arm] cannot read /b.cer: No such file or directory",
            ],
        )
        self.assertIn("ERROR over/p.json:1 expected an object of parameters", problems[2])
        self.assertIn("ERROR over/gw.overlay.ini:5 [arm] value.1: ", problems[3])
        self.assertEqual(len(problems), 4)

    def test_without_a_section(self) -> None:
        """Without an overlay everything is as Azure has it."""
        inputs = inputs_of(arm_section(ini.parse(b"", ""), "gw.json"), Files().read)
        self.assertEqual((inputs.options.addresses, inputs.options.ports, inputs.problems), ({}, {}, ()))
