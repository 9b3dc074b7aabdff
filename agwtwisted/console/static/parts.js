// Parts that several views have: problems in place, questions before an action, tables, facts.

import { ApiError } from "./api.js";
import { h, show, visible } from "./dom.js";
import { ago, moment } from "./format.js";
import { Poll } from "./live.js";

/** Asks `path` every `seconds` and shows in `place` what `render` makes of the answer; a problem stands above it. */
export function live(view, place, ask, seconds, render) {
  const draw = (poll) => {
    show(place,
      poll.error && problem(poll.error, () => poll.now()),
      missing(poll.data?.missing_workers ?? []),
      poll.data !== null && h("div", { class: poll.error ? "stale" : null }, render(poll.data)),
      poll.data === null && !poll.error && h("p", { class: "empty" }, "Asking the gateway …"));
  };
  const poll = new Poll(ask, seconds, draw);
  poll.draw = () => draw(poll);
  view.stopping(() => poll.stop());
  draw(poll);
  return poll.start();
}

/** Which workers did not answer, so that what is shown is not all. */
function missing(workers) {
  return workers.length > 0 && h("p", { class: "beside" }, state("warn", `without worker ${workers.join(", ")}, which did not answer in time`));
}

/** What went wrong, in place, with a way to try it again. */
export function problem(error, again) {
  const refused = error instanceof ApiError;
  return h("div", { class: "problem", role: "alert" },
    h("div", {}, h("strong", {}, refused ? `The gateway answered ${error.status}` : "No answer"),
      h("p", {}, refused ? error.message : "The gateway does not answer; what is shown is what it said last.")),
    again && h("button", { type: "button", onclick: again }, "Try again"));
}

/** What was done, or what could not be. */
export function notice(tone, title, ...children) {
  return h("div", { class: `notice ${tone}`, role: "status" }, h("strong", {}, title), children);
}

/** Says a sentence to those who listen to the page. */
export function announce(text) {
  show(document.getElementById("announcer"), text);
}

/**
 * Asks in a dialog of the page before `act` is done; its problems are shown there.
 * Fires with the answer of `act`, or with null where the person does not want it.
 */
export function confirmed({ title, text, action, tone = "", act }) {
  return new Promise((resolve) => {
    const trouble = h("div", {});
    const go = h("button", { type: "button", class: `strong ${tone}`, onclick: () => perform() }, action);
    const dialog = h("dialog", { "aria-labelledby": "dialog-title", onclose: () => finish(null) },
      h("h2", { id: "dialog-title" }, title), [text].flat().map((each) => h("p", {}, each)), trouble,
      h("div", { class: "actions" },
        h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, "Cancel"), go));
    let done = false;
    const finish = (answer) => {
      if (done) return;
      done = true;
      dialog.remove();
      resolve(answer);
    };
    const perform = async () => {
      go.disabled = true;
      try {
        const answer = await act();
        const back = done;
        dialog.close();
        if (!back) finish(answer);
      } catch (error) {
        show(trouble, problem(error, null));
        go.disabled = false;
        go.focus();
      }
    };
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * A table. `columns` are {label, cell, tone?, wide?}: `cell(row)` is what a row shows; `detail(row)` is shown below
 * a row that is open. On a narrow screen each row becomes a card, its cells behind their labels.
 */
export function table({ label, columns, rows, key, empty, open, detail, toggle }) {
  if (!rows.length) return h("p", { class: "empty" }, empty);
  const head = h("thead", {}, h("tr", {}, columns.map(({ label: text, tone }) => h("th", { scope: "col", class: tone }, text))));
  return h("table", { class: "rows" }, h("caption", { class: "unseen" }, label), head,
    h("tbody", {}, rows.map((row) => lines(row, { columns, key, open, detail, toggle }))));
}

function lines(row, { columns, key, open, detail, toggle }) {
  const id = key(row);
  const opened = detail && open.has(id);
  const [first, ...others] = columns;
  const name = detail
    ? h("button", { type: "button", class: "disclosure", "aria-expanded": String(Boolean(opened)), onclick: () => toggle(id) }, first.cell(row))
    : first.cell(row);
  return [
    h("tr", { key: `row ${id}`, class: opened ? "open" : null },
      h("th", { scope: "row", class: first.tone }, name),
      others.map((each) => h("td", { class: each.tone, "data-label": each.label }, h("div", {}, each.cell(row))))),
    opened && h("tr", { key: `detail ${id}`, class: "detail" }, h("td", { colspan: columns.length }, detail(row))),
  ];
}

/** Which rows are open, and how one is opened or closed: spread it into `table`. */
export function disclosed(redraw) {
  const open = new Set();
  return {
    open,
    toggle: (id) => {
      if (!open.delete(id)) open.add(id);
      redraw();
    },
  };
}

/** Names and their values, with a class where there is a third; those without a value are left out. */
export function facts(...pairs) {
  const present = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "" && !(Array.isArray(value) && !value.length));
  return h("dl", { class: "facts" }, present.map(([name, value, tone]) => h("div", { class: tone }, h("dt", {}, name), h("dd", {}, value))));
}

/** A word with a mark before it, so that its colour is not all that distinguishes it. */
export function state(tone, word) {
  const marks = { good: "●", bad: "▲", warn: "◆", off: "○" };
  return h("span", { class: `state ${tone}` }, h("i", { "aria-hidden": "true" }, marks[tone] ?? "○"), word);
}

/** Text of a machine: an address, a serial number, a name that a client has sent. */
export function code(text) {
  return text === null || text === undefined || text === "" ? h("span", { class: "faint" }, "–") : h("code", {}, text);
}

/** Several of them. */
export function codes(list) {
  return list?.length ? h("span", { class: "list" }, list.map((each) => h("code", {}, each))) : h("span", { class: "faint" }, "–");
}

/** A moment as how long ago it was, with itself behind it. */
export function when(value) {
  return value === null || value === undefined
    ? h("span", { class: "faint" }, "–")
    : h("time", { datetime: value, title: `${moment(value)} UTC` }, ago(value));
}

/** The head of a view. */
export function heading(title, ...beside) {
  return h("div", { class: "heading" }, h("h1", { tabindex: -1 }, title), h("div", { class: "actions" }, beside));
}

/** A button that copies text. */
export function copy(text, what) {
  return h("button", {
    type: "button", class: "small quiet", "aria-label": `Copy ${what}`,
    onclick: async () => {
      await navigator.clipboard.writeText(text);
      announce(`Copied ${visible(what)}`);
    },
  }, "Copy");
}

/** A choice of one among few. */
export function select({ label, value, options, onchange, ...others }) {
  return h("label", { class: "field" }, h("span", {}, label),
    h("select", { onchange: (event) => onchange(event.target.value), ...others },
      options.map(([each, text]) => h("option", { value: each, selected: each === value }, text))));
}
