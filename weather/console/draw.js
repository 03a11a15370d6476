// A forecast as SVG: temperature, chance of precipitation and wind over one axis. What is missing leaves a gap.

import { el, svg, weekday } from "./dom.js";

const [LEFT, HEIGHT, TOP, BOTTOM, RAIN_TOP, RAIN_BOTTOM, WIND] = [34, 252, 34, 148, 170, 208, 224];
const COMPASS = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split(" ");

const isHourly = ([, { startTime, endTime } = {}]) => new Date(endTime) - new Date(startTime) <= 3600000;
const speed = ({ windSpeed }) => Math.max(...(String(windSpeed ?? "").match(/\d+/g) ?? [NaN]));

function words(period) {
  const { name, startTime = "", temperature, temperatureUnit = "", shortForecast, windSpeed, windDirection } = period;
  const chance = period.probabilityOfPrecipitation;
  const title = name || `${weekday(startTime)} ${startTime.slice(11, 16)}`;
  const wet = chance == null ? "–" : `${chance} % precipitation`;
  const wind = [windSpeed, windDirection].filter(Boolean).join(" ");
  return [title, `${temperature ?? "–"} °${temperatureUnit}`, shortForecast ?? "–", wet, wind];
}

function chart(periods, width) {
  const [hourly, slot] = [isHourly(periods), (width - LEFT - 4) / periods.length];
  const every = Math.max(1, Math.ceil(24 / slot)); // the labels that fit
  const known = periods.map(({ temperature }) => temperature).filter(Number.isFinite);
  const [coldest, warmest] = [Math.min(...known), Math.max(...known)];
  const step = warmest - coldest > 50 ? 20 : 10;
  const [low, high] = [Math.floor((coldest - 1) / step) * step, Math.ceil((warmest + 1) / step) * step];
  const x = (index) => LEFT + (index + 0.5) * slot;
  const y = (degrees) => BOTTOM - ((degrees - low) / (high - low)) * (BOTTOM - TOP);
  const text = (at, down, content, kind) => svg("text", { x: at, y: down, class: kind }, String(content));
  const column = (index, kind, title) =>
    svg("rect", { x: x(index) - slot / 2, width: slot, height: HEIGHT, class: kind }, title);
  const rule = (down, label) =>
    [svg("path", { d: `M${LEFT} ${down}H${width}`, class: "grid" }), text(LEFT - 6, down + 4, label, "axis")];

  const unit = /[a-z/]+$/i.exec(periods[0].windSpeed ?? "")?.[0] ?? "";
  const grid = [rule(RAIN_TOP, "100%"), rule(RAIN_BOTTOM, "0%"), text(LEFT - 6, WIND + 20, unit, "axis")];
  for (let degrees = low; degrees <= high; degrees += step) grid.push(rule(y(degrees), `${degrees}°`));

  const dates = periods.map(({ startTime = "" }) => startTime.slice(0, 10));
  const marks = dates.map((date, index) => {
    const last = dates.lastIndexOf(date);
    const edge = svg("path", { d: `M${x(index) - slot / 2} 6V${HEIGHT}`, class: "edge" });
    const wide = date && (last - index + 1) * slot > 23;
    return date !== dates[index - 1] && [edge, wide && text((x(index) + x(last)) / 2, 15, weekday(date), "day")];
  });

  const line = (kind, chosen) => {
    const has = (index) => chosen(periods[index].isDaytime) && Number.isFinite(periods[index].temperature);
    const points = [...periods.keys()].filter(has).map((index) => [index, x(index), y(periods[index].temperature)]);
    const path = points.map(([, ...at]) => at.map((value) => value.toFixed(1)).join(" ")).join("L");
    return [points.length > 1 && svg("path", { d: `M${path}`, class: `line ${kind}` }), points.map(([i, cx, cy]) => [
      svg("circle", { cx, cy, r: hourly ? 1.5 : 3.5, class: `point ${kind}` }),
      (!hourly || i % every === 0) && text(cx, cy + (kind === "low" ? 16 : -8), `${periods[i].temperature}°`),
    ])];
  };
  const columns = periods.map((period, index) => {
    const [chance, shown] = [period.probabilityOfPrecipitation, index % every === 0];
    const top = RAIN_BOTTOM - ((chance ?? 0) / 100) * (RAIN_BOTTOM - RAIN_TOP);
    const bar = { x: x(index) - slot * 0.35, y: top, width: slot * 0.7, height: RAIN_BOTTOM - top, class: "rain" };
    const turn = COMPASS.indexOf(period.windDirection);
    const transform = `translate(${x(index)} ${WIND}) rotate(${turn * 22.5 + 180})`;
    return [
      chance > 0 && [svg("rect", bar), shown && text(x(index), top - 3, chance, "small")],
      shown && turn >= 0 && svg("path", { d: "M0-5L3.5 4L0 2L-3.5 4Z", transform, class: "arrow" }),
      shown && speed(period) >= 0 && text(x(index), WIND + 20, speed(period), "small"),
      column(index, "hover", svg("title", {}, words(period).join("\n"))),
    ];
  });
  const label = `Temperatures of ${periods.length} periods, from ${coldest} to ${warmest} degrees; a table follows`;
  return svg("svg", { width, height: HEIGHT, role: "img", "aria-label": label },
    periods.map(({ isDaytime }, index) => isDaytime === false && column(index, "night")), grid, marks,
    line("high", (day) => hourly || day !== false), line("low", (day) => !hourly && day === false), columns);
}

export function forecast({ periods }) {
  const box = el("div", { class: "chart" });
  new ResizeObserver(() => box.clientWidth && box.replaceChildren(chart(periods, box.clientWidth))).observe(box);
  const lines = isHourly(periods) ? [el("i"), "by the hour"] : [el("i"), "high ", el("i", { class: "low" }), "low"];
  const legend = [lines, " · bars: chance of precipitation · arrows: where the wind blows"];
  const cells = (each) => words(each).map((word, index) => el(index ? "td" : "th", {}, word));
  const table = el("table", {}, periods.map((period) => el("tr", {}, cells(period))));
  const summary = el("summary", {}, `The ${periods.length} periods as a table`);
  return [box, el("p", { class: "help" }, legend), el("details", {}, summary, el("div", { class: "scroll" }, table))];
}
