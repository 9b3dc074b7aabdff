// A plot over time: lines, or areas on each other; SVG in the size that it has on the screen.

import { h, show, svg } from "./dom.js";
import { clock } from "./format.js";

const HEIGHT = 132;
const LEFT = 54;
const RIGHT = 6;
const TOP = 8;
const BOTTOM = 20;
const SHORTEST = 2 * 60 * 1000; // milliseconds: as much is shown at least, more as it passes


/** The moment that is pointed at, which all plots of a view have in common. */
export class Pointer {
  constructor() {
    this.at = null;
    this.watchers = new Set();
  }

  move(at) {
    this.at = at;
    for (const watch of this.watchers) watch();
  }
}

/**
 * One plot. `series` are {name, label, tone}; points are {at, values: {name: number or null}} in ascending order;
 * `whole`: they are counts; a gap of more than `gap` milliseconds between two points stays empty.
 */
export class Plot {
  constructor({ title, series, format, pointer, range, stacked = false, whole = false, gap = 10000 }) {
    Object.assign(this, { title, series, format, pointer, range, stacked, whole, gap });
    this.points = [];
    this.now = Date.now();
    this.graphic = svg("svg", { class: "graphic", "aria-hidden": "true", height: HEIGHT });
    this.legend = h("ul", { class: "legend" });
    this.readout = h("p", { class: "unseen", "aria-live": "polite" });
    this.element = h("figure", {
      class: "plot", tabindex: 0, role: "group", "aria-roledescription": "plot",
      "aria-label": `${title}. Arrow keys move through time.`,
      onkeydown: (event) => this.key(event),
      onpointermove: (event) => this.point(event),
      onpointerleave: () => this.pointer.move(null),
      onblur: () => this.pointer.move(null),
    }, h("figcaption", {}, h("h3", {}, title), this.legend), this.graphic, this.readout);
    this.sizes = new ResizeObserver(() => this.draw());
    this.sizes.observe(this.element);
    this.watch = () => this.draw();
    pointer.watchers.add(this.watch);
  }

  close() {
    this.sizes.disconnect();
    this.pointer.watchers.delete(this.watch);
  }

  update(points, now) {
    this.points = points;
    this.now = now;
    this.draw();
  }

  draw() {
    const width = Math.max(200, Math.floor(this.element.clientWidth));
    this.width = width;
    this.shown = Math.min(this.range, Math.max(SHORTEST, this.now - (this.points[0]?.at ?? this.now)));
    const top = this.whole ? even(nice(this.highest())) : nice(this.highest());
    const x = (at) => LEFT + (1 - (this.now - at) / this.shown) * (width - LEFT - RIGHT);
    const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
    this.graphic.setAttribute("width", width);
    this.graphic.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    show(this.graphic, this.grid(x, y, top), this.shapes(x, y), this.cross(x, y));
    this.describe();
  }

  highest() {
    const levels = this.points.map(({ values }) => {
      const present = this.series.map(({ name }) => values[name] ?? 0);
      return this.stacked ? present.reduce((sum, each) => sum + each, 0) : Math.max(...present);
    });
    return Math.max(0, ...levels);
  }

  grid(x, y, top) {
    const levels = [0, top / 2, top].map((value) => [
      svg("line", { class: value ? "rule" : "base", x1: LEFT, x2: this.width - RIGHT, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, this.format(value).replace(/\.0+(?= |$)/, "")),
    ]);
    const minute = 60000;
    const step = Math.ceil(this.shown / (this.width < 420 ? 2 : 5) / minute) * minute;
    const times = [];
    for (let at = Math.ceil((this.now - this.shown) / step) * step; at <= this.now; at += step) {
      if (x(at) < LEFT + 14 || x(at) > this.width - 16) continue;
      times.push(svg("text", { class: "tick", x: x(at), y: HEIGHT - 5, "text-anchor": "middle" }, clock(at).slice(0, 5)));
    }
    return svg("g", {}, levels, times);
  }

  shapes(x, y) {
    const floor = this.points.map(() => 0);
    const drawn = this.series.filter(({ name }) => !this.stacked || this.points.some(({ values }) => values[name]));
    return svg("g", {}, drawn.map(({ name, tone }) => {
      const levels = this.points.map(({ values }, index) => {
        const value = values[name];
        if (value === null || value === undefined) return null;
        return this.stacked ? (floor[index] += value) : value;
      });
      const low = this.stacked ? levels.map((level, index) => level === null ? null : level - this.points[index].values[name]) : null;
      return runs(this.points, levels, this.gap).map((run) => [
        this.stacked && svg("path", { class: `area ${tone}`, d: area(run, levels, low, this.points, x, y) }),
        svg("path", { class: `line ${tone}`, d: line(run.map((index) => [x(this.points[index].at), y(levels[index])])) }),
      ]);
    }));
  }

  cross(x, y) {
    const point = this.pointed();
    return point && svg("g", {}, svg("line", { class: "cross", x1: x(point.at), x2: x(point.at), y1: TOP, y2: HEIGHT - BOTTOM }),
      svg("text", { class: "tick strong", x: Math.min(Math.max(x(point.at), LEFT + 24), this.width - 28), y: HEIGHT - 5, "text-anchor": "middle" }, clock(point.at)));
  }

  pointed() {
    if (this.pointer.at === null) return null;
    return this.points.reduce((best, each) =>
      best === null || Math.abs(each.at - this.pointer.at) < Math.abs(best.at - this.pointer.at) ? each : best, null);
  }

  describe() {
    const point = this.pointed();
    const shown = point ?? this.points.at(-1);
    show(this.legend, this.series.map(({ name, label, tone }) =>
      h("li", {}, h("i", { class: `swatch ${tone}` }), `${label} `, h("b", {}, this.format(shown?.values[name] ?? null)))));
    const read = document.activeElement === this.element && point
      ? `${clock(point.at)}: ${this.series.map(({ name, label }) => `${label} ${this.format(point.values[name] ?? null)}`).join(", ")}`
      : "";
    show(this.readout, read);
  }

  point(event) {
    const box = this.graphic.getBoundingClientRect();
    const share = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
    if (share >= 0 && share <= 1) this.pointer.move(this.now - (1 - share) * this.shown);
  }

  key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -15, PageDown: 15, Home: -Infinity, End: Infinity };
    if (event.key === "Escape") this.pointer.move(null);
    if (!(event.key in steps) || !this.points.length) return;
    event.preventDefault();
    const current = this.points.indexOf(this.pointed() ?? this.points.at(-1));
    const next = Math.min(Math.max(current + steps[event.key], 0), this.points.length - 1);
    this.pointer.move(this.points[next].at);
  }
}

function nice(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((each) => each * power).find((each) => each >= value * 1.001) ?? 10 * power;
}

/** Of what is counted there are no halves. */
function even(value) {
  return 2 * Math.max(1, Math.ceil(value / 2));
}

function runs(points, levels, gap) {
  const found = [];
  let run = [];
  points.forEach((point, index) => {
    const torn = run.length && point.at - points[run.at(-1)].at > gap;
    if (levels[index] === null || torn) {
      if (run.length) found.push(run);
      run = [];
    }
    if (levels[index] !== null) run.push(index);
  });
  if (run.length) found.push(run);
  return found;
}

function line(corners) {
  return corners.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

function area(run, levels, low, points, x, y) {
  const upper = run.map((index) => [x(points[index].at), y(levels[index])]);
  const lower = run.map((index) => [x(points[index].at), y(low[index])]).reverse();
  return `${line([...upper, ...lower])}Z`;
}
