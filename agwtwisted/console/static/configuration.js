// The configuration in force, and taking a new one.

import { ApiError, post } from "./api.js";
import { h, show } from "./dom.js";
import { plural } from "./format.js";
import { code, confirmed, copy, facts, heading, live, notice, problem, table, when } from "./parts.js";

export const configuration = {
  path: "configuration",
  title: "Configuration",
  start(view) {
    const done = h("div", { "aria-live": "polite" });
    const place = h("section", {});
    const go = h("button", { type: "button", class: "strong", onclick: reload }, "Reload");
    const logs = h("button", { type: "button", onclick: reopen }, "Reopen logs");
    view.root.append(heading("Configuration", logs, go), h("p", { class: "lead" }, "What is in force. Reload reads the files again: their configuration is taken whole, or not at all."), done, place);
    const poll = live(view, place, "configuration", 15, (answer) => shown(answer));
    view.heard("reload", () => poll.now());

    async function reload() {
      go.disabled = true;
      show(done, h("p", { class: "empty" }, "The gateway reads its files and judges them …"));
      try {
        show(done, inForce(await post("reload")));
        poll.now();
      } catch (error) {
        show(done, error instanceof ApiError && Array.isArray(error.members.problems) ? rejected(error.members) : problem(error, reload));
      }
      go.disabled = false;
    }

    async function reopen() {
      const outcome = await confirmed({ title: "Reopen the logs?", text: "The gateway opens its log files anew, as after they were rotated.", action: "Reopen", act: () => post("log/reopen") });
      if (outcome !== null) show(done, notice("good", "The logs were opened anew."));
    }
  },
};

function inForce(outcome) {
  const changes = [["added", outcome.added], ["changed", outcome.changed], ["removed", outcome.removed]].filter(([, list]) => list?.length);
  return notice("good", `Generation ${outcome.generation} is in force.`,
    changes.length ? facts(...changes.map(([name, list]) => [name, list.map((each) => h("div", {}, each))])) : h("p", {}, "Nothing has changed."),
    problems(outcome.warnings));
}

function rejected(outcome) {
  return h("div", { class: "notice bad", role: "alert" },
    h("strong", {}, "The new configuration was rejected. ", `Generation ${outcome.generation} stays in force.`), problems(outcome.problems));
}

/** Lines of problems and warnings, each with a link to its line of the text. */
function problems(lines) {
  return lines?.length > 0 && h("ul", { class: "problems" }, ordered(lines).map((each) => {
    const place = /:(\d+)(?=[:\s])/.exec(each);
    return h("li", { class: each.startsWith("WARNING") ? "warn" : null }, h("pre", {}, each),
      place && h("button", { type: "button", class: "small quiet", onclick: () => lead(place[1]) }, `Line ${place[1]}`));
  }));
}

/** Errors before warnings. */
function ordered(lines) {
  return [...lines].sort((one, other) => one.startsWith("WARNING") - other.startsWith("WARNING"));
}

function lead(number) {
  const line = document.getElementById(`line-${number}`);
  if (!line) return;
  document.querySelector(".source .marked")?.classList.remove("marked");
  line.classList.add("marked");
  line.scrollIntoView({ block: "center" });
  line.focus();
}

function shown(answer) {
  return [
    facts(
      ["File", code(answer.file)],
      ["Generation", String(answer.generation)],
      ["In force", when(answer.since)],
      ["Fingerprint", [h("code", { title: answer.fingerprint }, answer.fingerprint.slice(0, 12)), " ", copy(answer.fingerprint, "the fingerprint")]],
    ),
    h("h2", {}, answer.warnings.length ? plural(answer.warnings.length, "warning") : "No warnings"),
    problems(answer.warnings.map(warning)),
    h("h2", {}, "Text"), source(answer.text),
    answer.overlay && [h("h2", {}, "Overlay"), h("pre", { class: "report", tabindex: 0, "aria-label": "The text of the overlay" }, answer.overlay)],
    h("h2", {}, "Files"), table({
      label: "Files", rows: answer.files, key: (each) => each.path, empty: "It names no file.",
      columns: [{ label: "File", cell: (each) => code(each.path) }, { label: "SHA-256", tone: "text", cell: (each) => each.sha256 && code(each.sha256) }],
    }),
    answer.report && [h("h2", {}, "What it does"), h("pre", { class: "report", tabindex: 0, "aria-label": "The report of --check" }, answer.report)],
  ];
}

function source(text) {
  const lines = (text ?? "").replace(/\n$/, "").split("\n");
  return h("ol", { class: "source", tabindex: 0, "aria-label": "The text of the configuration" },
    lines.map((line, index) => h("li", { id: `line-${index + 1}`, tabindex: -1 }, tokens(line))));
}

function tokens(line) {
  if (/^\s*[#;]/.test(line)) return h("span", { class: "remark" }, line);
  if (/^\s*\[.*\]\s*$/.test(line)) return h("span", { class: "section" }, line);
  const found = /^(\s*[\w-]+)(\s*=\s*)(.*)$/.exec(line);
  return found ? [h("span", { class: "name" }, found[1]), found[2], remarked(found[3])] : remarked(line);
}

function remarked(text) {
  const found = /^(.*?)((?:^|\s)[;#].*)$/.exec(text);
  return found ? [found[1], h("span", { class: "remark" }, found[2])] : text || " ";
}

/** A warning as a line, as the gateway prints it. */
function warning(each) {
  const text = typeof each === "string" ? each : `${each.file}:${each.line}: [${each.section}] ${each.key ? `${each.key}: ` : ""}${each.message}`;
  return text.startsWith("WARNING") ? text : `WARNING ${text}`;
}
