// What passes through the gateway now, where it is stopped, and what needs a person.

import { HEALTH } from "./backends.js";
import { SOON, urgency } from "./certificates.js";
import { h, show } from "./dom.js";
import { clock, count, day, duration, endpoint, number, plural } from "./format.js";
import { problem, state } from "./parts.js";
import { Plot, Pointer } from "./plot.js";
import { KEPT } from "./traffic.js";

export const overview = {
  path: "overview",
  title: "Overview",
  start(view) {
    const { traffic, standing, feed } = view.page;
    const pointer = new Pointer();
    const plots = graphics(pointer);
    const trouble = h("div", {});
    const stages = h("ol", { class: "stages", "aria-label": "The way of a request through the gateway" });
    const attention = h("section", { class: "card" });
    const reasons = h("section", { class: "card" });
    const recent = h("section", { class: "card" });
    view.root.append(h("h1", { tabindex: -1, class: "unseen" }, "Overview"), trouble, stages,
      h("div", { class: "plots" }, plots.map((each) => each.element)), h("div", { class: "columns" }, attention, reasons, recent));

    const draw = () => {
      show(trouble, view.page.poll.error && problem(view.page.poll.error, () => view.page.poll.now()));
      show(stages, flow(traffic.points.at(-1)?.values ?? {}, standing));
      show(reasons, byReason(traffic.refusedBy(), traffic.since));
      for (const each of plots) each.update(traffic.points, Date.now());
    };
    const drawStanding = () => {
      show(attention, needs(standing));
      draw();
    };
    const drawEvents = () => show(recent, happened(feed));
    traffic.watchers.add(draw);
    standing.watchers.add(drawStanding);
    view.stopping(() => {
      traffic.watchers.delete(draw);
      standing.watchers.delete(drawStanding);
      for (const each of plots) each.close();
    });
    view.heard(null, drawEvents);
    drawStanding();
    drawEvents();
  },
};

function graphics(pointer) {
  const common = { pointer, range: KEPT };
  return [
    new Plot({ ...common, title: "Requests/s", stacked: true, format: number, series: [
      { name: "2xx", label: "2xx", tone: "tone-1" }, { name: "3xx", label: "3xx", tone: "tone-2" },
      { name: "4xx", label: "4xx", tone: "tone-3" }, { name: "5xx", label: "5xx", tone: "tone-4" }] }),
    new Plot({ ...common, title: "Latency", format: duration, series: [
      { name: "p50", label: "median", tone: "tone-1" }, { name: "p99", label: "99 %", tone: "tone-5" }] }),
    new Plot({ ...common, title: "Connections", whole: true, format: (value) => (value !== null && value < 10 ? number(value) : count(value)), series: [
      { name: "connections", label: "open", tone: "tone-2" }] }),
    new Plot({ ...common, title: "Handshakes/s", format: number, series: [
      { name: "handshakes", label: "handshakes", tone: "tone-1" }, { name: "refusals", label: "refusals", tone: "tone-4" }] }),
  ];
}

function flow(now, standing) {
  const errors = now["5xx"] ?? null;
  const servers = standing.servers();
  const up = servers.filter((each) => each.health === "Up").length;
  return [
    stage("#/clients", "Connections", count(now.connections), `${number(now.accepted ?? null)} new/s`),
    stage("#/listeners", "Handshakes", number(now.handshakes ?? null), "per second"),
    stage("#/refusals", "Refused clients", number(now.refusals ?? null), "per second", now.refusals > 0 ? "warn" : ""),
    stage("#/overview", "Requests", number(now.requests ?? null), `per second · ${duration(now.p50 ?? null)}`),
    stage("#/overview", "Failures (5xx)", number(errors), "per second", errors > 0 ? "bad" : ""),
    stage("#/backends", "Servers", servers.length ? `${up} / ${servers.length}` : "–", "up", servers.length && up < servers.length ? (up ? "warn" : "bad") : ""),
  ];
}

function stage(href, name, value, unit, tone = "") {
  return h("li", { class: tone }, h("a", { href }, h("span", { class: "name" }, name), h("b", {}, value), h("span", { class: "unit" }, unit)));
}

function needs(standing) {
  const lines = standing.needs();
  return [
    h("h2", {}, "Needs attention"),
    !standing.known ? h("p", { class: "empty" }, "Asking the gateway …")
      : lines.length ? h("ul", { class: "plain" }, lines.map((each) => h("li", {}, h("a", { href: each.href }, state(each.tone, each.text), each.more && h("small", {}, each.more)))))
        : h("p", { class: "calm" }, state("good", "Nothing: all servers are up, no certificate ends soon.")),
  ];
}

function byReason(found, since) {
  const most = Math.max(1, ...found.map(([, value]) => value));
  return [
    h("h2", {}, "Refusals by reason", h("small", {}, since ? `since ${clock(since)}` : "10 minutes")),
    found.length
      ? h("ul", { class: "bars" }, found.slice(0, 8).map(([reason, value]) => h("li", { key: reason },
        h("a", { href: `#/refusals?search=${encodeURIComponent(reason)}` }, h("span", {}, reason), h("b", {}, count(value))),
        h("meter", { class: "warn", min: 0, max: most, value, "aria-hidden": "true" }))))
      : h("p", { class: "empty" }, "No client was refused."),
  ];
}

/** What an event says: where it leads, its tone, a sentence, and more about it. */
const SAID = {
  refusal: (each) => each.omitted
    ? ["#/refusals", "bad", plural(each.omitted, "further refusal"), null]
    : ["#/refusals", "bad", each.reason, each.subject ?? each.listener],
  health: (each) => ["#/backends", HEALTH[each.after] ?? "off", `${each.server} is ${each.after}`, each.reason],
  reload: (each) => each.outcome === "rejected"
    ? ["#/configuration", "bad", "a new configuration was rejected", plural(each.problems.length, "problem")]
    : ["#/configuration", "good", `generation ${each.generation} is in force`, null],
  worker: (each) => ["#/overview", each.outcome === "started" ? "good" : "warn", `worker ${each.worker} has ${each.outcome}`, each.how],
  certificate: (each) => ["#/certificates", "warn", `${each.name} ends ${day(each.not_after)}`, each.subject],
};

function happened(feed) {
  const all = Object.keys(SAID).flatMap((kind) => feed.of(kind).slice(0, 12).map((each) => [kind, each]));
  const latest = all.sort(([, one], [, other]) => (one.at < other.at ? 1 : -1)).slice(0, 8);
  return [
    h("h2", {}, "Events", h("small", {}, feed.open ? "live" : "not connected")),
    latest.length
      ? h("ul", { class: "plain events" }, latest.map(([kind, each]) => {
        const [href, tone, text, more] = SAID[kind](each);
        return h("li", {}, h("time", { datetime: each.at }, clock(each.at)), h("a", { href }, state(tone, text), more && h("small", {}, more)));
      }))
      : h("p", { class: "empty" }, "None since this page was opened."),
  ];
}

/** What the lists of the gateway say that a person should know: asked every ten seconds, whatever view is shown. */
export class Standing {
  constructor() {
    this.watchers = new Set();
    this.known = false;
    this.status = null;
    this.backends = null;
    this.certificates = null;
    this.configuration = null;
    this.revocation = null;
  }

  take(found) {
    Object.assign(this, found, { known: true });
    for (const watch of [...this.watchers]) watch();
  }

  /** Every server with its pool and settings. */
  servers() {
    return (this.backends?.backend_pools ?? []).flatMap((pool) =>
      pool.backend_settings.flatMap((settings) => settings.servers.map((each) => ({ ...each, pool: pool.name }))));
  }

  needs() {
    const down = this.servers().filter((each) => ["Down", "Partial", "Draining"].includes(each.health))
      .map((each) => ({ href: "#/backends", tone: each.health === "Down" ? "bad" : "warn", text: `${endpoint(each.address, each.port)} is ${each.health}`, more: `${each.pool}${each.health === "Down" && each.health_probe_log ? `: ${each.health_probe_log}` : ""}` }));
    const ending = (this.certificates?.certificates ?? []).filter((each) => each.days_left < SOON)
      .map((each) => ({ href: "#/certificates", tone: urgency(each.days_left), text: `${each.name} ${each.days_left < 0 ? "has ended" : `ends in ${plural(each.days_left, "day")}`}`, more: `${each.kind.replace(/_/g, " ")}, ${each.subject}` }));
    const last = this.status?.last_reload;
    const rejected = last?.outcome === "rejected" ? [{ href: "#/configuration", tone: "bad", text: "The last reload was rejected", more: plural(last.problems.length, "problem") }] : [];
    const warnings = this.configuration?.warnings.length ? [{ href: "#/configuration", tone: "warn", text: plural(this.configuration.warnings.length, "warning"), more: "about the configuration" }] : [];
    const circuits = (this.revocation?.responders ?? []).filter((each) => each.circuit !== "closed")
      .map((each) => ({ href: "#/revocation", tone: "bad", text: "A responder does not answer", more: each.url ?? each.address }));
    return [...down, ...rejected, ...circuits, ...ending, ...warnings].slice(0, 12);
  }
}
