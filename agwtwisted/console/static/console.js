// The page: which view the address names, what is asked whatever view is shown, and whether the gateway answers.

import { connection, get, probe, setToken, takeToken } from "./api.js";
import { backends } from "./backends.js";
import { certificates, SOON } from "./certificates.js";
import { clients } from "./clients.js";
import { configuration } from "./configuration.js";
import { h, show } from "./dom.js";
import { explain } from "./explain.js";
import { clock, span } from "./format.js";
import { listeners } from "./listeners.js";
import { Feed, Poll } from "./live.js";
import { overview, Standing } from "./overview.js";
import { refusals } from "./refusals.js";
import { revocation } from "./revocation.js";
import { EVERY, Traffic } from "./traffic.js";

const VIEWS = [overview, refusals, clients, listeners, backends, certificates, revocation, explain, configuration];
const AGAIN = 1000; // milliseconds between two questions whether the gateway is back

takeToken();

const page = { traffic: new Traffic(), standing: new Standing(), feed: new Feed() };
const main = document.getElementById("main");
let current = null;
let shown = location.hash; // the address that the view was made of

/** What a view is given: where it draws, what its address says, and ways to hear of changes. */
class View {
  constructor(description, query) {
    Object.assign(this, { description, query, page, feed: page.feed, stopped: false, ends: [], watchers: [] });
    this.root = h("div", { class: `view ${description.path}` });
  }

  /** Calls `end` when another view is shown. */
  stopping(end) {
    this.ends.push(end);
  }

  /** Calls `heard(members)` for each event of a kind; null: of every kind. */
  heard(kind, heard) {
    this.stopping(page.feed.listen((found, members) => (kind === null || kind === found) && heard(members)));
  }

  /** Calls `watch` when the address of the view says something else. */
  changed(watch) {
    this.watchers.push(watch);
  }

  /** Changes what the address says; as a step, the browser's "back" leads to where it was. */
  refine(changes, { step = false } = {}) {
    for (const [name, value] of Object.entries(changes)) {
      if (value) this.query.set(name, value);
      else this.query.delete(name);
    }
    const said = this.query.toString();
    shown = `#/${this.description.path}${said ? `?${said}` : ""}`;
    history[step ? "pushState" : "replaceState"](null, "", shown);
    this.turn();
  }

  turn() {
    for (const watch of this.watchers) watch();
  }

  stop() {
    this.stopped = true;
    for (const end of this.ends) end();
  }
}

function route({ focus = true } = {}) {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const description = VIEWS.find((each) => each.path === path) ?? overview;
  const asked = new URLSearchParams(query ?? "");
  if (current?.description === description) {
    current.query = asked;
    current.turn();
    return;
  }
  current?.stop();
  current = new View(description, asked);
  document.title = `${description.title} – agwtwisted`;
  main.replaceChildren(current.root);
  description.start(current);
  drawNavigation();
  setMenu(false);
  if (focus) {
    window.scrollTo(0, 0);
    current.root.querySelector("h1").focus({ preventScroll: true });
  }
}

function drawNavigation() {
  const { standing } = page;
  const down = standing.servers().filter((each) => each.health === "Down").length;
  const ending = (standing.certificates?.certificates ?? []).filter((each) => each.days_left < SOON).length;
  const marks = {
    backends: down > 0 && ["bad", down, "down"],
    certificates: ending > 0 && ["warn", ending, "end soon"],
    configuration: standing.configuration?.warnings.length > 0 && ["warn", standing.configuration.warnings.length, "warnings"],
    refusals: unseen > 0 && ["", unseen > 99 ? "99+" : unseen, "new"],
  };
  show(document.getElementById("views"), h("ul", {}, VIEWS.map(({ path, title }) => {
    const [tone, value, meaning] = marks[path] || [];
    return h("li", {}, h("a", { href: `#/${path}`, "aria-current": current?.description.path === path ? "page" : null, onclick: () => setMenu(false) }, h("span", {}, title),
      value !== undefined && h("span", { class: `mark ${tone}` }, String(value), h("span", { class: "unseen" }, ` ${meaning}`))));
  })));
}

let unseen = 0;
page.feed.listen((kind) => {
  if (kind !== "refusal") return;
  unseen = current?.description === refusals ? 0 : unseen + 1;
  later();
});
let drawing = null;
function later() {
  drawing ??= setTimeout(() => {
    drawing = null;
    drawNavigation();
  }, 250);
}

function drawIdentity() {
  const status = page.standing.status;
  if (!status) return;
  const parts = [status.version, status.phase !== "running" && status.phase, typeof status.uptime === "number" && `up ${span(status.uptime).split(" ").slice(0, 2).join(" ")}`];
  show(document.getElementById("identity"), parts.filter(Boolean).join(" · "));
}

/** Which part of the whole could not be had is left as it was: its own view shows the problem. */
async function askStanding() {
  const names = ["status", "backends", "certificates", "configuration", "revocation"];
  const answers = await Promise.allSettled(names.map((each) => get(each)));
  if (answers.every((each) => each.status === "rejected")) throw answers[0].reason;
  return Object.fromEntries(answers.flatMap((each, index) => (each.status === "fulfilled" ? [[names[index], each.value]] : [])));
}

// The banner, the panel for a token, and the questions whether the gateway is back.

let asking = null;
function drawConnection() {
  const gone = connection.state === "gone";
  document.body.classList.toggle("without", gone);
  show(document.getElementById("gone"), gone && h("p", {}, h("strong", {}, "The gateway does not answer"), ` since ${clock(connection.since)} UTC. What is shown is what it said last; this page goes on by itself once it is back.`));
  clearInterval(asking);
  asking = gone ? setInterval(probe, AGAIN) : null;
  drawToken();
}

let panel = null;
function drawToken() {
  if (connection.state !== "denied") {
    panel?.remove();
    panel = null;
    return;
  }
  if (panel) return;
  const field = h("input", { type: "password", autocomplete: "off", id: "token", required: true });
  panel = h("dialog", { "aria-labelledby": "dialog-title", oncancel: (event) => event.preventDefault() },
    h("h2", { id: "dialog-title" }, "This page needs a token"),
    h("p", {}, "The command ", h("code", {}, "agw console"), " opens this page with it. Or paste it here: it is the text of the file ", h("code", {}, "token_file"), " of the section ", h("code", {}, "[control]"), "."),
    h("form", { method: "dialog", onsubmit: (event) => {
      event.preventDefault();
      setToken(field.value.trim());
      probe();
    } }, h("label", { class: "field" }, h("span", {}, "Token"), field),
    h("div", { class: "actions" }, h("button", { type: "submit", class: "strong" }, "Go on"))));
  document.body.append(panel);
  panel.showModal();
}

// Dark and light: as the system has it, until a person chooses.

const THEMES = [["", "As the system"], ["light", "Light"], ["dark", "Dark"]];
function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  localStorage.setItem("agwtwisted-theme", theme);
}

function drawSettings() {
  const chosen = localStorage.getItem("agwtwisted-theme") ?? "";
  setTheme(chosen);
  show(document.getElementById("settings"), h("label", {}, h("span", {}, "Colours"),
    h("select", { id: "theme", onchange: (event) => setTheme(event.target.value) },
      THEMES.map(([each, text]) => h("option", { value: each, selected: each === chosen }, text)))),
  h("p", {}, "Times are UTC."));
}

const menu = document.getElementById("menu");
function setMenu(open) {
  menu.setAttribute("aria-expanded", String(open));
  document.querySelector(".rail").classList.toggle("opened", open);
}
menu.onclick = () => setMenu(menu.getAttribute("aria-expanded") !== "true");
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && menu.getAttribute("aria-expanded") === "true") {
    setMenu(false);
    menu.focus();
  }
});
// Without this the address would name the place in the page, and not the view.
document.querySelector(".skip").onclick = (event) => {
  event.preventDefault();
  main.focus();
};

drawSettings();
connection.watchers.add(drawConnection);
page.poll = new Poll(() => page.traffic.ask(), EVERY, () => {
  if (page.poll.error) for (const watch of [...page.traffic.watchers]) watch();
});
// Browsers report a new fragment by both events.
for (const event of ["hashchange", "popstate"]) {
  window.addEventListener(event, () => {
    takeToken();
    if (location.hash === shown) return;
    shown = location.hash;
    if (shown.startsWith("#/refusals")) unseen = 0;
    route();
  });
}
page.standing.watchers.add(() => {
  drawNavigation();
  drawIdentity();
});
route({ focus: false });
page.poll.start();
const standing = new Poll(askStanding, 10, (poll) => {
  if (poll.data && !poll.error) page.standing.take(poll.data);
}).start();
page.feed.listen((kind) => ["health", "reload", "certificate", "worker"].includes(kind) && standing.now());
page.feed.run();
