// k6 run -e URL=ws://127.0.0.1:8080/ws tests/load/k6.js
//
// 50 agents for 30 s, one session each: they initialize, then call one of the tools about every 2 s. The trends
// mcp_get_weather, mcp_get_forecast and mcp_get_alerts count from the time a call was due, as the Locust scenario does.
// Also read: USERS, TIME, THINK (seconds), TOKEN.
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
  const headers = __ENV.TOKEN ? { Authorization: `Bearer ${__ENV.TOKEN}` } : {};
  const socket = new WebSocket(URL, ["mcp"], { headers });
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
    socket.send(JSON.stringify({ jsonrpc: "2.0", id: asked.id, method, params }));
  };

  const callWhenDue = () => {
    due += -Math.log(1 - Math.random()) * THINK_MS;
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
    ask("initialize", "initialize", {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "k6", version: "1" },
    });
  };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (asked === null || message.id !== asked.id) return;
    times[asked.name].add(Date.now() - asked.due);
    failures.add(!message.result || message.result.isError === true);
    if (asked.name === "initialize") {
      socket.send(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }));
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
