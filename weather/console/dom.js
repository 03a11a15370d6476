// Elements from names, attributes and children; text becomes text nodes and nothing else. How values are shown.

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

export const el = (name, attributes = {}, ...children) => build(document.createElement(name), attributes, children);
export const svg = (name, attributes = {}, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
export const $ = (id) => document.getElementById(id);

export const size = (bytes) => (bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`);
export const took = (ms) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
export const clock = (date) => new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(11, 23);

// Weekday and time as the text itself has them: the place's own, whatever zone this browser is in.
export const weekday = (iso) =>
  new Date(`${iso.slice(0, 10)}T00:00Z`).toLocaleDateString("en", { weekday: "short", timeZone: "UTC" });
export const when = (iso) => iso && `${weekday(iso)} ${iso.slice(11, 16)}${iso.endsWith("Z") ? " UTC" : ""}`;

export function copyable(text) {
  const shown = el("pre", { tabindex: 0 }, text);
  const button = el("button", { type: "button", class: "small" }, "Copy");
  button.addEventListener("click", async () => {
    getSelection().selectAllChildren(shown); // There is no clipboard beyond https and localhost.
    await navigator.clipboard?.writeText(text);
    button.textContent = navigator.clipboard ? "Copied" : "Selected";
  });
  return el("div", { class: "copyable" }, button, shown);
}
