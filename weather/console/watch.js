// Changes of a state's alerts as they come: `subscriptions/listen`, in the older era `resources/subscribe`.

import { $, clock, el } from "./dom.js";
import { METHOD_NOT_FOUND, MODERN, SUBSCRIPTION } from "./mcp.js";

const say = (text) => $("watch").prepend(el("li", {}, `${clock(new Date()).slice(0, 8)} ${text}`));

export class Watch {
  #watched = new Map(); // URI → state, ids of its alerts, id of the request
  #name = () => {}; // of the button that is shown

  // `changed(content, fresh)` is called with the alerts and the ids that are new among them.
  constructor(connection, changed) {
    Object.assign(this, { connection, changed });
    connection.addEventListener("notification", ({ method, params }) => this.#heard(method, params));
    connection.addEventListener("state", ({ state }) => {
      if (state.name === "ready") for (const [uri, watched] of this.#watched) this.#ask(uri, watched);
    });
  }

  button({ state, alerts }) {
    const uri = `weather://alerts/${state}`;
    const button = el("button", { type: "button", class: "small" });
    this.#name = () => (button.textContent = `${this.#watched.has(uri) ? "Stop watching" : "Watch"} ${state}`);
    button.addEventListener("click", () => {
      const watched = this.#watched.get(uri);
      if (watched) this.#stop(uri, watched);
      else this.#ask(uri, { state, ids: new Set(alerts.map(({ id }) => id)) });
    });
    this.#name();
    return button;
  }

  async #ask(uri, watched) {
    const modern = this.connection.era === MODERN;
    const method = modern ? "subscriptions/listen" : "resources/subscribe";
    const params = modern ? { notifications: { resourceSubscriptions: [uri] } } : { uri };
    const asked = this.connection.request(method, params);
    watched.id = asked.id;
    this.#watched.set(uri, watched);
    this.#name();
    try {
      await asked;
      say(modern ? `The server no longer watches ${watched.state}.` : `Watching ${watched.state}.`);
      if (!modern) return;
    } catch ({ code, message }) {
      if (code === undefined) return; // The connection is gone; the next one is asked again.
      say(code === METHOD_NOT_FOUND ? `This server does not tell of changes: it does not know ${method}.` : message);
    }
    this.#watched.delete(uri);
    this.#name();
  }

  #stop(uri, { id, state }) {
    this.#watched.delete(uri);
    this.#name();
    if (this.connection.state.name !== "ready") return;
    if (this.connection.era === MODERN) this.connection.notify("notifications/cancelled", { requestId: id });
    else this.connection.request("resources/unsubscribe", { uri }).catch(({ message }) => say(message));
    say(`No longer watching ${state}.`);
  }

  async #heard(method, { uri, _meta }) {
    if (method === "notifications/subscriptions/acknowledged") {
      const acknowledged = [...this.#watched.values()].find(({ id }) => id === _meta?.[SUBSCRIPTION]);
      if (acknowledged) say(`Watching ${acknowledged.state}.`);
    }
    const watched = this.#watched.get(uri);
    if (method !== "notifications/resources/updated" || !watched) return;
    try {
      const { contents } = await this.connection.request("resources/read", { uri });
      const content = JSON.parse(contents[0].text);
      const [before, ids] = [watched.ids, new Set(content.alerts.map(({ id }) => id))];
      const without = (some, others) => new Set([...some].filter((id) => !others.has(id)));
      const [fresh, ended] = [without(ids, before), without(before, ids).size];
      watched.ids = ids;
      say(`${watched.state} changed: ${fresh.size} new, ${ended} ended, ${ids.size} in force.`);
      this.changed(content, fresh);
    } catch ({ message }) {
      say(`${watched.state} changed, and cannot be read: ${message}`);
    }
  }
}
