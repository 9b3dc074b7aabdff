// Servers with their health; an operator takes one out of use, and puts it back.

import { post, segments } from "./api.js";
import { h, show } from "./dom.js";
import { count, endpoint } from "./format.js";
import { code, confirmed, heading, live, notice, state, table, when } from "./parts.js";

export const HEALTH = { Up: "good", Down: "bad", Draining: "warn", Partial: "warn", Unknown: "off" };

export const backends = {
  path: "backends",
  title: "Backends",
  start(view) {
    const done = h("div", {});
    const place = h("section", {});
    view.root.append(heading("Backends"), h("p", { class: "lead" }, "Each pool with the settings that it is used by, and the health of its servers."), done, place);
    const poll = live(view, place, "backends", 3, (answer) => [pools(answer.backend_pools, act), policies(answer.load_distribution_policies)]);
    view.heard("health", () => poll.now());

    async function act(pool, settings, server) {
      const outcome = await change(pool, settings, server);
      if (outcome === null) return;
      const name = endpoint(server.address, server.port);
      show(done, notice("good", server.draining ? `${name} is used again.` : `${name} is draining: it gets no new connections.`));
      poll.now();
    }
  },
};

function pools(found, act) {
  if (!found.length) return h("p", { class: "empty" }, "The configuration has no backend pool.");
  return found.map((pool) => h("section", { key: pool.name, class: "group" },
    h("h2", {}, pool.name, summary(pool)),
    pool.backend_settings.map((settings) => h("div", { key: settings.name },
      h("p", { class: "under" }, h("span", {}, settings.kind === "backend_settings" ? "L4 settings " : "HTTP settings ", code(settings.name)), h("span", {}, settings.protocol),
        h("span", {}, settings.probe ? ["probe ", code(settings.probe)] : "default probe")),
      table({
        label: `Servers of ${pool.name} with ${settings.name}`,
        rows: settings.servers,
        key: (each) => endpoint(each.address, each.port),
        empty: "The pool has no server.",
        columns: columns(pool, settings, act),
      })))));
}

function policies(found) {
  return found.map((policy) => h("section", { key: `policy ${policy.name}`, class: "group" },
    h("h2", {}, policy.name, h("span", { class: "beside" }, "load distribution policy")),
    h("p", { class: "under" }, h("span", {}, policy.load_distribution_algorithm),
      h("span", {}, "HTTP settings ", code(policy.backend_http_settings.join(", ")))),
    table({
      label: `Targets of ${policy.name}`,
      rows: policy.targets,
      key: (each) => each.name,
      empty: "The policy has no target.",
      columns: [
        { label: "Pool", cell: (each) => code(each.backend_address_pool) },
        { label: "Weight per server", tone: "number", cell: (each) => count(each.weight_per_server) },
      ],
    })));
}

function summary(pool) {
  const servers = pool.backend_settings.flatMap((each) => each.servers);
  const up = servers.filter((each) => each.health === "Up").length;
  const tone = up === servers.length ? "good" : up ? "warn" : "bad";
  return servers.length > 0 && h("span", { class: "beside" }, state(tone, `${up} of ${servers.length} up`));
}

function columns(pool, settings, act) {
  return [
    { label: "Server", tone: "address", cell: (each) => code(endpoint(each.address, each.port)) },
    { label: "Health", cell: (each) => state(HEALTH[each.health] ?? "off", each.health) },
    { label: "Last probe", tone: "text", cell: (each) => [each.health_probe_log || "–", " ", each.last_probe && h("small", {}, when(each.last_probe))] },
    { label: "Since", cell: (each) => when(each.since) },
    { label: "Connections", tone: "number", cell: (each) => [count(each.connections), each.idle_connections > 0 && h("small", {}, ` +${count(each.idle_connections)} idle`)] },
    { label: "Requests", tone: "number", cell: (each) => count(each.requests) },
    { label: "Action", tone: "act", cell: (each) => h("button", { type: "button", class: "small", onclick: () => act(pool, settings, each), "aria-label": `${each.draining ? "Use" : "Drain"} ${endpoint(each.address, each.port)}` }, each.draining ? "Use again" : "Drain") },
  ];
}

function change(pool, settings, server) {
  const name = endpoint(server.address, server.port);
  const path = `backends/${segments(pool.name, settings.name, name)}/${server.draining ? "undrain" : "drain"}`;
  if (server.draining) {
    return confirmed({ title: `Use ${name} again?`, text: "It gets new requests as soon as it is healthy.", action: "Use again", act: () => post(path) });
  }
  const left = settings.servers.filter((each) => each !== server && each.health === "Up" && !each.draining).length;
  return confirmed({
    title: `Drain ${name}?`,
    text: [
      "It gets no new requests or sessions; those under way end by themselves.",
      left ? `${count(left)} other ${left === 1 ? "server" : "servers"} of ${pool.name} ${left === 1 ? "takes" : "take"} its part.` : `No other server of ${pool.name} is up: clients will get 502.`,
    ],
    action: "Drain",
    tone: left ? "" : "danger",
    act: () => post(path),
  });
}
