// Changes of a state's alerts as they come: `subscriptions/listen`, in the older era `resources/subscribe`.

import { $, clock, el } from "./dom.js";
import { METHOD_NOT_FOUND, MODERN, SUBSCRIPTION } from "./mcp.js";

const say = (text) => $("watch").prepend(el("li", {}, `${clock(new Date()).slice(0, 8)} ${text}`));

export class Watch {
  #watched = new Map(); // URI → state, id of the request, ids of the alerts
  #name = () => {}; // of the button that is shown

  // `changed(content, fresh)` is called with the alerts and the ids that are new among them.
  constructor(connection, changed) {
    Object.assign(this, { connection, changed });
    connection.addEventListener("notification", ({ method, params }) => this.#heard(method, params));
    connection.addEventListener("state", ({ state }) => {
      if (state.name === "ready") for (const [uri, watched] of this.#watched) this.#ask(uri, watched);
    });
  }

  button({ state }) {
    const uri = `weather://alerts/${state}`;
    const button = el("button", { type: "button", class: "small" });
    this.#name = () => (button.textContent = `${this.#watched.has(uri) ? "Stop watching" : "Watch"} ${state}`);
    button.addEventListener("click", () => {
      const watched = this.#watched.get(uri);
      if (watched) this.#stop(uri, watched);
      else this.#ask(uri, { state });
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
      if (!modern) return this.#look(uri, watched);
      say(`The server no longer watches ${watched.state}.`);
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

  #heard(method, { uri, _meta }) {
    const acknowledged = [...this.#watched].find(([, { id }]) => id === _meta?.[SUBSCRIPTION]);
    if (method === "notifications/subscriptions/acknowledged" && acknowledged) this.#look(...acknowledged);
    if (method === "notifications/resources/updated" && this.#watched.has(uri)) this.#look(uri, this.#watched.get(uri));
  }

  // Reads the alerts, and says what is different from the last time.
  async #look(uri, watched) {
    try {
      const { contents } = await this.connection.request("resources/read", { uri });
      const content = { state: watched.state, ...JSON.parse(contents[0].text) };
      const ids = new Set(content.alerts.map(({ id }) => id));
      const without = (some, others) => new Set([...some].filter((id) => !others.has(id)));
      const [fresh, ended] = [without(ids, watched.ids ?? ids), without(watched.ids ?? ids, ids)];
      if (watched.ids) say(`${watched.state}: ${fresh.size} new, ${ended.size} ended, ${ids.size} in force.`);
      else say(`Watching ${watched.state}: ${ids.size} in force.`);
      watched.ids = ids;
      this.changed(content, fresh);
    } catch ({ message }) {
      say(`${watched.state} cannot be read: ${message}`);
    }
  }
}
