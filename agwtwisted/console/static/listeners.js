// Listeners, and what their profiles ask of clients.

import { h } from "./dom.js";
import { count, endpoint } from "./format.js";
import { code, codes, disclosed, facts, heading, live, state, table } from "./parts.js";

export const listeners = {
  path: "listeners",
  title: "Listeners",
  start(view) {
    const place = h("section", {});
    const rows = disclosed(() => poll.draw());
    view.root.append(heading("Listeners"), h("p", { class: "lead" }, "Where the gateway listens, and what it asks of clients there."), place);
    const poll = live(view, place, "listeners", 5, (answer) => list(answer.listeners, rows));
  },
};

function list(found, rows) {
  const most = Math.max(1, ...found.map((each) => each.connections));
  return table({
    label: "Listeners",
    rows: found,
    key: (each) => each.name,
    empty: "The configuration has no listener.",
    columns: [
      { label: "Name", cell: (each) => h("span", {}, each.name) },
      { label: "Protocol", cell: (each) => (each.http2 ? `${each.protocol}, HTTP/2` : each.protocol) },
      { label: "Address", tone: "address", cell: (each) => code(endpoint(each.address, each.port)) },
      { label: "Host names", cell: (each) => each.host_names.length ? codes(each.host_names) : h("span", { class: "faint" }, each.kind === "listener" ? "–" : "any") },
      { label: "Client certificates", cell: mode },
      { label: "Connections", tone: "number", cell: (each) => [h("meter", { min: 0, max: most, value: each.connections, "aria-hidden": "true" }), count(each.connections)] },
    ],
    detail,
    ...rows,
  });
}

/** What a listener does about client certificates. */
export function mode(listener) {
  const paths = listener.paths_that_require_certificates ?? [];
  if (listener.verify_client_auth_mode === "Strict") return state("good", "Strict");
  if (listener.verify_client_auth_mode) return [state("warn", listener.verify_client_auth_mode), paths.length > 0 && h("small", {}, ` required on ${paths.length === 1 ? paths[0] : `${paths.length} paths`}`)];
  return state("off", "not asked for");
}

function detail(each) {
  return [
    facts(
      ["SSL profile", each.ssl_profile && code(each.ssl_profile)],
      ["Refused clients get", each.verify_client_auth_mode && each.refusal],
      ["Revocation", each.verify_client_revocation],
      ["HTTP/2", each.http2 ? "offered" : null],
      ["SSL policy", each.ssl_policy && code(each.ssl_policy)],
      ["SSL certificate", each.ssl_certificate && code(each.ssl_certificate)],
      ["Rules", each.rules?.length ? codes(each.rules) : null],
      ["Paths that require a certificate", each.paths_that_require_certificates?.length ? codes(each.paths_that_require_certificates) : null],
      ["Section", code(`[${each.kind} ${each.name}]`)],
    ),
    h("p", { class: "links" },
      h("a", { href: `#/clients?listener=${encodeURIComponent(each.name)}` }, "Its clients"),
      h("a", { href: `#/refusals?listener=${encodeURIComponent(each.name)}` }, "Its refusals"),
      each.verify_client_auth_mode && h("a", { href: `#/explain?listener=${encodeURIComponent(each.name)}` }, "Explain a certificate against it")),
  ];
}
