// Prometheus' text format, as far as the gateway writes it: names, labels and values; and what differences mean.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? ([^ ]+)(?: .*)?$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/g;
const ESCAPES = { n: "\n", "\\": "\\", '"': '"' };

/** The samples of a text by their name: a Map to lists of {labels, value}. */
export function parse(text) {
  const samples = new Map();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const found = LINE.exec(line);
    if (!found) continue;
    const [, name, labels, value] = found;
    if (!samples.has(name)) samples.set(name, []);
    samples.get(name).push({ labels: labelsOf(labels ?? ""), value: numberOf(value) });
  }
  return samples;
}

/** The sum of all samples of a name whose labels `chosen` takes; null: there is none of that name. */
export function total(samples, name, chosen = () => true) {
  const found = samples.get(name);
  if (!found) return null;
  return found.reduce((sum, each) => (chosen(each.labels) ? sum + each.value : sum), 0);
}

/** The sums of the samples of a name by what `group` makes of their labels. */
export function totals(samples, name, group) {
  const sums = new Map();
  for (const { labels, value } of samples.get(name) ?? []) {
    const key = group(labels);
    if (key !== null && key !== undefined) sums.set(key, (sums.get(key) ?? 0) + value);
  }
  return sums;
}

/** The cumulative counts of a histogram by their upper bound, all its labels summed: a Map, ascending. */
export function histogram(samples, name, chosen = () => true) {
  const sums = totals(samples, `${name}_bucket`, (labels) => (chosen(labels) ? numberOf(labels.le) : null));
  return new Map([...sums].sort(([one], [other]) => one - other));
}

/**
 * The quantile of what was counted between two states of a histogram, interpolated within its bucket as
 * Prometheus' histogram_quantile does; null: nothing was counted between them.
 */
export function quantile(share, before, after) {
  const bounds = [...after.keys()];
  const counts = bounds.map((bound) => Math.max(0, after.get(bound) - (before.get(bound) ?? 0)));
  const all = counts.at(-1);
  if (!all) return null;
  const rank = share * all;
  const index = counts.findIndex((each) => each >= rank);
  const lower = index === 0 ? 0 : bounds[index - 1];
  if (bounds[index] === Infinity) return lower;
  const below = index === 0 ? 0 : counts[index - 1];
  const within = counts[index] - below;
  return within ? lower + (bounds[index] - lower) * ((rank - below) / within) : bounds[index];
}

/** How much a counter rose each second; one that fell was begun anew (the gateway was started again). */
export function rate(before, after, seconds) {
  if (before === null || after === null || seconds <= 0) return null;
  return (after >= before ? after - before : after) / seconds;
}

function labelsOf(text) {
  return Object.fromEntries(
    [...text.matchAll(LABEL)].map(([, name, value]) => [name, value.replace(/\\(.)/g, (_, each) => ESCAPES[each] ?? each)]),
  );
}

function numberOf(text) {
  return text === "+Inf" ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}
