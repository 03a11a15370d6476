// The weather now as a headline and facts; alerts as cards.
import { el, listed, svg, when } from "./dom.js";
import { symbol, wind } from "./draw.js";
const FRESH_MS = 2 * 3600000; // An older measurement is no headline.
// By the end of a field's name.
const UNITS = { F: "°F", C: "°C", Mph: " mph", Kmh: " km/h", InHg: " inHg", Hpa: " hPa", Miles: " miles", Km: " km" };
const FACTS = [
  ["Feels like", "windChill"], ["Feels like", "heatIndex"], ["Gusts", "windGust"], ["Humidity", "humidity"],
  ["Dew point", "dewpoint"], ["Pressure", "pressure"], ["Visibility", "visibility"],
];

function measure(data, name) {
  const [unit, said] = Object.entries({ ...UNITS, Percent: "%" }).find(([each]) => name + each in data) ?? [];
  return unit && `${data[name + unit]}${said}`;
}

function facts(seen) {
  const air = ["Wind", wind({ ...seen, windSpeed: measure(seen, "windSpeed") })];
  const all = [air, ...FACTS.map(([label, name]) => [label, measure(seen, name)])].filter(([, value]) => value);
  const entry = ([label, value]) => el("div", {}, el("dt", {}, label), el("dd", {}, value));
  return el("dl", { class: "facts" }, all.map(entry));
}

// The headline is what was measured; where that is old or missing, the forecast.
export function weather({ period, observation: seen }, zone) {
  const { name, isDaytime, shortForecast: sky, probabilityOfPrecipitation: chance } = period;
  const expected = period.temperature != null && `${period.temperature}°${period.temperatureUnit}`;
  const measured = seen && [measure(seen, "temperature"), seen.text];
  const isNow = measured?.[0] && new Date() - new Date(seen.time) < FRESH_MS;
  const [degrees, words] = isNow ? measured : [expected || "–", sky];
  const where = seen && `Measured at ${seen.name ?? seen.station}, ${when(seen.time, zone)}`;
  const ahead = [[{ true: "high", false: "low" }[isDaytime], expected].filter(Boolean).join(" "), sky,
    wind(period) && `wind ${wind(period)}`, chance != null && `precipitation ${chance}%`];
  return [
    el("div", { class: "now" }, svg("svg", { "aria-hidden": "true" }, symbol([words ?? sky], isDaytime === false)),
      el("p", {}, el("b", {}, degrees), words), el("p", { class: "help" }, isNow ? where : `Forecast for ${name}`)),
    el("p", {}, el("b", {}, name, ": "), listed(...ahead)),
    period.detailedForecast && el("p", { class: "muted" }, period.detailedForecast),
    seen && [!isNow && el("p", {}, `${where}: ${listed(...measured)}`), facts(seen)],
  ];
}

function card(alert, zone, isNew) {
  const { severity = "Unknown", ends = alert.expires } = alert;
  const begins = new Date(alert.onset) > new Date() && `from ${when(alert.onset, zone)}`;
  const more = [alert.headline, alert.description, alert.instructions, listed(alert.urgency, alert.certainty)];
  return el("article", { class: `alert ${severity.toLowerCase()}` },
    el("h4", {}, el("b", { class: "severity" }, severity), alert.event, isNew && el("b", { class: "new" }, "new")),
    el("p", {}, listed(begins, ends && `until ${when(ends, zone)}`)),
    el("p", { class: "help" }, alert.area),
    el("details", {}, el("summary", {}, "What it says"), more.map((text) => el("p", { class: "prose" }, text ?? ""))));
}

export function alerts({ alerts: all, total = all.length, others, otherEvents, countsBySeverity = {} }, zone, fresh) {
  const counts = Object.entries(countsBySeverity).map(([severity, count]) => `${count} ${severity}`).join(", ");
  const summary = [`${total} in force`, counts && ` (${counts})`, all.length < total && `, ${all.length} shown`];
  const beside = others > 0 && ` ${others} more not asked for: ${otherEvents?.join(", ")}.`;
  return [el("p", { class: !total && "muted" }, total ? summary : "No alerts in force.", beside),
    all.map((alert) => card(alert, zone, fresh?.has(alert.id)))];
}
