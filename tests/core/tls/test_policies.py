"""`agwtwisted.core.tls.policies`: the product's lists, and what OpenSSL makes of them."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.tls import policies
from agwtwisted.core.tls.policies import TlsPolicy, custom, mixing_problem, predefined

NAMES = ("AppGwSslPolicy20170401S", "AppGwSslPolicy20220101", "AppGwSslPolicy20220101S")
GCM = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
ECDSA = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"


def offered(policy: TlsPolicy) -> list[str]:
    """The suites that OpenSSL will use for this policy, in its order, TLS 1.3 first."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_cipher_list(policies.openssl_cipher_list(policy))
    # pyOpenSSL sets the suites of TLS 1.3 on the context alone.
    context.set_tls13_ciphersuites(policies.openssl_ciphersuites(policy))
    return SSL.Connection(context, None).get_cipher_list()


class Http2Tests(SynchronousTestCase):
    """What HTTP/2 may be spoken over."""

    def test_suites(self) -> None:
        """Of all suites there are those with an ephemeral key exchange that authenticate what they encrypt."""
        fit = {"ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"}
        fit |= {name.replace("RSA", "ECDSA") for name in fit} | {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"}
        every = custom("CustomV2", "TLSv1_2", tuple(policies._OPENSSL_NAMES))
        assert isinstance(every, TlsPolicy), every
        self.assertEqual({name for name in offered(every) if policies.suits_http2(name)}, fit)
        self.assertFalse(policies.suits_http2(""))


class OpensslTests(SynchronousTestCase):
    """`openssl_cipher_list` and `openssl_ciphersuites`."""

    def test_openssl_knows_every_suite_and_keeps_the_order(self) -> None:
        """Nothing of a policy is dropped, added or moved by the library."""
        every = custom("CustomV2", "TLSv1_2", tuple(policies._OPENSSL_NAMES))
        for policy in (*map(predefined, NAMES), every):
            assert isinstance(policy, TlsPolicy), policy
            wanted = policies.openssl_ciphersuites(policy) + b":" + policies.openssl_cipher_list(policy)
            self.assertEqual(offered(policy), wanted.decode().strip(":").split(":"), policy.name)

    def test_a_policy_that_starts_at_tls_1_3_has_no_older_suites(self) -> None:
        """The list for TLS 1.2 is empty, the two suites of TLS 1.3 are there."""
        policy = custom("CustomV2", "TLSv1_3", ())
        assert isinstance(policy, TlsPolicy), policy
        self.assertEqual(policies.openssl_cipher_list(policy), b"")
        self.assertEqual(policies.openssl_ciphersuites(policy), b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384")


class PredefinedTests(SynchronousTestCase):
    """`predefined`."""

    def test_versions_and_sizes(self) -> None:
        """The 2017 policy ends at TLS 1.2; those of 2022 go on to 1.3."""
        found = []
        for policy in map(predefined, NAMES):
            assert isinstance(policy, TlsPolicy), policy
            sizes = len(policy.tls12_cipher_suites), len(policy.tls13_cipher_suites)
            found.append((policy.min_version, policy.max_version, *sizes))
        self.assertEqual(
            found, [("TLSv1_2", "TLSv1_2", 16, 0), ("TLSv1_2", "TLSv1_3", 8, 2), ("TLSv1_2", "TLSv1_3", 4, 2)]
        )

    def test_order(self) -> None:
        """The 2017 policy prefers ECDSA, those of 2022 RSA, as the product's API lists them."""
        wanted = {
            "AppGwSslPolicy20170401S": (
                "ECDHE_ECDSA 128_GCM_SHA256 256_GCM_SHA384 128_CBC_SHA 256_CBC_SHA 128_CBC_SHA256 256_CBC_SHA384 "
                "ECDHE_RSA 256_GCM_SHA384 128_GCM_SHA256 128_CBC_SHA 256_CBC_SHA "
                "RSA 256_GCM_SHA384 128_GCM_SHA256 256_CBC_SHA256 128_CBC_SHA256 256_CBC_SHA 128_CBC_SHA"
            ),
            "AppGwSslPolicy20220101": (
                "ECDHE_RSA 256_GCM_SHA384 128_GCM_SHA256 256_CBC_SHA384 128_CBC_SHA256 "
                "ECDHE_ECDSA 256_GCM_SHA384 128_GCM_SHA256 256_CBC_SHA384 128_CBC_SHA256"
            ),
            "AppGwSslPolicy20220101S": (
                "ECDHE_RSA 256_GCM_SHA384 128_GCM_SHA256 ECDHE_ECDSA 256_GCM_SHA384 128_GCM_SHA256"
            ),
        }
        for name in NAMES:
            policy = predefined(name)
            assert isinstance(policy, TlsPolicy), policy
            exchange, suites = "", []
            for word in wanted[name].split():
                if word.endswith("SA"):
                    exchange = word
                else:
                    suites.append(f"TLS_{exchange}_WITH_AES_{word}")
            self.assertEqual(list(policy.tls12_cipher_suites), suites, name)

    def test_no_policy_has_doubles_or_suites_without_a_name(self) -> None:
        """Each suite stands once and OpenSSL's name for it is known."""
        for name in NAMES:
            policy = predefined(name)
            assert isinstance(policy, TlsPolicy), policy
            self.assertEqual(len(set(policy.tls12_cipher_suites)), len(policy.tls12_cipher_suites))
            self.assertLessEqual(set(policy.tls12_cipher_suites), policies._OPENSSL_NAMES.keys())

    def test_retired_policies_say_so(self) -> None:
        """The two policies with TLS 1.0 and 1.1 are refused by their date."""
        for name in ("AppGwSslPolicy20150501", "AppGwSslPolicy20170401"):
            self.assertIn("retired on 2025-08-31", str(predefined(name)))

    def test_an_unknown_name_brings_the_nearest(self) -> None:
        """A slip of the pen is answered with what was probably meant, anything else with the whole list."""
        self.assertIn("did you mean AppGwSslPolicy20220101S?", str(predefined("appgwsslpolicy20220101s")))
        self.assertIn("known: AppGwSslPolicy20170401S, AppGwSslPolicy20220101, ", str(predefined("modern")))


class CustomTests(SynchronousTestCase):
    """`custom`."""

    def test_custom_is_tls_1_2_alone(self) -> None:
        """The order is the configuration's own."""
        self.assertEqual(
            custom("Custom", "TLSv1_2", [ECDSA, GCM]),
            TlsPolicy(
                name="Custom",
                min_version="TLSv1_2",
                max_version="TLSv1_2",
                tls12_cipher_suites=(ECDSA, GCM),
                tls13_cipher_suites=(),
            ),
        )

    def test_custom_v2_always_has_the_suites_of_tls_1_3(self) -> None:
        """Named or not, both are on, and they never land among those of TLS 1.2."""
        named = custom("CustomV2", "TLSv1_2", ["TLS_AES_256_GCM_SHA384", ECDSA])
        self.assertEqual(named, custom("CustomV2", "TLSv1_2", [ECDSA]))
        assert isinstance(named, TlsPolicy), named
        self.assertEqual(named.tls12_cipher_suites, (ECDSA,))
        self.assertEqual(named.tls13_cipher_suites, ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"))

    def test_refusals_name_the_cause(self) -> None:
        """Each rule of the product has its own message."""
        lost = "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"
        cases = [
            ("CustomV3", "TLSv1_2", [GCM], "did you mean CustomV2?"),
            ("Predefined", "TLSv1_2", [GCM], "unknown policy type 'Predefined'"),
            ("Custom", "TLSv1_0", [GCM], "TLSv1_0 was retired on 2025-08-31"),
            ("CustomV2", "TLSv1_1", [GCM], "TLSv1_1 was retired on 2025-08-31"),
            ("Custom", "TLSv1_3", [], "needs the policy type CustomV2"),
            ("Custom", "TLSv1.2", [GCM], "did you mean TLSv1_2?"),
            ("Custom", "", [GCM], "unknown minimum protocol version ''"),
            ("Custom", "TLSv1_2", [GCM, GCM], f"{GCM} is named twice"),
            ("Custom", "TLSv1_2", ["TLS_AES_128_GCM_SHA256", GCM], "needs the policy type CustomV2"),
            ("Custom", "TLSv1_2", [GCM, lost], f"{lost} was retired"),
            ("Custom", "TLSv1_2", ["TLS_RSA_WITH_3DES_EDE_CBC_SHA", GCM], "was retired"),
            ("CustomV2", "TLSv1_2", ["TLS_RSA_WITH_3DES_EDE_CBC_SHA", GCM], "was retired"),
            ("CustomV2", "TLSv1_2", ["TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"], "no DHE"),
            ("CustomV2", "TLSv1_2", ["ECDHE-RSA-AES128-GCM-SHA256"], "unknown cipher suite"),
            ("CustomV2", "TLSv1_2", ["TLS_ECDHE_RSA_AES_128_GCM_SHA256"], f"did you mean {GCM}?"),
            ("CustomV2", "TLSv1_2", ["TLS_AES_128_GCM_SHA256"], "at least one cipher suite of TLS 1.2"),
            ("CustomV2", "TLSv1_2", [], "at least one cipher suite of TLS 1.2"),
            ("CustomV2", "TLSv1_3", [GCM], "below the minimum TLSv1_3"),
            ("Custom", "TLSv1_2", [ECDSA], f"at least one of {GCM}, "),
        ]
        for policy_type, version, suites, message in cases:
            found = custom(policy_type, version, suites)
            self.assertIsInstance(found, str, (policy_type, version, suites))
            self.assertIn(message, str(found))

    def test_what_custom_lost_custom_v2_kept(self) -> None:
        """The retirement took two ECDHE suites from Custom alone."""
        for suite in policies._LOST_BY_CUSTOM:
            self.assertIsInstance(custom("CustomV2", "TLSv1_2", [suite]), TlsPolicy)


class MixingTests(SynchronousTestCase):
    """`mixing_problem`."""

    def test_newer_and_older_policies_do_not_mix(self) -> None:
        """A 2022 policy beside an older one is a problem that names both; each kind alone is none."""
        older, newer, newest = (policy for policy in map(predefined, NAMES) if isinstance(policy, TlsPolicy))
        own = custom("Custom", "TLSv1_2", [GCM])
        own_newer = custom("CustomV2", "TLSv1_2", [GCM])
        assert isinstance(own, TlsPolicy), own
        assert isinstance(own_newer, TlsPolicy), own_newer
        for fine in ([], [older], [older, own], [newer, newest, own_newer, newer]):
            self.assertEqual(mixing_problem(fine), "")
        self.assertIn(
            "(AppGwSslPolicy20220101) and older ones (AppGwSslPolicy20170401S)", mixing_problem([older, newer])
        )
        self.assertIn("(CustomV2) and older ones (Custom)", mixing_problem([own, own_newer]))
