// The verdict on a certificate with its steps, as POST /explain answers.

import { h } from "./dom.js";
import { copy } from "./parts.js";

const MARKS = { passed: ["✓", "good"], failed: ["✗", "bad"], skipped: ["–", "off"], note: ["i", "warn"] };

/** What `explain` found. */
export function verdict(answer) {
  return h("div", { class: `verdict ${answer.accepted ? "good" : "bad"}` },
    h("p", { class: "word" }, h("b", {}, answer.accepted ? "Accepted" : "Refused"), " ", answer.verdict.replace(/^(Refused|Accepted): */, "")),
    h("ol", { class: "steps" }, answer.steps.map((step) => {
      const [mark, tone] = MARKS[step.outcome] ?? ["·", "off"];
      return h("li", { class: tone }, h("i", { "aria-hidden": "true" }, mark),
        h("div", {}, h("strong", {}, title(step.name)), h("span", { class: "unseen" }, ` ${step.outcome}: `), body(step)));
    })),
    h("details", {}, h("summary", {}, "As agw explain prints it"),
      h("div", { class: "printed" }, copy(answer.text, "the text"), h("pre", { tabindex: 0 }, answer.text))));
}

const TITLES = { openssl: "OpenSSL", issuer_dn: "Issuer DN" };

function title(name) {
  return TITLES[name] ?? name.charAt(0).toUpperCase() + name.slice(1).replace(/_/g, " ");
}

/** The first line of a step; the others one click on, unless it has failed. */
function body({ outcome, text }) {
  const [first, ...others] = (text ?? "").split("\n").filter((each) => each.trim() !== "");
  const rest = others.map((each) => h("p", {}, each));
  if (outcome === "failed" || others.length < 2) return [h("p", {}, first), rest];
  return h("details", {}, h("summary", {}, first), rest);
}
