// k6 run -e URL=ws://127.0.0.1:8080/ws tests/load/k6.js
// k6 run -e URL=http://127.0.0.1:8080/mcp tests/load/k6.js
//
// 50 agents for 30 s, one session each, or one HTTP connection: they initialize, then call one of the tools about every 2 s. The trends
// mcp_get_weather, mcp_get_forecast and mcp_get_alerts count from the time a call was due, as the Locust scenario does.
// Also read: USERS, TIME, THINK (seconds), TOKEN.
import { sleep } from "k6";
import http from "k6/http";
import { WebSocket } from "k6/websockets";
import { clearTimeout, setTimeout } from "k6/timers";
import { Rate, Trend } from "k6/metrics";

const URL = __ENV.URL || "ws://127.0.0.1:8080/ws";
const TIME_S = parseFloat(__ENV.TIME || "30");
const THINK_MS = 1000 * parseFloat(__ENV.THINK || "2");

const PLACES = [
  { latitude: 40.7128, longitude: -74.006 },
  { latitude: 34.0522, longitude: -118.2437 },
  { latitude: 41.8781, longitude: -87.6298 },
  { latitude: 39.7392, longitude: -104.9903 },
  { latitude: 61.2181, longitude: -149.9003 },
];
const STATES = ["CA", "TX", "FL", "NY", "KS", "CO", "WA", "AK"];
const pick = (list) => list[Math.floor(Math.random() * list.length)];
const TOOLS = [
  { name: "get-weather", about: () => pick(PLACES) },
  { name: "get-forecast", about: () => pick(PLACES) },
  { name: "get-alerts", about: () => ({ state: pick(STATES) }) },
];
const INITIALIZE = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "k6", version: "1" },
};
const INITIALIZED = JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" });
const request = (id, method, params) => JSON.stringify({ jsonrpc: "2.0", id, method, params });
const failed = (message) => !message.result || message.result.isError === true;
const pauseMs = () => -Math.log(1 - Math.random()) * THINK_MS;
const authorization = () => (__ENV.TOKEN ? { Authorization: `Bearer ${__ENV.TOKEN}` } : {});

const failures = new Rate("mcp_failures");
const times = {
  "initialize": new Trend("mcp_initialize", true),
  "get-weather": new Trend("mcp_get_weather", true),
  "get-forecast": new Trend("mcp_get_forecast", true),
  "get-alerts": new Trend("mcp_get_alerts", true),
};

const GRACE_S = 10;

export const options = {
  scenarios: {
    agents: {
      executor: "per-vu-iterations",
      vus: parseInt(__ENV.USERS || "50"),
      iterations: 1,
      maxDuration: `${TIME_S + 3 * GRACE_S}s`,
    },
  },
  thresholds: { mcp_failures: ["rate<0.01"] },
};

export default function () {
  if (/^https?:/.test(URL)) {
    overHttp();
  } else {
    overWebSocket();
  }
}

function overHttp() {
  const headers = Object.assign(authorization(), {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": INITIALIZE.protocolVersion,
  });
  const end = Date.now() + 1000 * TIME_S;
  const limit = end + 1000 * GRACE_S;
  let due = Date.now();
  let lastId = 0;

  const post = (body) => http.post(URL, body, { headers, timeout: `${GRACE_S}s` });
  const ask = (name, method, params) => {
    const response = post(request(++lastId, method, params));
    times[name].add(Date.now() - due);
    failures.add(response.status !== 200 || failed(response.json()));
  };

  ask("initialize", "initialize", INITIALIZE);
  post(INITIALIZED);
  for (due += pauseMs(); due < end && Date.now() < limit; due += pauseMs()) {
    sleep(Math.max(0, due - Date.now()) / 1000);
    const tool = pick(TOOLS);
    ask(tool.name, "tools/call", { name: tool.name, arguments: tool.about() });
  }
}

function overWebSocket() {
  const socket = new WebSocket(URL, ["mcp"], { headers: authorization() });
  const end = Date.now() + 1000 * TIME_S;
  let due = Date.now();
  let asked = { id: 0 }; // what is awaited, at first the handshake; null while thinking
  let lastId = 0;
  let closing = false;

  const leave = () => {
    closing = true;
    failures.add(asked !== null);
    socket.close();
  };
  const limit = setTimeout(leave, 1000 * (TIME_S + GRACE_S));

  const ask = (name, method, params) => {
    asked = { id: ++lastId, name, due };
    socket.send(request(asked.id, method, params));
  };

  const callWhenDue = () => {
    due += pauseMs();
    if (due >= end) {
      setTimeout(leave, Math.max(0, end - Date.now()));
      return;
    }
    setTimeout(() => {
      const tool = pick(TOOLS);
      ask(tool.name, "tools/call", { name: tool.name, arguments: tool.about() });
    }, Math.max(0, due - Date.now()));
  };

  socket.onopen = () => {
    ask("initialize", "initialize", INITIALIZE);
  };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (asked === null || message.id !== asked.id) return;
    times[asked.name].add(Date.now() - asked.due);
    failures.add(failed(message));
    if (asked.name === "initialize") {
      socket.send(INITIALIZED);
    }
    asked = null;
    callWhenDue();
  };
  socket.onerror = () => failures.add(true);
  socket.onclose = () => {
    clearTimeout(limit);
    if (!closing) failures.add(true);
  };
}
