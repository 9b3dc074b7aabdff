// Elements from values. Every string becomes a text node or the value of an attribute that this program names:
// what clients have sent (subjects, host names) is never read as markup.

const SVG = "http://www.w3.org/2000/svg";

// Characters that show as nothing, or that turn the direction of the text around them.
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** Text with each invisible character written as its escape. */
export function visible(text) {
  return String(text).replace(INVISIBLE, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** An element; attributes `on…` are functions, `key` identifies it among its siblings for `show`. */
export function h(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** An element of SVG. */
export function svg(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/** Makes the children of `parent` these, and keeps what is alike: focus, scroll and selection stay. */
export function show(parent, ...children) {
  const fresh = document.createElement("div");
  fresh.append(...nodes(children));
  morphChildren(parent, fresh);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "key") element.agwKey = String(value);
    else if (name.startsWith("on")) listen(element, name, value);
    else element.setAttribute(name, value === true ? "" : visible(value));
  }
  element.append(...nodes(children));
  return element;
}

function listen(element, name, handler) {
  if (typeof handler !== "function") throw new TypeError(`${name} is no function`);
  element.agwOn = { ...element.agwOn, [name]: handler };
  element[name] = handler;
}

function nodes(children) {
  return children
    .flat(Infinity)
    .filter((each) => each !== null && each !== undefined && each !== false && each !== "")
    .map((each) => (each instanceof Node ? each : document.createTextNode(visible(each))));
}

function morphChildren(old, fresh) {
  const wanted = [...fresh.childNodes];
  const keys = new Set(wanted.map((each) => each.agwKey));
  const known = new Map([...old.childNodes].filter((each) => each.agwKey).map((each) => [each.agwKey, each]));
  let at = old.firstChild;
  for (const node of wanted) {
    while (at && at.agwKey && !keys.has(at.agwKey)) at = without(at);
    const match = node.agwKey ? known.get(node.agwKey) : at;
    if (!match || !alike(match, node)) {
      old.insertBefore(node, at);
    } else {
      if (match === at) at = at.nextSibling;
      else old.insertBefore(match, at);
      morph(match, node);
    }
  }
  while (at) at = without(at);
}

/** Whether a person has set it: details that were opened stay so. */
function chosen(element, name) {
  return element.nodeName === "DETAILS" && name === "open";
}

function without(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function alike(old, fresh) {
  return old.nodeName === fresh.nodeName && old.agwKey === fresh.agwKey;
}

function morph(old, fresh) {
  if (old === fresh) return;
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !chosen(old, name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const name of Object.keys(old.agwOn ?? {})) if (!fresh.agwOn?.[name]) old[name] = null;
  Object.assign(old, fresh.agwOn);
  old.agwOn = fresh.agwOn;
  morphChildren(old, fresh);
  if (old.nodeName === "OPTION") old.selected = fresh.hasAttribute("selected");
}
