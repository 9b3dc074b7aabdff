// The verdict on a certificate with its steps, as POST /explain answers.

import { h } from "./dom.js";
import { copy } from "./parts.js";

const MARKS = { passed: ["✓", "good"], failed: ["✗", "bad"], skipped: ["–", "off"], note: ["i", "warn"] };

/** What `explain` found. */
export function verdict(answer) {
  return h("div", { class: `verdict ${answer.accepted ? "good" : "bad"}` },
    h("p", { class: "word" }, h("b", {}, answer.accepted ? "Accepted" : "Refused"), " ", answer.verdict),
    h("ol", { class: "steps" }, answer.steps.map((step) => {
      const [mark, tone] = MARKS[step.outcome] ?? ["·", "off"];
      return h("li", { class: tone }, h("i", { "aria-hidden": "true" }, mark),
        h("div", {}, h("strong", {}, step.name), h("span", { class: "unseen" }, ` ${step.outcome}: `), paragraphs(step.text)));
    })),
    h("details", {}, h("summary", {}, "As agw explain prints it"),
      h("div", { class: "printed" }, copy(answer.text, "the text"), h("pre", { tabindex: 0 }, answer.text))));
}

function paragraphs(text) {
  return (text ?? "").split("\n").filter((each) => each !== "").map((each) => h("p", {}, each));
}
