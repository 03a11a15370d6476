// The form: a field for each argument that any of the tools takes, the place before all, the others behind a fold.
// What is wrong with an argument the server says best: nothing is checked here.
import { $, el } from "./dom.js";
const SAID = { "get-weather": "Now", "get-forecast": "Forecast", "get-alerts": "Alerts", us: "°F", si: "°C" };
const WAYS = { place: 1, latitude: 2, longitude: 2, state: 3 }; // of saying where; one at a time

function control(name, { type, enum: choices, default: usual }) {
  const named = { id: `arg-${name}`, name, "aria-describedby": `arg-${name}-error` };
  if (type === "boolean") return el("input", { ...named, type: "checkbox", value: "true" });
  const option = (value) => el("option", { value, selected: value === usual }, SAID[value] ?? value);
  if (choices) return el("select", named, !usual && el("option", { value: "" }, "any"), choices.map(option));
  return el("input", { ...named, autocomplete: "off", spellcheck: "false", placeholder: usual });
}

function field([name, schema]) {
  const help = el("details", { name: "help" }, el("summary", { "aria-label": `What is ${name}?` }, "?"),
    el("p", {}, schema.description));
  const wrong = el("p", { class: "error", id: `arg-${name}-error`, role: "alert" });
  const label = el("label", { for: `arg-${name}` }, name);
  return el("div", { class: "field", "data-name": name }, label, help, control(name, schema), wrong);
}

function write(name, text) {
  const element = $(`arg-${name}`);
  if (element.type === "checkbox") element.checked = text === "true";
  else element.value = text;
}

function mark(name, sentence) {
  $(`arg-${name}-error`).textContent = sentence;
  $(`arg-${name}`).setAttribute("aria-invalid", String(sentence !== ""));
}

export class Form {
  constructor(tools) {
    this.tools = new Map(tools.map((tool) => [tool.name, tool]));
    this.schemas = Object.assign({}, ...tools.map(({ inputSchema }) => inputSchema.properties));
    const radio = ({ name, title }) =>
      el("label", {}, el("input", { type: "radio", name: "tool", value: name }), SAID[name] ?? title ?? name);
    $("tools").replaceChildren(...tools.map(radio));
    $("fields").replaceChildren(...Object.entries(this.schemas).filter(([name]) => name !== "place").map(field));
    $("ask").addEventListener("input", ({ target: { name } }) => {
      const others = Object.keys(WAYS).filter((other) => WAYS[name] && WAYS[other] !== WAYS[name]);
      for (const other of others) if (other in this.schemas) write(other, "");
      this.show();
    });
  }

  get tool() {
    return this.tools.get($("ask").elements.tool.value);
  }

  // What is given, by name, numbers as numbers: not what is as good as left out.
  get values() {
    const typed = ({ type }, text) => type === "boolean" || (type === "string" || isNaN(text) ? text : Number(text));
    const own = { units: this.schemas.units, ...this.tool.inputSchema.properties }; // Units are of what is beside, too.
    const given = [...new FormData($("ask"))].map(([name, text]) => [name, own[name], text.trim()]);
    const told = given.filter(([, schema, text]) => schema && text && text !== String(schema.default));
    return Object.fromEntries(told.map(([name, schema, text]) => [name, typed(schema, text)]));
  }

  // Chooses a tool, the first if there is none of that name, and fills in texts by the names of fields.
  fill({ tool, ...texts }) {
    $("ask").reset();
    $("ask").elements.tool.value = this.tools.has(tool) ? tool : [...this.tools.keys()][0];
    for (const [name, text] of Object.entries(texts)) if (name in this.schemas) write(name, text);
    this.show();
  }

  // Shows the fields of the chosen tool, and nothing wrong with them.
  show() {
    const { name, description, inputSchema: { properties = {} } } = this.tool;
    for (const each in this.schemas) mark(each, "");
    for (const box of $("fields").children) box.hidden = !(box.dataset.name in properties);
    [$("called").textContent, $("about").textContent] = [name, description];
    $("arg-place-help").textContent = properties.place?.description;
  }

  // Shows a sentence at the field of the tool that it names, if it does.
  fail(sentence) {
    const [, name] = /Argument '(\w+)'/.exec(sentence) ?? [];
    const isOwn = name in (this.tool.inputSchema.properties ?? {});
    if (isOwn) mark(name, sentence);
    if (isOwn && name !== "place") $("options").open = true;
    return isOwn;
  }
}
