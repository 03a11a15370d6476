// A form from a tool's `inputSchema`.

import { CITIES } from "./cities.js";
import { el } from "./dom.js";

// References followed, null left out, what anyOf allows put together: `enum` are the choices, `open`: others too.
function simple(schema, root) {
  const { $ref, anyOf, oneOf, ...beside } = schema;
  if ($ref) return simple({ ...$ref.slice(2).split("/").reduce((at, key) => at?.[key], root), ...beside }, root);
  const all = (anyOf ?? oneOf ?? []).map((each) => simple(each, root)).filter(({ type }) => type !== "null");
  if (all.length < 2) return { ...all[0], ...beside };
  const choices = all.flatMap((each) => each.enum ?? []);
  const open = all.some((each) => !each.enum);
  return { type: all[0].type, ...(choices.length && { enum: choices, open }), ...beside };
}

const options = (choices) => choices.map((choice) => el("option", { value: choice }, String(choice)));

// [the element, how its value is read (undefined: not given), a list of suggestions]
function control(schema, id, required) {
  const { type, enum: choices, items = {}, default: usual } = schema;
  if (type === "boolean") {
    const box = el("input", { type: "checkbox", id, checked: usual === true });
    return [box, () => box.checked];
  }
  if (items.enum || (choices && !schema.open)) {
    const [all, many] = [items.enum ?? choices, Boolean(items.enum)];
    const none = !many && el("option", { value: "" }, "—");
    const select = el("select", { id, required, multiple: many }, none, options(all));
    const chosen = () => [...select.selectedOptions].map((option) => all[option.index - !many]);
    return [select, () => (many && chosen().length ? chosen() : chosen()[0])];
  }
  const number = ["number", "integer"].includes(type);
  const input = el("input", {
    id, required, autocomplete: "off", spellcheck: "false", placeholder: usual, pattern: schema.pattern,
    ...(number && { type: "number", step: type === "integer" ? 1 : "any" }), min: schema.minimum, max: schema.maximum,
    minlength: schema.minLength, maxlength: schema.maxLength, list: choices && `${id}-choices`,
  });
  const split = () => input.value.split(",").map((part) => part.trim());
  const read = () => (number ? input.valueAsNumber : type === "array" ? split() : input.value);
  const list = choices && el("datalist", { id: `${id}-choices` }, options(choices));
  return [input, () => (input.value.trim() ? read() : undefined), list];
}

function field(tool, name, schema, required) {
  const id = `${tool}-${name}`;
  const [element, read, list] = control(schema, id, required);
  const wrong = el("p", { class: "error", id: `${id}-error`, role: "alert" });
  const fail = (text) => {
    wrong.textContent = text;
    element.setAttribute("aria-invalid", Boolean(text));
  };
  element.setAttribute("aria-describedby", `${id}-help ${id}-error`);
  element.addEventListener("input", () => fail(""));
  const { type, minimum: low, maximum: high, default: usual, description } = schema;
  const kind = [type, high !== undefined && `${low ?? ""} to ${high}`, usual != null && `default ${usual}`];
  const mark = required && el("span", { class: "required" }, "required");
  const limits = el("span", { class: "kind" }, kind.filter(Boolean).join(", "));
  const label = el("label", { for: id }, el("b", {}, name), mark, limits);
  const help = el("p", { class: "help", id: `${id}-help` }, description);
  return { name, element, read, fail, box: el("div", { class: "field" }, label, element, list, help, wrong) };
}

// Fills in `place`, and clears the fields that would name another; typing in one of those clears `place`.
function picker(tool, fields) {
  const { latitude, longitude, place, state } = Object.fromEntries(fields.map((each) => [each.name, each]));
  if (!place) return null;
  const others = [latitude, longitude, state].filter(Boolean);
  const select = el("select", { id: `${tool}-city` }, el("option", { value: "" }, "— as typed below"), options(CITIES));
  const fill = (name) => {
    place.element.value = select.value = name;
    place.fail("");
  };
  select.addEventListener("change", () => {
    for (const { element, fail } of others) fail((element.value = ""));
    fill(select.value);
  });
  place.element.addEventListener("input", () => (select.value = ""));
  for (const { element } of others) element.addEventListener("input", () => select.value && fill(""));
  if (!state) fill(CITIES[0]);
  const label = el("label", { for: select.id }, el("b", {}, "city"), "fills in the place");
  return el("div", { class: "field" }, label, select);
}

// `submit(arguments)` gets what passes the schema's own bounds; `fail` shows the server's sentence at a field.
export function toolForm(tool, submit) {
  const { properties = {}, required = [] } = tool.inputSchema;
  const fields = Object.entries(properties).map(([name, schema]) =>
    field(tool.name, name, simple(schema, tool.inputSchema), required.includes(name)));
  const status = el("p", { class: "status", role: "status" });
  const button = el("button", { class: "primary" }, `Call ${tool.name}`);
  const form = el("form", { novalidate: true, "aria-label": tool.title ?? tool.name }, el("p", {}, tool.description),
    picker(tool.name, fields), fields.map(({ box }) => box), el("div", { class: "row" }, button, status));
  const read = () => {
    for (const { element, fail } of fields) fail(element.validationMessage);
    const bad = fields.find(({ element }) => !element.validity.valid);
    bad?.element.focus();
    return bad ? null : Object.fromEntries(fields.map(({ name, read: value }) => [name, value()]));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const values = read();
    if (values) submit(values);
  });
  const fail = (name, text) => fields.find((each) => each.name === name)?.fail(text);
  return { form, read, fail, say: (text) => (status.textContent = text) };
}
