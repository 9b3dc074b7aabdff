// Certificates that the configuration uses, those that end first at the top.

import { h } from "./dom.js";
import { day, pairs, plural } from "./format.js";
import { code, codes, copy, disclosed, facts, heading, live, select, state, table } from "./parts.js";

export const SOON = 30; // days

export const certificates = {
  path: "certificates",
  title: "Certificates",
  start(view) {
    const place = h("section", {});
    const rows = disclosed(() => poll.draw());
    const kind = () => view.query.get("kind") ?? "";
    view.root.append(heading("Certificates"), h("p", { class: "lead" }, "What the configuration presents and trusts, by the day it ends."), place);
    const poll = live(view, place, "certificates", 30, (answer) => [filter(answer.certificates), list(answer.certificates.filter((each) => !kind() || each.kind === kind()), rows)]);
    view.heard("certificate", () => poll.now());
    view.heard("reload", () => poll.now());
    view.changed(() => poll.draw());

    function filter(found) {
      const kinds = [...new Set(found.map((each) => each.kind))].sort();
      const soon = found.filter((each) => each.days_left < SOON).length;
      return h("div", { class: "filters" },
        select({ label: "Kind", value: kind(), options: [["", "all kinds"], ...kinds.map((each) => [each, words(each)])], onchange: (value) => view.refine({ kind: value }) }),
        h("p", { class: "beside" }, soon ? state("warn", `${plural(soon, "ends", "end")} within ${SOON} days`) : state("good", `none ends within ${SOON} days`)));
    }
  },
};

/** How urgent it is. */
export function urgency(days) {
  return days < 0 ? "bad" : days < 7 ? "bad" : days < SOON ? "warn" : "good";
}

/** How long a certificate is valid still. */
export function left(days) {
  if (days < 0) return `ended ${plural(-days, "day")} ago`;
  return days === 0 ? "ends today" : plural(days, "day");
}

function list(found, rows) {
  return table({
    label: "Certificates",
    rows: found,
    key: (each) => `${each.kind} ${each.name} ${each.fingerprint_sha256}`,
    empty: "There is none of this kind.",
    columns: [
      { label: "Name", cell: (each) => [h("span", {}, each.name), h("small", {}, words(each.kind), each.role === "authority" && ", CA")] },
      { label: "Subject", tone: "text", cell: (each) => code(each.subject) },
      { label: "Left", cell: (each) => state(urgency(each.days_left), left(each.days_left)) },
      { label: "Validity", tone: "act", cell: validity },
      { label: "Ends", tone: "address", cell: (each) => day(each.not_after) },
      { label: "Used by", cell: (each) => codes(each.used_by) },
    ],
    detail: (each) => facts(
      ["Subject", code(each.subject)],
      ["Issuer", code(each.issuer)],
      ["Serial number", code(each.serial)],
      ["Valid", `${day(each.not_before)} to ${day(each.not_after)}`],
      ["DNS names", each.dns_names.length ? codes(each.dns_names) : null],
      ["SHA-256", [code(pairs(each.fingerprint_sha256)), " ", copy(each.fingerprint_sha256, "the fingerprint")], "wide"],
      ["Role", each.role && words(each.role)],
      ["OCSP staple", each.ocsp_staple && staple(each)],
      ["Section", code(`[${each.kind} ${each.name}]`)],
    ),
    ...rows,
  });
}

/** What clients get of its status, until when, and what is wrong. */
function staple(each) {
  const tone = { good: "good", revoked: "bad" }[each.ocsp_staple] ?? "off";
  const until = each.ocsp_staple_next_update && ` until ${day(each.ocsp_staple_next_update)}`;
  return [state(tone, each.ocsp_staple), until, each.ocsp_staple_problem && h("small", {}, each.ocsp_staple_problem)];
}

function validity(each) {
  const from = Date.parse(each.not_before);
  const to = Date.parse(each.not_after);
  const share = Math.min(1, Math.max(0, (Date.now() - from) / (to - from)));
  return h("meter", { class: urgency(each.days_left), min: 0, max: 1, value: share.toFixed(3), "aria-hidden": "true" });
}

function words(kind) {
  return kind.replace(/_/g, " ");
}
