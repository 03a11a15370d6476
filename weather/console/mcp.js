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
const LONGEST_PAUSE_S = 30;
const encoder = new TextEncoder();
const TOKEN = /^[\w!#$%&'*+.^`|~-]*$/; // what a subprotocol is made of: RFC 9110, 5.6.2
const REFUSED = "refused, or nobody is there; where tokens are checked, the token may be wrong";

export class Failure extends Error {
  constructor({ code, message, data }) {
    super(code === undefined ? message : `Error ${code}: ${message}`);
    Object.assign(this, { code, data });
  }
}

export class Connection extends EventTarget {
  state = { name: "closed" };
  #socket = null;
  #timer = 0;
  #pauses = 0;
  #wasReady = false;
  #next = 1;
  #waiting = new Map(); // id → what its answer settles
  #sent = new Map(); // id as JSON → when, and what was asked

  open(era, token) {
    Object.assign(this, { era, token });
    [this.#wasReady, this.#pauses] = [false, 0];
    if (TOKEN.test(token)) this.#connect();
    else this.end("", "a browser sends tokens of letters, digits and !#$%&'*+-.^_`|~ only");
  }

  #connect() {
    this.#forget("opened anew");
    this.#become({ name: "connecting" });
    const url = new URL("ws", document.baseURI);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, ["mcp", ...(this.token ? [`mcp.auth.${this.token}`] : [])]);
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
      const modern = this.era === MODERN;
      const said = await this.request(...(modern ? ["server/discover"] : ["initialize", hello]));
      if (!modern) this.notify("notifications/initialized");
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
    const pause = again && Math.min(LONGEST_PAUSE_S, 2 ** this.#pauses++) * (0.5 + Math.random() / 2);
    if (again) this.#timer = setTimeout(() => this.#connect(), pause * 1000);
    this.#become({ name: again ? "waiting" : "closed", code, reason, pause });
  }

  #forget(why) {
    clearTimeout(this.#timer);
    const [socket, waiting] = [this.#socket, [...this.#waiting.values()]];
    this.#socket = null;
    this.#waiting.clear();
    this.#sent.clear();
    socket?.close(1000);
    for (const { reject } of waiting) reject(new Failure({ message: `The connection is closed: ${why}.` }));
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
    const promise = new Promise((resolve, reject) => {
      this.send(JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta } }));
      this.#waiting.set(id, { resolve, reject, progress });
    });
    return Object.assign(promise, { id });
  }

  notify(method, params) {
    this.send(JSON.stringify({ jsonrpc: "2.0", method, params }));
  }

  // Any text at all; throws a Failure while there is no connection.
  send(text) {
    if (this.#socket?.readyState !== WebSocket.OPEN) throw new Failure({ message: "There is no connection." });
    const { id, method, params } = parsed(text) ?? {};
    const label = [method ?? "no request", params?.name].join(" ");
    const asked = { at: performance.now(), what: params?.name ?? method };
    if (id !== undefined) this.#sent.set(JSON.stringify(id), asked);
    this.#socket.send(text);
    this.#frame({ out: true, text, label });
  }

  #received(text) {
    const { id, method, params = {}, result, error } = parsed(text) ?? {};
    const asked = method ? undefined : this.#sent.get(JSON.stringify(id));
    if (asked) this.#sent.delete(JSON.stringify(id));
    const kind = error ? `error ${error.code}` : result?.isError ? "failed" : "result";
    const label = method ?? `${kind} ${asked?.what ?? ""}`;
    this.#frame({ out: false, text, label, bad: kind !== "result", took: asked && performance.now() - asked.at });
    if (method === "notifications/progress") this.#waiting.get(params.progressToken)?.progress?.(params.message);
    if (method) return this.#tell("notification", { method, params });
    const waits = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waits?.reject(new Failure(error));
    else waits?.resolve(result);
  }

  #frame(frame) {
    this.#tell("frame", { frame: { ...frame, at: new Date(), size: encoder.encode(frame.text).length } });
  }
}

export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
