// Numbers and times as text. Times are UTC, as in the gateway's logs.

const GROUPED = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A count: 12,345. */
export function count(value) {
  return value === null || value === undefined ? "–" : GROUPED.format(value);
}

/** One word or its plural behind a count. */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** A rate or a measured number with three digits that count. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  if (value >= 100) return GROUPED.format(value);
  if (value >= 10) return value.toFixed(1);
  return value.toFixed(value >= 0.1 ? 2 : 3);
}

/** Seconds as a person reads them: 420 µs, 1.25 ms, 3.0 s. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds === 0) return "0";
  if (seconds < 0.001) return `${Math.round(seconds * 1e6)} µs`;
  if (seconds < 1) return `${short(seconds * 1e3)} ms`;
  return `${short(seconds)} s`;
}

/** A long time in its two largest units: 3 d 4 h. */
export function span(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  let rest = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [unit, size] of units) {
    if (rest >= size || (unit === "s" && !parts.length)) {
      parts.push(`${Math.floor(rest / size)} ${unit}`);
      rest %= size;
    } else if (parts.length) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** Bytes: 1.5 MiB. */
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let rest = value;
  let unit = 0;
  for (; rest >= 1024 && unit < units.length - 1; unit += 1) rest /= 1024;
  return `${unit ? short(rest) : rest} ${units[unit]}`;
}

/** A moment, of ISO 8601 or of milliseconds, as 2026-06-01 12:00:00. */
export function moment(value) {
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? String(value) : date.toISOString().slice(0, 19).replace("T", " ");
}

/** Its day: 2026-06-01. */
export function day(value) {
  return moment(value).slice(0, 10);
}

/** Its time of the day: 12:00:00. */
export function clock(value) {
  return moment(value).slice(11);
}

/** How long ago it was: 5 min ago. */
export function ago(value, now = Date.now()) {
  const seconds = (now - new Date(value).getTime()) / 1000;
  return seconds < 1 ? "now" : `${span(seconds).split(" ").slice(0, 2).join("\u00a0")} ago`;
}

/** An address and a port, an IPv6 address in brackets. */
export function endpoint(address, port) {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Hexadecimal digits in pairs, so that two can be compared. */
export function pairs(digits) {
  return digits.replace(/:/g, "").replace(/(..)(?=.)/g, "$1:");
}

function short(value) {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
