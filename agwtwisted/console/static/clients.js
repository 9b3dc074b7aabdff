// Connections of clients, a page at a time; an operator closes one.

import { get, post, segments } from "./api.js";
import { h, show } from "./dom.js";
import { bytes, count, endpoint, pairs, plural } from "./format.js";
import { code, confirmed, disclosed, facts, heading, live, notice, select, state, table, when } from "./parts.js";

const PAGE = 100;

export const clients = {
  path: "clients",
  title: "Clients",
  start(view) {
    const done = h("div", {});
    const place = h("section", {});
    const rows = disclosed(() => poll.draw());
    const pages = new Pages(view);
    const search = h("input", { type: "search", placeholder: "subject, address, host, serial …", autocomplete: "off", spellcheck: "false", value: view.query.get("search") ?? "", oninput: () => later(() => pages.first({ search: search.value })) });
    const listener = h("div", {});
    view.root.append(heading("Clients"), h("p", { class: "lead" }, "Connections that are open now, and what the gateway has decided about each."), h("div", { class: "filters" }, listener,
      h("label", { class: "field grow" }, h("span", {}, "Search"), search)), done, place);
    const poll = live(view, place, () => get(`clients?${pages.question()}`), 3, (answer) => [
      pages.bar(answer), list(answer.clients, rows, close), answer.clients.length > 20 && pages.bar(answer),
    ]);
    view.changed(() => {
      offer();
      poll.now();
    });
    get("listeners").then((answer) => offer(answer.listeners), () => offer());
    let names = [];
    let timer;
    view.stopping(() => clearTimeout(timer));

    function later(act) {
      clearTimeout(timer);
      timer = setTimeout(act, 250);
    }

    function offer(found) {
      if (found) names = found.map((each) => each.name);
      const chosen = view.query.get("listener") ?? "";
      const all = chosen && !names.includes(chosen) ? [...names, chosen] : names;
      show(listener, select({ label: "Listener", value: chosen, options: [["", "all listeners"], ...all.map((each) => [each, each])], onchange: (value) => pages.first({ listener: value }) }));
    }

    async function close(client) {
      const name = endpoint(client.address, client.port);
      const outcome = await confirmed({
        title: `Close the connection of ${name}?`,
        text: [client.subject ? `Its certificate says ${client.subject}.` : "It has sent no certificate.", "A request under way is cut off. The client may connect again."],
        action: "Close", tone: "danger",
        act: () => post(`connections/${segments(client.id)}/close`),
      });
      if (outcome === null) return;
      show(done, notice("good", `The connection of ${name} was closed.`));
      poll.now();
    }
  },
};

/** Which page is shown: the address of the view has where it begins, this tab the pages before it. */
class Pages {
  constructor(view) {
    this.view = view;
  }

  question() {
    const { query } = this.view;
    const asked = new URLSearchParams({ limit: PAGE });
    for (const name of ["after", "listener", "search"]) if (query.get(name)) asked.set(name, query.get(name));
    return asked;
  }

  number() {
    return Math.max(1, Number(this.view.query.get("page") ?? 1) || 1);
  }

  first(changes = {}) {
    this.view.refine({ ...changes, after: "", page: "" });
  }

  next(id) {
    const before = this.before();
    before[this.number()] = this.view.query.get("after") ?? "";
    sessionStorage.setItem("agwtwisted-pages", JSON.stringify(before));
    this.view.refine({ after: id, page: String(this.number() + 1) }, { step: true });
  }

  previous() {
    const page = this.number() - 1;
    const after = this.before()[page];
    if (page <= 1 || after === undefined) this.first();
    else this.view.refine({ after, page: String(page) }, { step: true });
  }

  before() {
    return JSON.parse(sessionStorage.getItem("agwtwisted-pages") ?? "{}");
  }

  bar(answer) {
    const from = (this.number() - 1) * PAGE + 1;
    const to = from + answer.clients.length - 1;
    const text = answer.clients.length ? `${count(from)}–${count(to)} of ${plural(answer.total, "client")}` : plural(answer.total, "client");
    return h("nav", { class: "pages", "aria-label": "Pages" }, h("span", {}, text),
      h("button", { type: "button", class: "small", disabled: this.number() === 1, onclick: () => this.first() }, "First"),
      h("button", { type: "button", class: "small", disabled: this.number() === 1, onclick: () => this.previous() }, "Previous"),
      h("button", { type: "button", class: "small", disabled: !answer.next, onclick: () => this.next(answer.next) }, "Next"));
  }
}

/** A verdict by its first word. */
export function verify(text) {
  const tones = { SUCCESS: "good", PASSTHROUGH: "warn", NONE: "off" };
  const [word, ...reason] = String(text ?? "NONE").split(":");
  return [state(tones[word] ?? "bad", word), reason.length > 0 && h("small", {}, reason.join(":"))];
}

function list(found, rows, close) {
  return table({
    label: "Clients",
    rows: found,
    key: (each) => each.id,
    empty: "No client is connected that this choice takes.",
    columns: [
      { label: "Client", tone: "address", cell: (each) => code(endpoint(each.address, each.port)) },
      { label: "Listener", cell: (each) => each.listener },
      { label: "Verdict", cell: (each) => verify(each.verify) },
      { label: "Subject", tone: "text", cell: (each) => code(each.subject) },
      { label: "State", cell: (each) => each.under_way > 1 ? `${each.state}, ${each.under_way} requests` : each.state },
      { label: "Since", cell: (each) => when(each.since) },
      { label: "Requests", tone: "number", cell: (each) => count(each.requests) },
      { label: "Bytes", tone: "number", cell: (each) => bytes(each.bytes_received + each.bytes_sent) },
      { label: "Action", tone: "act", cell: (each) => h("button", { type: "button", class: "small", "aria-label": `Close ${endpoint(each.address, each.port)}`, onclick: () => close(each) }, "Close") },
    ],
    detail: (each) => facts(
      ["Id", code(each.id)],
      ["Protocol", each.protocol],
      ["TLS", [each.tls, each.cipher, each.resumed ? "resumed" : null].filter(Boolean).join(", ")],
      ["Received and sent", `${bytes(each.bytes_received)}, ${bytes(each.bytes_sent)}`],
      ["Host", each.host && code(each.host)],
      ["Backend", each.backend && code(each.backend)],
      ["Issuer", each.issuer && code(each.issuer)],
      ["Serial number", each.serial && code(each.serial)],
      ["SHA-256", each.fingerprint_sha256 && code(pairs(each.fingerprint_sha256)), "wide"],
      ["Revocation", [each.revocation, each.revocation_source && `(${each.revocation_source})`].filter(Boolean).join(" ")],
    ),
    ...rows,
  });
}
