// The connection: JSON-RPC over the WebSocket of this page's own origin, in either era. It comes back when it breaks.
// Events: "state" (state), "frame" (frame: a message, either way), "notification" (method, params).
export const [MODERN, LEGACY] = ["2026-07-28", "2025-11-25"];
export const METHOD_NOT_FOUND = -32601;
const PREFIX = "io.modelcontextprotocol/";
export const SUBSCRIPTION = `${PREFIX}subscriptionId`;
const CLIENT = { name: "weather-console", version: "1.0.0" };
const TOLD = { protocolVersion: MODERN, clientInfo: CLIENT, clientCapabilities: {} }; // with every request
const META = Object.fromEntries(Object.entries(TOLD).map(([name, value]) => [PREFIX + name, value]));
const COMES_BACK = [1001, 1006, 1011, 1012, 1013];
const TOKEN = /^[\w!#$%&'*+.^`|~-]*$/; // what a subprotocol is made of: RFC 9110, 5.6.2
const REFUSED = "refused, or nobody is there; where tokens are checked, the token may be wrong";

export class Failure extends Error {
  constructor({ code, message }) {
    super(code === undefined ? message : `Error ${code}: ${message}`);
    this.code = code;
  }
}

export class Connection extends EventTarget {
  state = { name: "closed" };
  #socket = null;
  #timer = 0;
  #pauses = 0;
  #wasReady = false;
  #next = 1;
  #asked = new Map(); // id as JSON → when and what was asked, and what its answer settles

  open(era, token) {
    Object.assign(this, { era, token });
    [this.#wasReady, this.#pauses] = [false, 0];
    if (TOKEN.test(token)) this.#connect();
    else this.end("", "a browser sends tokens of letters, digits and !#$%&'*+-.^_`|~ only");
  }

  #connect() {
    this.#forget("opened anew");
    this.#become({ name: "connecting" });
    const socket = new WebSocket("ws", ["mcp", ...(this.token ? [`mcp.auth.${this.token}`] : [])]);
    const now = (does) => (event) => socket === this.#socket && does(event);
    socket.onopen = now(() => this.#begin());
    socket.onmessage = now(({ data }) => this.#received(data));
    socket.onclose = now(({ code, reason }) => {
      const why = code !== 1006 ? "" : this.#wasReady ? "the connection broke" : REFUSED;
      this.end(code, reason || why, this.#wasReady && COMES_BACK.includes(code));
    });
    this.#socket = socket;
  }

  async #begin() {
    try {
      const hello = { protocolVersion: LEGACY, capabilities: {}, clientInfo: CLIENT };
      const said = await (this.era === MODERN ? this.request("server/discover") : this.request("initialize", hello));
      if (this.era === LEGACY) this.notify("notifications/initialized");
      const server = said.serverInfo ?? said._meta?.[`${PREFIX}serverInfo`];
      [this.#wasReady, this.#pauses] = [true, 0];
      const { instructions, protocolVersion: version = MODERN } = said;
      this.#become({ name: "ready", server, instructions, version });
    } catch (failure) {
      if (failure.code !== undefined) this.end(1000, failure.message);
    }
  }

  end(code, reason, again = false) {
    this.#forget(`${code} ${reason}`);
    const pause = again && Math.min(30, 2 ** this.#pauses++) * (0.5 + Math.random() / 2); // seconds
    if (again) this.#timer = setTimeout(() => this.#connect(), pause * 1000);
    this.#become({ name: again ? "waiting" : "closed", code, reason, pause });
  }

  #forget(why) {
    clearTimeout(this.#timer);
    const [socket, asked] = [this.#socket, [...this.#asked.values()]];
    this.#socket = null;
    this.#asked.clear();
    socket?.close(1000);
    for (const { reject } of asked) reject?.(new Failure({ message: `The connection is closed: ${why}.` }));
  }

  #become(state) {
    this.state = state;
    this.#tell("state", { state });
  }

  #tell(name, what) {
    this.dispatchEvent(Object.assign(new Event(name), what));
  }

  // The promise of the result, with the `id` it was asked under; `progress` hears what the server says meanwhile.
  request(method, params = {}, progress) {
    const id = this.#next++;
    const _meta = { ...(this.era === MODERN && META), ...(progress && { progressToken: id }) };
    const text = JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta } });
    const promise = new Promise((resolve, reject) => this.send(text, { resolve, reject, progress }));
    return Object.assign(promise, { id });
  }

  notify = (method, params) => this.send(JSON.stringify({ jsonrpc: "2.0", method, params }));

  // Any text at all; throws a Failure while there is no connection.
  send(text, settles) {
    if (this.#socket?.readyState !== WebSocket.OPEN) throw new Failure({ message: "There is no connection." });
    const { id, method, params } = parsed(text) ?? {};
    const asked = { at: performance.now(), what: params?.name ?? method, ...settles };
    if (id !== undefined) this.#asked.set(JSON.stringify(id), asked);
    this.#socket.send(text);
    this.#frame({ out: true, text, label: [method ?? "no request", params?.name].join(" ") });
  }

  #received(text) {
    const { id, method, params = {}, result, error } = parsed(text) ?? {};
    const key = JSON.stringify(method ? params.progressToken : id);
    const asked = this.#asked.get(key);
    if (!method) this.#asked.delete(key);
    const kind = error ? `error ${error.code}` : result?.isError ? "failed" : "result";
    const took = method || !asked ? undefined : performance.now() - asked.at;
    this.#frame({ out: false, text, label: method ?? `${kind} ${asked?.what ?? ""}`, bad: kind !== "result", took });
    if (method === "notifications/progress") asked?.progress?.(params.message);
    if (method) this.#tell("notification", { method, params });
    else if (error) asked?.reject?.(new Failure(error));
    else asked?.resolve?.(result);
  }

  #frame(frame) {
    const size = new TextEncoder().encode(frame.text).length;
    this.#tell("frame", { frame: { ...frame, at: performance.now(), size } });
  }
}

export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
