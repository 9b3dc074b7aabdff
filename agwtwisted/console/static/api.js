// Asks the control API of the gateway, and knows whether it answers.

const BASE = new URL("../", new URL(".", location.href));
const STORED = "agwtwisted-token";
const SOON = 15000; // milliseconds for an answer that is there already
const LATE = 120000; // for a reload, which reads and judges a configuration

/** What the API has refused: its status and its own words. */
export class ApiError extends Error {
  constructor(status, members) {
    super(members.error ?? `the gateway answered ${status}`);
    this.status = status;
    this.members = members;
  }
}

/** The gateway did not answer. */
export class GoneError extends Error {}

/** Whether the gateway answers: "answers", "gone" or "denied" (it does not take the token). */
export const connection = {
  state: "answers",
  since: Date.now(),
  watchers: new Set(),
};

/** Takes the token of the address, which it leaves, or the one of this tab. */
export function takeToken() {
  const found = /^#token=([^&]+)(?:&(.*))?$/.exec(location.hash);
  if (!found) return;
  setToken(decodeURIComponent(found[1]));
  history.replaceState(null, "", `#${found[2] ?? "/overview"}`);
}

/** Keeps a token for this tab. */
export function setToken(token) {
  sessionStorage.setItem(STORED, token);
}

/** GET. */
export function get(path) {
  return ask("GET", path).then((answer) => answer.json());
}

/** GET of text. */
export function text(path) {
  return ask("GET", path).then((answer) => answer.text());
}

/** POST of a JSON object. */
export function post(path, members = {}) {
  return ask("POST", path, members).then((answer) => answer.json());
}

/** The answer to GET /events as it comes, from after the event with this id. */
export function open(path, lastId, signal) {
  const headers = lastId ? { "Last-Event-ID": lastId } : {};
  return send("GET", path, { signal, headers: { ...headers, Accept: "text/event-stream" } });
}

/** A path of which each segment comes from outside. */
export function segments(...parts) {
  return parts.map((each) => encodeURIComponent(each)).join("/");
}

/** Fires once the gateway answers. */
export function answering() {
  if (connection.state === "answers") return Promise.resolve();
  return new Promise((resolve) => {
    const watch = () => {
      if (connection.state !== "answers") return;
      connection.watchers.delete(watch);
      resolve();
    };
    connection.watchers.add(watch);
  });
}

/** Asks at once whether the gateway answers. */
export async function probe() {
  try {
    await ask("GET", "status");
  } catch (error) {
    if (!(error instanceof GoneError || error instanceof ApiError)) throw error;
  }
}

function ask(method, path, members) {
  const options = { signal: AbortSignal.timeout(method === "POST" ? LATE : SOON), headers: {} };
  if (members !== undefined) {
    options.body = JSON.stringify(members);
    options.headers["Content-Type"] = "application/json";
  }
  return send(method, path, options);
}

async function send(method, path, options) {
  const token = sessionStorage.getItem(STORED);
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  let answer;
  try {
    answer = await fetch(new URL(path, BASE), {
      ...options, method, headers, cache: "no-store", credentials: "omit", redirect: "error",
    });
  } catch (error) {
    if (options.signal?.aborted && error.name === "AbortError") throw error;
    become("gone");
    throw new GoneError("The gateway does not answer.", { cause: error });
  }
  if (answer.status === 502) { // of `agw console`, which has not reached it
    become("gone");
    throw new GoneError("The gateway does not answer.");
  }
  become(answer.status === 401 ? "denied" : "answers");
  if (!answer.ok) throw new ApiError(answer.status, await membersOf(answer));
  return answer;
}

async function membersOf(answer) {
  try {
    const members = await answer.json();
    return members && typeof members === "object" ? members : {};
  } catch {
    return {};
  }
}

function become(state) {
  if (connection.state === state) return;
  connection.state = state;
  connection.since = Date.now();
  for (const watch of [...connection.watchers]) watch();
}
