// What the gateway knows of revocation, and the responders that it asks.

import { post } from "./api.js";
import { h, show } from "./dom.js";
import { count, moment } from "./format.js";
import { code, confirmed, facts, heading, live, notice, state, table, when } from "./parts.js";

const CIRCUIT = { closed: "good", open: "bad", "half-open": "warn" };
const STATUS = { good: "good", revoked: "bad", unknown: "off" };

export const revocation = {
  path: "revocation",
  title: "Revocation",
  start(view) {
    const done = h("div", {});
    const place = h("section", {});
    view.root.append(heading("Revocation", h("button", { type: "button", onclick: () => forget(null) }, "Forget answers")),
      h("p", { class: "lead" }, "What is known by OCSP and by lists (CRL), how responders can be reached, and what is asked next. A revocation is never forgotten."), done, place);
    const poll = live(view, place, "revocation", 5, (answer) => [summary(answer), profiles(answer), responders(answer), lists(answer), store(answer), renewals(answer, forget)]);

    async function forget(renewal) {
      const outcome = await confirmed({
        title: renewal ? "Forget this answer?" : "Forget all answers?",
        text: [renewal ? `Serial number ${renewal.serial}.` : "All that responders have answered, but revoked.", "The next client with such a certificate waits for its responder, or is judged by ocsp_unavailable."],
        action: "Forget", tone: renewal ? "" : "danger",
        act: () => post("revocation/forget", renewal ? { serial: renewal.serial, issuer: renewal.issuer } : {}),
      });
      if (outcome === null) return;
      show(done, notice("good", typeof outcome.forgotten === "number" ? `${count(outcome.forgotten)} forgotten.` : "Forgotten."));
      poll.now();
    }
  },
};

function summary({ answers, questions, cache_hits: hits }) {
  return h("div", { class: "tiles" },
    Object.entries(answers ?? {}).map(([name, value]) => tile(name, value, STATUS[name])),
    tile("answered from memory", hits),
    Object.entries(questions ?? {}).map(([name, value]) => tile(`asked: ${name.replace(/_/g, " ")}`, value)));
}

function tile(name, value, tone) {
  return h("div", { class: `tile ${value ? tone ?? "" : ""}` }, h("b", {}, count(value)), h("span", {}, name));
}

function profiles({ profiles: found }) {
  return [h("h2", {}, "SSL profiles"), found.length
    ? found.map((each) => h("div", { key: each.name, class: "card" }, h("h3", {}, each.name),
      facts(...Object.entries(each).filter(([name]) => name !== "name").map(([name, value]) => [name, said(value)]))))
    : h("p", { class: "empty" }, "No SSL profile checks revocation.")];
}

function said(value) {
  if (Array.isArray(value)) return value.length ? value.map(String).join(", ") : null;
  if (value === true || value === false) return value ? "yes" : "no";
  return value !== null && typeof value === "object" ? JSON.stringify(value) : value;
}

function responders({ responders: found }) {
  return [h("h2", {}, "Responders"), table({
    label: "Responders", rows: found, key: (each) => each.url ?? each.address, empty: "No responder was asked yet.",
    columns: [
      { label: "Responder", cell: (each) => code(each.url ?? each.address) },
      { label: "Circuit", cell: (each) => state(CIRCUIT[each.circuit] ?? "off", each.circuit) },
      { label: "Failures", tone: "number", cell: (each) => count(each.failures) },
      { label: "Last failure", tone: "text", cell: (each) => [when(each.last_failure), each.last_error && h("small", {}, " ", each.last_error)] },
      { label: "Waiting", tone: "number", cell: (each) => count(each.waiting) },
    ],
  })];
}

function lists({ lists: found }) {
  return found?.length ? [h("h2", {}, "Revocation lists"), table({
    label: "Revocation lists", rows: found, key: (each) => `${each.issuer} ${each.limited} ${each.origin}`,
    columns: [
      { label: "Issuer", tone: "text", cell: (each) => [code(each.issuer), each.limited && h("small", {}, " some certificates alone")] },
      { label: "From", tone: "text", cell: (each) => code(each.origin) },
      { label: "Number", tone: "number", cell: (each) => each.number },
      { label: "Entries", tone: "number", cell: (each) => count(each.entries) },
      { label: "This update", cell: (each) => when(each.this_update) },
      { label: "Next update", cell: (each) => each.next_update ? moment(each.next_update) : h("span", { class: "faint" }, "–") },
      { label: "Renewed", cell: (each) => each.renewal ? moment(each.renewal) : h("span", { class: "faint" }, "–") },
      { label: "Problem", tone: "text", cell: (each) => each.problem && state("bad", each.problem) },
    ],
  })] : null;
}

function store({ shared_store: shared }) {
  return shared ? [h("h2", {}, "Shared store"), h("div", { class: "card" }, h("h3", {}, shared.url),
    facts(...Object.entries(shared).filter(([name]) => name !== "url").map(([name, value]) => [name, said(value)])))] : null;
}

function renewals({ next_renewals: found }, forget) {
  return [h("h2", {}, "Next renewals"), table({
    label: "Next renewals", rows: found, key: (each) => `${each.issuer} ${each.serial}`, empty: "No answer is kept.",
    columns: [
      { label: "Serial number", cell: (each) => code(each.serial) },
      { label: "Issuer", tone: "text", cell: (each) => code(each.issuer) },
      { label: "Status", cell: (each) => state(STATUS[each.status] ?? "off", each.status) },
      { label: "Asked again", cell: (each) => each.renewal ? moment(each.renewal) : h("span", { class: "faint" }, "–") },
      { label: "Next update", cell: (each) => each.next_update ? moment(each.next_update) : h("span", { class: "faint" }, "–") },
      { label: "Action", tone: "act", cell: (each) => each.status !== "revoked" && h("button", { type: "button", class: "small", "aria-label": `Forget ${each.serial}`, onclick: () => forget(each) }, "Forget") },
    ],
  })];
}
