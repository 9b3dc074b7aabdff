// Clients that the gateway refused, as it happens; one click on, why, step by step.

import { get, post } from "./api.js";
import { h, show } from "./dom.js";
import { clock, day, endpoint, pairs, plural } from "./format.js";
import { announce, code, disclosed, facts, heading, live, problem, select, state, table } from "./parts.js";
import { verdict } from "./steps.js";

const SHOWN = 200;
const CALM = 5000; // milliseconds between two sentences to those who listen

export const refusals = {
  path: "refusals",
  title: "Refusals",
  start(view) {
    const place = h("section", {});
    const kept = new Recent();
    const answers = new Explained(() => poll.draw());
    const rows = disclosed(() => poll.draw());
    const stream = h("span", { class: "beside" });
    const search = h("input", { type: "search", placeholder: "reason, subject, address …", autocomplete: "off", spellcheck: "false", value: view.query.get("search") ?? "", oninput: () => view.refine({ search: search.value }) });
    const hold = h("button", { type: "button", "aria-pressed": "false", onclick: pause }, "Pause");
    const listener = h("div", {});
    view.root.append(heading("Refusals", stream, hold), h("p", { class: "lead" }, "Clients whose certificates the gateway did not accept, the newest first. Open one for the steps of its verdict."),
      h("div", { class: "filters" }, listener, h("label", { class: "field grow" }, h("span", {}, "Search"), search)), place);
    const poll = live(view, place, ask, 20, render);
    view.heard("refusal", (members) => {
      if (!members.id) return poll.now();
      kept.merge([members]);
      soon();
    });
    view.heard("lost", () => poll.now());
    view.heard("stream", drawStream);
    view.changed(() => poll.draw());
    drawStream();

    let timer = null;
    let said = 0;
    view.stopping(() => clearTimeout(timer));
    function soon() {
      timer ??= setTimeout(() => {
        timer = null;
        if (kept.paused) hold.textContent = `Go on (${kept.waiting()} new)`;
        else poll.draw();
        if (kept.news && Date.now() - said > CALM) {
          announce(`${plural(kept.news, "new refusal")}`);
          kept.news = 0;
          said = Date.now();
        }
      }, 200);
    }

    async function ask() {
      const answer = await get(`refusals?limit=${SHOWN}`);
      kept.merge(answer.refusals);
      return answer;
    }

    function pause() {
      kept.pause();
      hold.setAttribute("aria-pressed", String(kept.paused));
      hold.textContent = kept.paused ? "Go on" : "Pause";
      poll.draw();
    }

    function drawStream() {
      show(stream, view.feed.open ? state("good", "live") : state("warn", "asked every 20 s"));
    }

    function render() {
      const found = kept.shown();
      const names = [...new Set([...found.map((each) => each.listener), view.query.get("listener")].filter(Boolean))].sort();
      show(listener, select({ label: "Listener", value: view.query.get("listener") ?? "", options: [["", "all listeners"], ...names.map((each) => [each, each])], onchange: (value) => view.refine({ listener: value }) }));
      return list(found.filter((each) => chosen(each, view.query)), rows, answers);
    }
  },
};

/** The last refusals; while it is paused, what is shown stays as it is. */
class Recent {
  constructor() {
    this.all = [];
    this.held = null;
    this.news = 0;
  }

  get paused() {
    return this.held !== null;
  }

  merge(found) {
    const known = new Set(this.all.map((each) => each.id));
    const fresh = found.filter((each) => !known.has(each.id));
    if (this.all.length) this.news += fresh.length;
    this.all = [...fresh, ...this.all].sort((one, other) => (one.at < other.at ? 1 : one.at > other.at ? -1 : 0)).slice(0, SHOWN);
  }

  pause() {
    this.held = this.paused ? null : this.all;
  }

  waiting() {
    const held = new Set(this.held.map((each) => each.id));
    return this.all.filter((each) => !held.has(each.id)).length;
  }

  shown() {
    return this.held ?? this.all;
  }
}

/** What `explain` said of refusals, each asked once. */
class Explained {
  constructor(redraw) {
    this.answers = new Map();
    this.redraw = redraw;
  }

  of(refusal) {
    if (!this.answers.has(refusal.id)) this.ask(refusal);
    return this.answers.get(refusal.id);
  }

  async ask(refusal) {
    this.answers.set(refusal.id, () => h("p", { class: "empty" }, "Asking the gateway …"));
    let answer;
    try {
      const found = await post("explain", { listener: refusal.listener, refusal: refusal.id });
      answer = () => verdict(found);
    } catch (error) {
      answer = () => problem(error, () => this.ask(refusal));
    }
    this.answers.set(refusal.id, answer);
    if (this.answers.size > SHOWN) this.answers.delete(this.answers.keys().next().value);
    this.redraw();
  }
}

function chosen(each, query) {
  const listener = query.get("listener");
  const words = (query.get("search") ?? "").toLowerCase();
  const said = [each.reason, each.subject, each.issuer, each.serial, each.verify, each.address, each.fingerprint_sha256];
  return (!listener || each.listener === listener) && (!words || said.some((text) => text?.toLowerCase().includes(words)));
}

function list(found, rows, answers) {
  return table({
    label: "Refusals",
    rows: found,
    key: (each) => each.id,
    empty: "No refusal that this choice takes.",
    columns: [
      { label: "Time", tone: "address", cell: (each) => h("time", { datetime: each.at, title: `${day(each.at)} UTC` }, clock(each.at)) },
      { label: "Reason", tone: "text", cell: (each) => h("span", { class: "reason" }, each.reason) },
      { label: "Subject", tone: "text", cell: (each) => code(each.subject) },
      { label: "Listener", cell: (each) => each.listener },
      { label: "Client", tone: "address", cell: (each) => code(endpoint(each.address, each.port)) },
    ],
    detail: (each) => detail(each, answers),
    ...rows,
  });
}

function detail(each, answers) {
  const found = each.has_certificate ? answers.of(each) : null;
  return [
    facts(
      ["Verdict", code(each.verify)],
      ["Issuer", each.issuer && code(each.issuer)],
      ["Serial number", each.serial && code(each.serial)],
      ["SHA-256", each.fingerprint_sha256 && code(pairs(each.fingerprint_sha256)), "wide"],
      ["Revocation", [each.revocation, each.revocation_source && `(${each.revocation_source})`].filter(Boolean).join(" ")],
    ),
    found === null
      ? h("p", { class: "empty" }, each.subject || each.fingerprint_sha256
        ? "The gateway keeps the certificates of refused clients where log_refused_certificates allows it; here it has none to explain."
        : "The client sent no certificate that could be explained.")
      : h("div", { key: `steps ${each.id}` }, found()),
  ];
}
