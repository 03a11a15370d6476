// The page put together: the connection and its state, the form, and the call that the URL's fragment keeps.
import { $, onSubmit, took } from "./dom.js";
import { Form } from "./form.js";
import { frames } from "./frames.js";
import { load } from "./load.js";
import { Connection } from "./mcp.js";
import { View, showFailure, textOf } from "./result.js";
import { suggest } from "./suggest.js";
import { Watch } from "./watch.js";
const SHOWN = ["get-weather", "get-alerts", "get-forecast"]; // of a place, after what was asked for
const WHERE = ["place", "latitude", "longitude", "units"]; // what is the same for all of them
const connection = new Connection();
let [form, listed, view, last] = [null, "", null, null]; // `last`: the tool and the values of the last call

const watch = new Watch(connection, (content, fresh) => {
  if (content.state === view?.state) view.show(view.tool, { structuredContent: content }, fresh);
});
const say = (text) => ($("status").textContent = text);
const open = () => connection.open($("era").value, $("token").value.trim());
const params = ({ name, inputSchema: { properties = {} } }, values) =>
  ({ name, arguments: Object.fromEntries(Object.entries(values).filter(([each]) => each in properties)) });
const submit = () => form && call(form.tool, form.values);

connection.addEventListener("state", ({ state }) => {
  const { name, code, reason, pause, version, server, instructions } = state;
  const closed = `closed: ${[code, reason].filter(Boolean).join(", ")}`;
  const words = { ready: `ready, ${version}`, closed, waiting: `${closed}; coming back in ${Math.ceil(pause)} s` };
  [$("state").textContent, $("state").className] = [words[name] ?? name, name];
  if (["ready", "closed"].includes(name)) $("settings").open = name === "closed"; // for a token
  if (name !== "ready") return;
  $("server").textContent = [server?.title ?? server?.name, server?.version].filter(Boolean).join(" ");
  $("instructions").textContent = instructions;
  connection.request("tools/list").then(list, showFailure);
});

function list({ tools }) {
  if (form && listed !== JSON.stringify(tools)) return location.reload();
  if (form) return call(...last); // What was typed meanwhile stays.
  [listed, form] = [JSON.stringify(tools), new Form(tools)];
  load(connection, () => params(form.tool, form.values));
  return recall();
}

function recall() {
  const named = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  form.fill(location.hash ? named : { place: "Washington, DC" });
  submit();
}

// The first call replaces the address, each other is one to come back from.
function remember(tool, values) {
  const [usual] = form.tools.values();
  const kept = new URLSearchParams({ ...(tool !== usual && { tool: tool.name }), ...values });
  const fragment = `#${kept}`.replaceAll("%2C", ",");
  if (fragment !== location.hash) history[last ? "pushState" : "replaceState"](null, "", fragment);
  last = [tool, values];
}

async function call(tool, values) {
  remember(tool, values);
  const [mine, began] = [last, performance.now()];
  const failed = ({ code, message }) => ({ isLost: code === undefined, isError: true, content: [{ text: message }] });
  const ask = (each, some, told) => connection.request("tools/call", params(each, some), told).catch(failed);
  say("asked …");
  const result = await ask(tool, values, say);
  if (mine !== last) return;
  if (result.isLost) return say("no connection"); // Its state tells why.
  say(`${result.isError ? "failed" : "answered"} in ${took(performance.now() - began)}`);
  if (result.isError) return showFailure({ message: form.fail(textOf(result)) ? "" : textOf(result) }); // once
  const { state, location: point, latitude = point?.latitude } = result.structuredContent ?? {};
  const others = latitude ? SHOWN.map((name) => form.tools.get(name)).filter((each) => each && each !== tool) : [];
  view = new View(tool, others, { inSi: values.units === "si", state, button: state && watch.button(state) });
  view.show(tool, result);
  view.head.scrollIntoView({ block: "nearest" });
  const where = Object.fromEntries(WHERE.map((name) => [name, values[name]]));
  const add = (each, answer) => mine === last && !answer.isLost && view.show(each, answer);
  for (const each of others) ask(each, where).then((answer) => add(each, answer));
}

function pick(place) {
  $("arg-place").value = place;
  $("arg-place").dispatchEvent(new Event("input", { bubbles: true })); // clears what names another
  submit();
}

onSubmit("ask", submit);
onSubmit("connection", open);
$("ask").addEventListener("change", ({ target }) => {
  if (target.matches("select, [type=checkbox], [type=radio]")) submit(); // What is typed waits for the button.
});
$("here").addEventListener("click", () => {
  const found = ({ coords }) => pick(`${coords.latitude.toFixed(2)}, ${coords.longitude.toFixed(2)}`); // to a kilometer
  const failed = ({ message }) => ($("arg-place-error").textContent = `The position is not known: ${message}`);
  navigator.geolocation.getCurrentPosition(found, failed);
});
$("era").addEventListener("change", open);
addEventListener("hashchange", () => form && recall());

suggest($("arg-place"), $("places"), connection, pick);
frames(connection);
open();
