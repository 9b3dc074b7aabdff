"""Load distribution policies of a running gateway, over the servers of several pools."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend, Named
from tests.end_to_end.gateway import section
from tests.end_to_end.lines import wait_until
from tests.end_to_end.traffic import samples_of, scrape

GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n"


def policy(name: str, algorithm: str, **pools: int) -> str:
    """A policy over pools of these names, with these weights."""
    targets = (
        section(f"load_distribution_target {name}/{pool}", backend_address_pool=pool, weight_per_server=weight)
        for pool, weight in pools.items()
    )
    return section(f"load_distribution_policy {name}", load_distribution_algorithm=algorithm) + "".join(targets)


def led(text: str, *names: str) -> str:
    """Rules of these doors that lead to policies of the same names, instead of pools."""
    for name in names:
        text = text.replace(f"backend_address_pool = {name}\n", f"load_distribution_policy = {name}\n")
    return text


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """Doors that lead to policies over two servers of one pool and one server of another."""
    names = ("canary", "address", "sticky", "gone")
    doors = dict(zip(names, running.free_ports(len(names)), strict=True))
    with closing(Backend(Named("a"))) as a, closing(Backend(Named("b"))) as b, closing(Backend(Named("c"))) as c:
        text = gateway.gateway_section(state_directory="state")
        text += gateway.pool("old", a.port, b.port, client_certificate_headers="off")
        text += gateway.pool("new", c.port) + gateway.pool("nowhere", *running.free_ports(1))
        text += section("backend_http_settings sticky", probe="old", cookie_based_affinity="Enabled")
        text += policy("canary", "RoundRobin", old=3, new=1) + policy("address", "IpHash", old=1, new=1)
        text += policy("sticky", "RoundRobin", old=1, new=100) + policy("gone", "LeastConnections", nowhere=100, old=1)
        for name in names:
            proxies = "127.0.0.1" if name == "address" else None
            text += gateway.door(name, doors[name], protocol="Http", to=name, accept_proxy_protocol=proxies)
        text = led(text, *names).replace("backend_http_settings = canary\n", "backend_http_settings = old\n")
        for name in ("address", "gone"):
            text = text.replace(f"backend_http_settings = {name}\n", "backend_http_settings = old\n")
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors)


class PolicyTests(gateway.SceneCase):
    """Requests to policies."""

    stage = staticmethod(stage)

    def ask(self, door: str, target: bytes = b"/", *, ahead: bytes = b"", more: bytes = b"") -> tuple[str, str]:
        """The name of the server that answers a request over a connection of its own, and its cookie."""
        with closing(clients.plain(self.scene.doors[door])) as line:
            line.send(ahead + GET % (target, more))
            response = line.response()
        self.assertEqual(response.status, 200)
        return response.body.decode(), response.get("set-cookie")

    def test_weights(self) -> None:
        """In a round every server has as many requests as its weight says, over one connection or several."""
        self.assertEqual(Counter(self.ask("canary")[0] for _ in range(14)), {"a": 6, "b": 6, "c": 2})
        with closing(clients.plain(self.scene.doors["canary"])) as line:
            answers = []
            for _ in range(7):
                line.send(GET % (b"/", b""))
                answers.append(line.response().body)
        self.assertEqual(Counter(answers), {b"a": 3, b"b": 3, b"c": 1})

    def test_by_address(self) -> None:
        """A client has one server by its address, which a load balancer ahead names; clients have all servers."""
        found = {}
        for number in range(30):
            ahead = b"PROXY TCP4 192.0.2.%d 198.51.100.1 50000 443\r\n" % number
            names = {self.ask("address", ahead=ahead)[0] for _ in range(2)}
            self.assertEqual(len(names), 1)
            found[number] = names.pop()
        self.assertEqual({*found.values()}, {"a", "b", "c"})

    def test_affinity(self) -> None:
        """A cookie leads back to its server, whatever the weights."""
        name, cookie = self.ask("sticky")
        while name == "c":
            name, cookie = self.ask("sticky")
        for _ in range(3):
            again = self.ask("sticky", more=b"Cookie: %b\r\n" % cookie.partition(";")[0].encode())
            self.assertEqual(again, (name, ""))

    def test_log_and_metrics(self) -> None:
        """The access log and the metrics name the pool of the server that answered."""
        for number in range(7):
            name, _ = self.ask("canary", b"/logged/%d" % number)
            pool = "new" if name == "c" else "old"
            record = self.gateway.record(requestUri=f"/logged/{number}", ruleName="canary")
            self.assertEqual((record["backendPoolName"], record["backendSettingName"]), (pool, "old"))
        by_pool = Counter[str]()
        for (metric, labels), value in samples_of(scrape(self.gateway)).items():
            if metric == "agw_backend_responses_total" and dict(labels)["backend_settings"] == "old":
                by_pool[dict(labels)["backend_pool"]] += int(value)
        records = [each for each in self.gateway.records() if each["backendSettingName"] == "old"]
        self.assertEqual(by_pool, Counter(each["backendPoolName"] for each in records if each["serverStatus"]))

    def test_next_pool(self) -> None:
        """Where the servers of one pool cannot be connected to, those of the others get the request, and are logged."""
        name, _ = self.ask("gone", b"/other")
        self.assertIn(name, "ab")
        self.assertEqual(self.gateway.record(requestUri="/other")["backendPoolName"], "old")

    def test_drained(self) -> None:
        """A server that an operator drains has no turn in any policy, until it is taken in again."""
        shown = json.loads(self.gateway.agw("backends", "--config", "gw.ini", "--json").stdout)
        server = shown["backend_pools"][0]["backend_settings"][0]["servers"][0]
        words = ("old", "old", f"{server['address']}:{server['port']}", "--config", "gw.ini")
        self.gateway.agw("backends", "drain", *words)
        self.addCleanup(self.gateway.agw, "backends", "undrain", *words)
        self.assertEqual(Counter(self.ask("canary")[0] for _ in range(8)), {"b": 6, "c": 2})
        self.gateway.agw("backends", "undrain", *words)
        self.assertEqual(Counter(self.ask("canary")[0] for _ in range(7)), {"a": 3, "b": 3, "c": 1})

    def test_shown(self) -> None:
        """`agw backends` has a line for each target of each policy."""
        text = self.gateway.agw("backends", "--config", "gw.ini").stdout
        self.assertRegex(text, r"canary +RoundRobin +old +new +1\n")

    def test_reloaded(self) -> None:
        """Other weights count from the reload on."""
        path = self.gateway.directory / "gw.ini"
        text = path.read_text()
        weight = "[load_distribution_target canary/new]\nbackend_address_pool = new\nweight_per_server = "
        self.addCleanup(self.gateway.agw, "reload", "--config", "gw.ini")
        self.addCleanup(path.write_text, text)
        path.write_text(text.replace(f"{weight}1\n", f"{weight}94\n"))
        self.assertEqual(self.gateway.agw("reload", "--config", "gw.ini").returncode, 0)
        wait_until(lambda: self.ask("canary")[0] == "c", "the new pool gets most requests")
        self.assertGreaterEqual(Counter(self.ask("canary")[0] for _ in range(50))["c"], 45)
