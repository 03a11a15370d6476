// Every message both ways, newest first; the last of them are kept. And the box that sends any text at all.

import { $, clock, copyable, el, size, took } from "./dom.js";
import { parsed } from "./mcp.js";

const KEPT = 200;
const pretty = (text) => (parsed(text) ? JSON.stringify(parsed(text), null, 2) : text);
const request = (method, params) => JSON.stringify({ jsonrpc: "2.0", id: "raw-1", method, params });
const SAMPLES = {
  "ping (older era)": request("ping"),
  "a call without _meta": request("tools/call", { name: "get-alerts", arguments: { state: "CA" } }),
  "an unknown method": request("weather/make"),
  "not JSON": '{"jsonrpc": "2.0", "id": "raw-1", "method',
  "an id that is null": '{"jsonrpc": "2.0", "id": null, "method": "ping"}',
  "too big: closes with 1009": request("x".repeat(70000)),
};

function row({ out, at, label, text, size: bytes, took: ms, bad }) {
  const way = el("span", { class: "way", role: "img", "aria-label": out ? "sent" : "received" }, out ? "↑" : "↓");
  const numbers = [ms === undefined ? "" : took(ms), size(bytes)].map((each) => el("span", { class: "number" }, each));
  const summary = el("summary", {}, way, el("time", {}, clock(at)), el("span", { class: "label" }, label), numbers);
  const details = el("details", { class: out ? "out" : bad ? "in bad" : "in" }, summary);
  details.addEventListener("toggle", () => details.children.length < 2 && details.append(copyable(pretty(text))));
  return el("li", {}, details);
}

export function frames(connection) {
  let [waiting, count, timer, busy] = [[], 0, 0, false];
  const draw = () => {
    $("frames").prepend(...waiting.reverse().map(row));
    while ($("frames").children.length > KEPT) $("frames").lastChild.remove();
    $("frame-count").textContent = count > KEPT ? `${count.toLocaleString("en")}, the last ${KEPT} kept` : count;
    [waiting, timer, busy] = [[], 0, waiting.length > KEPT / 2];
  };
  connection.addEventListener("frame", ({ frame }) => {
    count += 1;
    if (waiting.push(frame) > KEPT) waiting.shift();
    timer ||= setTimeout(draw, busy ? 500 : 50); // Not a frame of the screen: a page in the background has none.
  });
  $("raw-sample").append(...Object.keys(SAMPLES).map((name) => el("option", {}, name)));
  $("raw-sample").addEventListener("change", ({ target }) => ($("raw").value = SAMPLES[target.value] ?? ""));
  $("raw-form").addEventListener("submit", (event) => {
    event.preventDefault();
    $("raw-error").textContent = connection.state.name === "ready" ? "" : "There is no connection.";
    if (connection.state.name === "ready") connection.send($("raw").value);
  });
}
