// What GET /metrics says, taken every two seconds and kept for ten minutes: rates and latencies between two moments.

import { text } from "./api.js";
import { histogram, parse, quantile, rate, total, totals } from "./metrics.js";

export const KEPT = 10 * 60 * 1000; // milliseconds
export const EVERY = 2; // seconds

/** The names of the gateway's metrics, as docs/reference/metrics.md has them. */
export const NAMES = {
  requests: "agw_http_requests_total",
  connections: "agw_connections",
  accepted: "agw_connections_accepted_total",
  handshakes: "agw_tls_handshakes_total",
  refusals: "agw_client_certificate_refusals_total",
  latency: "agw_http_request_duration_seconds",
};

const CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/** The points of the last ten minutes; there is one of these for the page, whatever view it shows. */
export class Traffic {
  constructor() {
    this.points = [];
    this.before = null;
    this.began = null;
    this.watchers = new Set();
  }

  /** The moment of the first samples, until they are ten minutes old. */
  get since() {
    return this.before && this.before.at - this.began < KEPT ? this.began : null;
  }

  /** How many clients were refused in what is kept, by reason, the most frequent first. */
  refusedBy() {
    const sums = new Map();
    for (const { reasons } of this.points) for (const [reason, rose] of reasons) sums.set(reason, (sums.get(reason) ?? 0) + rose);
    return [...sums].sort(([, one], [, other]) => other - one);
  }

  /** Asks; the poll that calls this shows errors. */
  async ask() {
    const samples = parse(await text("metrics"));
    this.take(samples, Date.now());
    return samples;
  }

  /** Takes the samples of a moment. */
  take(samples, at) {
    const state = { at, samples, latency: histogram(samples, NAMES.latency), classes: byClass(samples) };
    if (this.before && at > this.before.at) this.points.push(between(this.before, state));
    while (this.points.length && this.points[0].at < at - KEPT) this.points.shift();
    this.before = state;
    this.began ??= at;
    for (const watch of [...this.watchers]) watch();
  }
}

function between(before, after) {
  const seconds = (after.at - before.at) / 1000;
  // A counter that has counted nothing yet may be missing.
  const rose = (name) => rate(total(before.samples, name) ?? 0, total(after.samples, name) ?? 0, seconds);
  const values = {
    requests: rose(NAMES.requests),
    connections: total(after.samples, NAMES.connections) ?? 0,
    accepted: rose(NAMES.accepted),
    handshakes: rose(NAMES.handshakes),
    refusals: rose(NAMES.refusals),
    p50: quantile(0.5, before.latency, after.latency),
    p99: quantile(0.99, before.latency, after.latency),
  };
  for (const each of CLASSES) {
    values[each] = rate(before.classes.get(each) ?? 0, after.classes.get(each) ?? 0, seconds);
  }
  return { at: after.at, values, reasons: refused(before.samples, after.samples) };
}

function refused(before, after) {
  const by = (samples) => totals(samples, NAMES.refusals, (labels) => labels.reason);
  const earlier = by(before);
  return [...by(after)]
    .map(([reason, value]) => [reason, value - (value >= (earlier.get(reason) ?? 0) ? earlier.get(reason) ?? 0 : 0)])
    .filter(([, rose]) => rose > 0);
}

function byClass(samples) {
  return totals(samples, NAMES.requests, (labels) => labels.code ?? null);
}
