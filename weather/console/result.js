// What the tools answered: drawn as far as its shape is known, and as it came, one click away.
import { alerts, weather } from "./cards.js";
import { $, copyable, el, listed, offset, when } from "./dom.js";
import { forecast, isHourly } from "./draw.js";
import { restored } from "./periods.js";
const AS_WRITTEN = "Numbers are in SI units; sentences are the Weather Service's own, in American units.";
const later = (title, text) => el("details", {}, el("summary", {}, title), copyable(text));
const failed = (text) => el("p", { class: "failure", role: "alert" }, text);
export const textOf = ({ content = [] }) => content.map((block) => block.text ?? JSON.stringify(block)).join("\n\n");
export const showFailure = ({ message }) => $("result").replaceChildren(failed(message));

function nameOf({ place = "", stateName, state, location, latitude, longitude }) {
  const near = location?.city ? `Near ${location.city}, ${location.state}` : `${latitude}, ${longitude}`;
  return stateName ?? state ?? (/[a-z]/i.test(place) ? place : near);
}

// The answer of a tool, beside it those of `others` about the same place; and a button that belongs to it, if any.
export class View {
  constructor(tool, others, { state, button, inSi }) {
    Object.assign(this, { tool, state, button, inSi, head: el("header"), raw: el("div", { class: "raw" }) });
    this.slots = new Map([tool, ...others].map((each) => [each, el("div", { class: `part ${each.name}` })]));
    const parts = el("div", { class: "parts" }, [...this.slots.values()]);
    $("result").replaceChildren(el("div", {}, this.head, parts, this.raw));
  }

  // `fresh` are the ids of the alerts that were not there before.
  show(tool, result, fresh) {
    const [content, before] = [result.structuredContent ?? {}, this.zone];
    this.zone ??= content.location?.timeZone;
    this.slots.get(tool).replaceChildren(el("div", {}, this.#part(tool, result, content, fresh)));
    if (tool === this.tool) this.#surround(result, content);
    else if (this.zone !== before) this.show(this.tool, this.result); // Its times have a zone now.
  }

  #surround(result, content) {
    const issued = content.issued && when(content.issued, this.zone ?? offset(content.alerts?.[0]?.sent));
    const source = el("b", { class: `source ${content.source}` }, content.source);
    document.title = `${nameOf(content)}: weather over MCP`;
    const title = [el("h2", {}, nameOf(content)), source, issued && `issued ${issued}`, this.button];
    this.result = result;
    this.head.replaceChildren(el("div", {}, title, this.inSi && el("p", {}, AS_WRITTEN)));
    const json = later("Structured content", JSON.stringify(content, null, 2));
    this.raw.replaceChildren(json, result.content ? later("Text", textOf(result)) : "");
  }

  #part(tool, result, content, fresh) {
    const { ageSeconds } = content;
    const periods = restored(content.periods ?? []);
    const hours = isHourly(periods) && `The next ${periods.length} hours, by the hour`;
    const stale = `Stale: ${Math.round(ageSeconds / 60)} minutes old; the Weather Service is not answering.`;
    return [
      el("h3", {}, hours || (tool.title ?? tool.name)),
      result.isError && failed(textOf(result)),
      content.stale && el("p", { class: "stale", role: "status" }, stale),
      periods.length > 0 && forecast({ periods }, this.zone),
      content.period && weather(content, this.zone),
      content.alerts && alerts(content, this.zone, fresh),
    ];
  }
}
