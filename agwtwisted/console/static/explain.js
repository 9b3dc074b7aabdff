// A certificate that is pasted or dropped, explained against a listener.

import { get, post } from "./api.js";
import { h, show } from "./dom.js";
import { heading, problem, select } from "./parts.js";
import { verdict } from "./steps.js";

const LARGEST = 256 * 1024;

export const explain = {
  path: "explain",
  title: "Explain",
  start(view) {
    const result = h("section", { "aria-live": "polite" });
    const listener = h("div", {});
    const pem = h("textarea", {
      id: "pem", rows: 10, spellcheck: "false", autocomplete: "off", class: "mono", placeholder: "-----BEGIN CERTIFICATE-----",
      ondragover: (event) => event.preventDefault(),
      ondrop: (event) => {
        event.preventDefault();
        take(event.dataTransfer.files[0]);
      },
    });
    const file = h("input", { type: "file", accept: ".pem,.crt,.cer,.txt", onchange: () => take(file.files[0]) });
    const at = h("input", { type: "datetime-local", step: 1 });
    const go = h("button", { type: "submit", class: "strong" }, "Explain");
    const now = h("button", { type: "button", onclick: () => ask("revocation/check") }, "Check revocation now");
    const form = h("form", { class: "card form", onsubmit: (event) => {
      event.preventDefault();
      ask();
    } },
    listener,
    h("label", { class: "field" }, h("span", {}, "Certificate and its chain (PEM); a file can be dropped here"), pem),
    h("div", { class: "filters" },
      h("label", { class: "field" }, h("span", {}, "From a file"), file),
      h("label", { class: "field" }, h("span", {}, "At (UTC); empty: now"), at), go, now));
    view.root.append(heading("Explain"), h("p", { class: "lead" }, "What the gateway decides about a client's certificate, by its own contexts, and each step of it. A check of revocation has the listener's sources asked now, whatever is known."), form, result);
    let names = [];
    const offer = () => {
      const wanted = view.query.get("listener");
      const chosen = names.includes(wanted) ? wanted : names[0] ?? wanted ?? "";
      show(listener, select({ label: "Listener", value: chosen, options: names.map((each) => [each, each]), onchange: (value) => view.refine({ listener: value }) }));
    };
    const load = async () => {
      try {
        names = (await get("listeners")).listeners.filter((each) => each.verify_client_auth_mode).map((each) => each.name);
        offer();
        show(result, names.length ? null : h("p", { class: "empty" }, "No listener asks clients for certificates: there is nothing to explain."));
        go.disabled = now.disabled = !names.length;
      } catch (error) {
        show(result, problem(error, load));
      }
    };
    view.changed(offer);
    load();

    async function take(chosen) {
      if (!chosen) return;
      if (chosen.size > LARGEST) show(result, h("div", { class: "problem", role: "alert" }, "The file is too large for a certificate."));
      else pem.value = await chosen.text();
    }

    async function ask(path = "explain") {
      go.disabled = now.disabled = true;
      show(result, h("p", { class: "empty" }, "Asking the gateway …"));
      try {
        const members = { listener: form.querySelector("select").value, certificate: pem.value };
        if (path === "explain") members.at = at.value ? `${at.value.length === 16 ? `${at.value}:00` : at.value}Z` : null;
        const answer = await post(path, members);
        if (!view.stopped) show(result, verdict(answer));
      } catch (error) {
        show(result, problem(error, () => ask(path)));
      }
      go.disabled = now.disabled = false;
    }
  },
};
