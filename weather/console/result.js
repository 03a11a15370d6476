// What a tool answered: drawn as far as its shape is known, and as it came, one click away.

import { alerts, weather } from "./cards.js";
import { $, copyable, el, took, when } from "./dom.js";
import { forecast } from "./draw.js";

function drawn(content, fresh) {
  if (content.periods?.length) return forecast(content);
  if (content.period) return weather(content);
  if (content.alerts) return alerts(content, fresh);
  return [];
}

const later = (title, text) => el("details", {}, el("summary", {}, title), copyable(text));
const failed = (text) => el("p", { class: "failure", role: "alert" }, text);
const title = (tool, ...more) => el("header", {}, el("h3", {}, tool.title ?? tool.name), more);
const show = (...children) => $("result").replaceChildren(el("div", {}, children));

// `ms`: how long it took, `more`: a button beside, `fresh`: ids of the alerts that were not there before.
export function showResult(tool, result, { ms, more, fresh } = {}) {
  const { structuredContent: content, content: blocks = [], isError } = result;
  const { latitude, longitude, city, state } = content?.location ?? {};
  const place = content?.location && `${[city, state].filter(Boolean).join(", ")} (${latitude}, ${longitude})`;
  const facts = [place, content?.source, content?.issued && `issued ${when(content.issued)}`, ms && took(ms)];
  const stale = `Stale: ${Math.round(content?.ageSeconds / 60)} minutes old; the Weather Service is not answering.`;
  const text = blocks.map((block) => block.text ?? JSON.stringify(block)).join("\n\n");
  show(
    title(tool, el("p", { class: "muted" }, facts.filter(Boolean).join(" · ")), more),
    isError && failed(text),
    content?.stale && el("p", { class: "stale", role: "status" }, stale),
    content && [drawn(content, fresh), later("Structured content", JSON.stringify(content, null, 2))],
    text && later("Text", text),
  );
}

export function showFailure(tool, { message, data }) {
  show(title(tool), failed(message), data !== undefined && copyable(JSON.stringify(data, null, 2)));
}
