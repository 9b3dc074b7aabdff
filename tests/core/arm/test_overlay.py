"""`agwtwisted.core.arm.overlay`: keys of an INI file over an ARM document."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.overlay import overlaid, overlay_path, without_document
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.ini import Document
from tests.sections import without_places

DOCUMENT = ini.parse(b"[ssl_profile Devices]\nrefusal = Alert\nadvertise_ca_names = true\n[probe p]\n", "gw.json")


def over(text: str) -> Document:
    """The document with an overlay."""
    return overlaid(DOCUMENT, ini.parse(text.encode(), "gw.overlay.ini"))


class OverlayTests(SynchronousTestCase):
    """A document and its overlay."""

    def test_path(self) -> None:
        """The overlay is looked for beside the document, by the document's name."""
        self.assertEqual(overlay_path("conf/gateway.json"), "conf/gateway.overlay.ini")
        self.assertEqual(overlay_path("conf.d/gateway"), "conf.d/gateway.overlay.ini")

    def test_keys(self) -> None:
        """A key of both is the overlay's, at its place; a name is compared without case, and stays the document's."""
        found = over("[ssl_profile devices]\nrefusal = Http400\nocsp_timeout = 3\n")
        expected = "[ssl_profile Devices]\nrefusal = Http400\nadvertise_ca_names = true\nocsp_timeout = 3\n[probe p]\n"
        self.assertEqual(without_places(found), without_places(ini.parse(expected.encode(), "")))
        places = [str(entry.place) for entry in found.sections[0].entries]
        self.assertEqual(places, ["gw.overlay.ini:2", "gw.json:3", "gw.overlay.ini:3"])
        self.assertEqual(str(found.sections[0].place), "gw.json:1")

    def test_other_values(self) -> None:
        """A key with another value than the document's is a note, and a warning where it lets more clients in."""
        document = ini.parse(
            b"[ssl_profile p]\ntrusted_client_certificates = a\nverify_client_revocation = OCSP\n"
            b"[ssl_profile q]\nverify_client_revocation = None\n[probe b]\ninterval = 3\n"
            b"[ssl_profile r]\nverify_client_revocation = OCSP\n[ssl_profile s]\nverify_client_revocation = OCSP\n",
            "gw.json",
        )
        text = (
            b"[ssl_profile P]\nverify_client_revocation = None\nverify_client_auth_mode = Passthrough\n"
            b"refusal = Http400\n"
            b"trusted_client_certificates = a\n[ssl_profile q]\nverify_client_revocation = OCSP\n"
            b"verify_client_cert_issuer_dn = true\n[probe b]\ninterval = 4\n"
            b"[ssl_profile r]\nverify_client_revocation = CRL, OCSP\n"
            b"[ssl_profile s]\nverify_client_revocation = CRL\n"
        )
        found = overlaid(document, ini.parse(text, "gw.overlay.ini")).problems
        self.assertEqual(
            [str(each) for each in found],
            [
                "WARNING gw.overlay.ini:2 [ssl_profile P] verify_client_revocation is 'OCSP' in the document: the"
                " overlay's 'None' counts",
                "WARNING gw.overlay.ini:3 [ssl_profile P] verify_client_auth_mode is not set in the document: the"
                " overlay's 'Passthrough' counts",
                "NOTE gw.overlay.ini:7 [ssl_profile q] verify_client_revocation is 'None' in the document: the"
                " overlay's 'OCSP' counts",
                "NOTE gw.overlay.ini:10 [probe b] interval is '3' in the document: the overlay's '4' counts",
                "NOTE gw.overlay.ini:12 [ssl_profile r] verify_client_revocation is 'OCSP' in the document: the"
                " overlay's 'CRL, OCSP' counts",
                "WARNING gw.overlay.ini:14 [ssl_profile s] verify_client_revocation is 'OCSP' in the document: the"
                " overlay's 'CRL' counts",
            ],
        )

    def test_loses_no_section(self) -> None:
        """Two resources of one name both stay, so that this is an error; rules of a set may differ by case alone."""
        document = ini.parse(b"[probe p]\n[probe P]\n[rewrite_rule s/Add]\n[rewrite_rule s/add]\n", "gw.json")
        found = overlaid(document, ini.parse(b"[probe P]\ninterval = 3\n[rewrite_rule S/add]\nreroute = no\n", ""))
        self.assertEqual([each.name for each in found.sections], ["p", "P", "s/Add", "s/add"])
        self.assertEqual([len(each.entries) for each in found.sections], [1, 0, 0, 1])

    def test_own_sections(self) -> None:
        """The gateway, its control socket, how it is run here and error pages are not in the document."""
        text = "[gateway]\nworkers = 2\n[control]\n[arm]\n[custom_error gateway/502]\n"
        found = over(text)
        self.assertEqual([each.kind for each in found.sections[2:]], ["gateway", "control", "arm", "custom_error"])
        self.assertEqual(found.problems, ())

    def test_unknown_resources(self) -> None:
        """A section that names no resource of the document is an error, with the nearest name or those there are."""
        found = over("[ssl_profile device]\nrefusal = Http400\n[probe other]\n[http_listener l]\n")
        self.assertEqual(
            [str(each) for each in found.problems],
            [
                "ERROR gw.overlay.ini:1 [ssl_profile device] the document has no ssl_profile 'device'; did you mean"
                " 'Devices'?; an overlay sets keys of what the document has",
                "ERROR gw.overlay.ini:3 [probe other] the document has no probe 'other', but 'p'; an overlay sets keys"
                " of what the document has",
                "ERROR gw.overlay.ini:4 [http_listener l] the document has no http_listener 'l'; an overlay sets keys"
                " of what the document has",
            ],
        )
        self.assertEqual(len(found.sections), 2)

    def test_faults_are_kept(self) -> None:
        """What is no section of any kind, or has a name too many, is left to those who read sections."""
        found = over("[what x]\n[probe]\nx\n")
        self.assertEqual([each.title for each in found.sections[2:]], ["what x", "probe"])
        self.assertEqual([each.place.line for each in found.problems], [3])

    def test_without_a_document(self) -> None:
        """While there is no document, sections about its resources wait for it."""
        text = "[gateway]\n[probe p]\n[custom_error gateway/502]\n[arm]\n[control]\n"
        found = without_document(ini.parse(text.encode(), "gw.ini"))
        self.assertEqual([each.kind for each in found.sections], ["gateway", "arm", "control"])
