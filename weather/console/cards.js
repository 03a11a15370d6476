// Weather as facts, alerts as cards.

import { el, when } from "./dom.js";

const SEVERITIES = ["Extreme", "Severe", "Moderate", "Minor", "Unknown"];
const UNITS = { F: " °F", C: " °C", Mph: " mph", Kmh: " km/h", Percent: " %" };
const TOLD = ["name", "temperature", "temperatureUnit", "shortForecast", "number", "icon", "isDaytime", "station"];

const level = ({ severity }) => (SEVERITIES.includes(severity) ? severity : "Unknown");
const rank = (alert) => SEVERITIES.indexOf(level(alert));

// "windSpeedMph": 11 → "wind speed", "11 mph"; whatever fields there are.
function facts(fields) {
  const untold = Object.entries(fields).filter(([name, value]) => !TOLD.includes(name) && typeof value !== "object");
  return el("dl", { class: "facts" }, untold.map(([name, value]) => {
    const [, stem, unit] = /^(.+?)(F|C|Mph|Kmh|Percent)?$/.exec(name);
    const label = stem.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    const shown = /^\d{4}-\d\d-\d\dT/.test(value) ? when(value) : `${value}${UNITS[unit] ?? ""}`;
    return el("div", {}, el("dt", {}, label), el("dd", {}, shown, name.startsWith("probability") && " %"));
  }));
}

export function weather({ period, observation }) {
  const now = el("b", {}, `${period.temperature ?? "–"} °${period.temperatureUnit ?? ""}`);
  const { name, station } = observation ?? {};
  const seen = observation && [el("h4", {}, `Measured at ${name ?? station}`), facts(observation)];
  return [el("p", { class: "now" }, now, `${period.name}: ${period.shortForecast ?? ""}`), facts(period), seen];
}

function card(alert, fresh) {
  const [severity, ends] = [level(alert), alert.ends ?? alert.expires];
  const hours = [alert.onset && `from ${when(alert.onset)}`, ends && `until ${when(ends)}`];
  const told = [...hours, alert.urgency, alert.certainty];
  const more = [alert.headline, alert.description, alert.instructions].filter(Boolean);
  return el("article", { class: `alert ${severity.toLowerCase()}` },
    el("h4", {}, el("b", { class: "severity" }, severity), alert.event, fresh && el("b", { class: "new" }, "new")),
    el("p", {}, told.filter(Boolean).join(" · ")),
    el("p", { class: "help" }, alert.area),
    el("details", {}, el("summary", {}, "What it says"), more.map((text) => el("p", { class: "prose" }, text))));
}

export function alerts({ alerts: all, total = all.length, stateName, state, countsBySeverity = {} }, fresh) {
  const counts = Object.entries(countsBySeverity).map(([severity, count]) => `${count} ${severity}`);
  const summary = total ? `${total} in force, ${all.length} shown (${counts.join(", ")})` : "no active alerts";
  const sorted = [...all].sort((one, other) => rank(one) - rank(other));
  return [el("p", {}, `${stateName ?? state}: ${summary}`), sorted.map((alert) => card(alert, fresh?.has(alert.id)))];
}
