// The page put together: the connection and its state, the tools and their forms, answers, frames, load.

import { $, el } from "./dom.js";
import { toolForm } from "./form.js";
import { frames } from "./frames.js";
import { load } from "./load.js";
import { Connection } from "./mcp.js";
import { showFailure, showResult } from "./result.js";
import { Watch } from "./watch.js";

const connection = new Connection();
const forms = new Map();
let [listed, shownState] = ["", ""];

const watch = new Watch(connection, (content, fresh) => {
  const more = content.state === shownState && watch.button(content);
  if (more) showResult({ name: "Active weather alerts" }, { structuredContent: content }, { more, fresh });
});

const source = (name) => ($("source").textContent = name ? `weather: ${name}` : "");
const open = () => connection.open($("era").value, $("token").value.trim());
const isOpen = () => ["ready", "connecting"].includes(connection.state.name);

connection.addEventListener("state", ({ state }) => {
  const { name, code, reason, pause, version, server, instructions = "" } = state;
  const closed = `closed: ${[code, reason].filter(Boolean).join(", ")}`;
  const words = { ready: `ready, ${version}`, closed, waiting: `${closed}; coming back in ${Math.ceil(pause)} s` };
  [$("state").textContent, $("state").className] = [words[name] ?? name, name];
  $("connect").textContent = isOpen() ? "Disconnect" : "Connect";
  if (name !== "ready") return;
  $("server").textContent = [server?.title ?? server?.name, server?.version].filter(Boolean).join(" ");
  $("instructions").textContent = instructions;
  source(/weather is (live|simulated)/.exec(instructions)?.[1]);
  connection.request("tools/list").then(list, ({ message }) => ($("instructions").textContent = message));
});

function list({ tools }) {
  if (listed === (listed = JSON.stringify(tools))) return; // What was typed stays.
  forms.clear();
  for (const tool of tools) forms.set(tool.name, toolForm(tool, (values) => call(tool, values)));
  const choose = (name) => {
    for (const [each, { form }] of forms) form.hidden = each !== name;
    $("load-tool").value = name;
  };
  const choice = ({ name, title }, index) => {
    const radio = el("input", { type: "radio", name: "tool", checked: index === 0 });
    radio.addEventListener("change", () => choose(name));
    return el("label", {}, radio, title ?? name);
  };
  $("tools").replaceChildren(...tools.map(choice));
  $("forms").replaceChildren(...[...forms.values()].map(({ form }) => form));
  $("load-tool").replaceChildren(...tools.map(({ name }) => el("option", {}, name)));
  choose(tools[0]?.name);
}

async function call(tool, values) {
  const [form, began] = [forms.get(tool.name), performance.now()];
  form.say("asked …");
  try {
    const result = await connection.request("tools/call", { name: tool.name, arguments: values }, form.say);
    const { structuredContent: content, content: [{ text = "" } = {}] = [], isError } = result;
    if (content?.source) source(content.source);
    if (isError) form.fail(/Argument '(\w+)'/.exec(text)?.[1], text);
    shownState = content?.alerts ? content.state : "";
    showResult(tool, result, { ms: performance.now() - began, more: shownState && watch.button(content) });
    form.say(isError ? "an error" : "answered");
  } catch (failure) {
    form.say("");
    showFailure(tool, failure);
  }
}

$("connection").addEventListener("submit", (event) => {
  event.preventDefault();
  const same = isOpen() && connection.token === $("token").value.trim();
  return same ? connection.end(1000, "by this page") : open();
});
$("era").addEventListener("change", open);

frames(connection);
load(connection, forms);
open();
