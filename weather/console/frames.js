// Every message both ways, newest first; the last of them are kept. And the box that sends any text at all.
import { $, copyable, el, onSubmit, size, took } from "./dom.js";
import { parsed } from "./mcp.js";
const KEPT = 200;
const pretty = (text) => (parsed(text) ? JSON.stringify(parsed(text), null, 2) : text);

function row({ out, at, label, text, size: bytes, took: ms, bad }) {
  const way = el("span", { class: "way", role: "img", "aria-label": out ? "sent" : "received" }, out ? "↑" : "↓");
  const cell = (kind, text) => el("span", { class: kind }, text);
  const numbers = [ms === undefined ? "" : took(ms), size(bytes)].map((each) => cell("number", each));
  const summary = el("summary", {}, way, cell("since", `${(at / 1000).toFixed(2)} s`), cell("label", label), numbers);
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
  $("raw-sample").addEventListener("change", ({ target }) => ($("raw").value = target.value));
  onSubmit("raw-form", () => {
    $("raw-error").textContent = connection.state.name === "ready" ? "" : "There is no connection.";
    if (connection.state.name === "ready") connection.send($("raw").value);
  });
}
