// What is asked again and again, and what the gateway reports by itself.

import { answering, ApiError, connection, get, GoneError, open } from "./api.js";

/** Asks every `seconds`, one question at a time; `changed` gets {data, error}, data being the last answer. */
export class Poll {
  constructor(ask, seconds, changed) {
    this.ask = typeof ask === "string" ? () => get(ask) : ask;
    this.seconds = seconds;
    this.changed = changed;
    this.data = null;
    this.error = null;
    this.stopped = false;
    this.turn = 0;
  }

  start() {
    this.now();
    return this;
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** Asks at once; an answer to an earlier question is dropped. */
  async now() {
    clearTimeout(this.timer);
    const turn = (this.turn += 1);
    try {
      const data = await this.ask();
      if (!this.ours(turn)) return;
      this.data = data;
      this.error = null;
    } catch (error) {
      if (!this.ours(turn)) return;
      this.error = error;
    }
    this.changed(this);
    const answers = connection.state === "answers";
    if (!answers) await answering();
    if (this.ours(turn)) this.timer = setTimeout(() => this.now(), answers ? this.seconds * 1000 : 0);
  }

  ours(turn) {
    return !this.stopped && turn === this.turn;
  }
}

const KEPT = 500; // events of each kind

/** The events of GET /events, the newest first, and who wants to hear of each. */
export class Feed {
  constructor() {
    this.events = {};
    this.listeners = new Set();
    this.lastId = null;
    this.wait = 500;
    this.open = false;
    this.reading = null;
    // Only a page that is seen reads: a browser has six connections for a place, whatever the number of its tabs, and
    // one that it keeps for "back" would keep its own. What was missed comes when it is seen again.
    window.addEventListener("pagehide", () => this.reading?.abort());
    document.addEventListener("visibilitychange", () => document.hidden && this.reading?.abort());
  }

  /** Calls `heard(kind, members)` for each event; returns a function that ends that. */
  listen(heard) {
    this.listeners.add(heard);
    return () => this.listeners.delete(heard);
  }

  /** The events of a kind, the newest first. */
  of(kind) {
    return this.events[kind] ?? [];
  }

  /** Reads for as long as the page is open, and begins again behind the last event that came. */
  async run() {
    for (;;) {
      await seen();
      await answering();
      try {
        await this.read();
      } catch (error) {
        if (!(error instanceof GoneError || error instanceof ApiError || error instanceof TypeError || error.name === "AbortError")) throw error;
      }
      this.turn(false);
      await new Promise((resolve) => setTimeout(resolve, this.wait));
      this.wait = Math.min(this.wait * 2, 5000);
    }
  }

  async read() {
    this.reading = new AbortController();
    const answer = await open("events", this.lastId, this.reading.signal);
    this.turn(true);
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new EventParser((kind, data, id) => this.take(kind, data, id));
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      this.wait = 500;
      parser.feed(value);
    }
  }

  turn(open) {
    if (this.open === open) return;
    this.open = open;
    this.tell("stream", { open });
  }

  take(kind, data, id) {
    if (id) this.lastId = id;
    let members;
    try {
      members = JSON.parse(data);
    } catch {
      return;
    }
    const kept = (this.events[kind] ??= []);
    kept.unshift({ at: new Date().toISOString(), ...members });
    kept.length = Math.min(kept.length, KEPT);
    this.tell(kind, kept[0]);
  }

  tell(kind, members) {
    for (const heard of [...this.listeners]) heard(kind, members);
  }
}

function seen() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

const LONGEST = 1 << 20; // characters of an event

/** Server-Sent Events (HTML, 9.2.6) from pieces of text. */
export class EventParser {
  constructor(taken) {
    this.taken = taken;
    this.rest = "";
    this.clear();
  }

  feed(piece) {
    const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    if (this.rest.length > LONGEST) throw new TypeError("an event has no end");
    for (const line of lines) this.line(line);
  }

  line(line) {
    if (line === "") {
      if (this.data.length) this.taken(this.kind || "message", this.data.join("\n"), this.id);
      this.clear();
      return;
    }
    const [, field, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (field === "data") this.data.push(value ?? "");
    else if (field === "event") this.kind = value ?? "";
    else if (field === "id") this.id = value ?? "";
  }

  clear() {
    this.data = [];
    this.kind = "";
    this.id = null;
  }
}
