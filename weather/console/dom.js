// Elements from names, attributes and children; text becomes text nodes and nothing else. How values are shown.
function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

export const el = (name, attributes = {}, ...children) => build(document.createElement(name), attributes, children);
export const svg = (name, attributes = {}, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
export const $ = (id) => document.getElementById(id);
export const onSubmit = (id, does) =>
  $(id).addEventListener("submit", (event) => {
    event.preventDefault();
    does();
  });

export const size = (bytes) => (bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`);
export const took = (ms) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
export const listed = (...words) => words.filter(Boolean).join(" · ");

export const offset = (iso) => /[+-]\d\d:\d\d$/.exec(iso)?.[0];

// In the place's zone if it is known, else in the offset of the text itself; always named, and today without the date.
export function when(iso, zone = offset(iso) ?? "UTC") {
  const said = (time, how) => new Date(time).toLocaleString("en-US", { ...how, timeZone: zone });
  const day = { weekday: "short", month: "short", day: "numeric" };
  try {
    const time = said(iso, { hour: "numeric", minute: "2-digit", timeZoneName: "short" });
    return said(iso, day) === said(Date.now(), day) ? time : `${said(iso, day)}, ${time}`;
  } catch {
    return when(iso, "UTC"); // Not every browser knows every zone.
  }
}

export function copyable(text) {
  const copy = el("button", { type: "button", class: "small" }, "Copy");
  copy.addEventListener("click", () => navigator.clipboard.writeText(text).then(() => copy.replaceChildren("Copied")));
  const canCopy = Boolean(navigator.clipboard); // not beyond https and localhost
  return el("div", { class: "copyable" }, canCopy && copy, el("pre", { tabindex: 0 }, text));
}
