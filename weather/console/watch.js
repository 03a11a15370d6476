// Changes of a state's alerts as they come: `subscriptions/listen`, in the older era `resources/subscribe`.
import { $, el, when } from "./dom.js";
import { METHOD_NOT_FOUND, MODERN, SUBSCRIPTION } from "./mcp.js";
const here = new Intl.DateTimeFormat().resolvedOptions().timeZone;
const say = (text) => $("watch").prepend(el("li", {}, `${when(new Date().toISOString(), here)} · ${text}`));
const without = (some, others) => some.filter(({ id }) => !others.some((other) => other.id === id));

export class Watch {
  #watched = new Map(); // URI → state, id of the request, alerts as they were last, and whether they were all
  #name = () => {}; // of the button that is shown

  // `changed(content, fresh)` is called with the alerts and the ids that are new among them.
  constructor(connection, changed) {
    Object.assign(this, { connection, changed });
    connection.addEventListener("notification", ({ method, params }) => this.#heard(method, params));
    connection.addEventListener("state", ({ state }) => {
      if (state.name === "ready") for (const [uri, watched] of this.#watched) this.#ask(uri, watched);
    });
  }

  button(state) {
    const uri = `weather://alerts/${state}`;
    const button = el("button", { type: "button", class: "small" });
    this.#name = () => (button.textContent = `${this.#watched.has(uri) ? "Stop watching" : "Watch"} ${state}`);
    button.addEventListener("click", () => (this.#watched.has(uri) ? this.#stop(uri) : this.#ask(uri, { state })));
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

  #stop(uri) {
    const { id, state } = this.#watched.get(uri);
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

  // Reads the alerts, and names those that are different from the last time.
  async #look(uri, watched) {
    const { state } = watched;
    try {
      const { contents } = await this.connection.request("resources/read", { uri });
      const { alerts: before, isWhole: wasWhole = true } = watched;
      const content = { state, ...JSON.parse(contents[0].text) };
      const { alerts: now, total = now.length } = content;
      Object.assign(watched, { alerts: now, isWhole: total === now.length });
      const tell = (what, among, { event, area, severity }) =>
        say(`${wasWhole && watched.isWhole ? what : among}: ${[event, area, severity].filter(Boolean).join(", ")}`);
      if (!before) say(`Watching ${state}: ${total} in force.`);
      const fresh = without(now, before ?? now);
      for (const alert of fresh) tell("begun", "now among the worst", alert);
      for (const alert of without(before ?? [], now)) tell("ended", "no longer among the worst", alert);
      this.changed(content, new Set(fresh.map(({ id }) => id)));
    } catch ({ message }) {
      say(`${state} cannot be read: ${message}`);
    }
  }
}
