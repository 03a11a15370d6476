// A forecast as SVG, a column for each period. What is missing leaves a gap, and so does a number that has no room.
import { el, svg, when } from "./dom.js";
const [LEFT, HEIGHT, DAYS, SKY, HIGHS, TOP, BOTTOM, LOWS] = [36, 302, 15, 40, 72, 84, 162, 180];
const [HOURS, RAIN_TOP, RAIN_BOTTOM, WINDS, SPEEDS] = [195, 215, 253, 276, 290];
const [SYMBOL, DIGIT] = [26, 7]; // px, the widths of them

export const isHourly = ([, { startTime, endTime } = {}]) => new Date(endTime) - new Date(startTime) <= 3600000;
export const wind = ({ windSpeed, windDirection }) => [windSpeed, windDirection].filter(Boolean).join(" ");

// Symbols by the words of a short forecast, the worst first; the page has their drawings.
const KINDS = [
  ["storm", /thunder|tornado|hurricane|tropical/i],
  ["ice", /freezing [rds]|sleet|\bice\b|wintry|snow.*rain|rain.*snow/i],
  ["snow", /snow|flurr|blizzard/i],
  ["rain", /rain|shower|drizzle/i],
  ["fog", /fog|haze|smoke|dust|\bash\b/i],
  ["windy", /wind|breez|bluster/i],
  ["cloudy", /(?<!partly )cloud|overcast/i],
  ["partly", /partly|mostly (sunny|clear)|becoming/i],
  ["clear", /sunny|clear|fair|hot|cold|frost/i],
];
const rank = (words) => KINDS.findIndex(([, pattern]) => pattern.test(words ?? ""));

// That of the worst of several forecasts; null where their words name none.
export function symbol(forecasts, isNight, place) {
  const worst = Math.min(...forecasts.map(rank).filter((each) => each >= 0));
  const [name] = KINDS[worst] ?? [];
  const href = `#${name}${isNight && ["clear", "partly"].includes(name) ? "-night" : ""}`;
  return name ? svg("use", { href, class: `symbol ${name}`, ...place }) : null;
}

// As the text itself has them: the place's own, whatever zone this browser is in.
const local = (iso, how) => new Date(`${iso.slice(0, 16)}Z`).toLocaleString("en-US", { ...how, timeZone: "UTC" });
const isNight = ({ isDaytime, startTime = "" }) => !(isDaytime ?? !/T(0[0-5]|1[89]|2)/.test(startTime));

function words(period, hourly, zone) {
  const { name, startTime, temperature, temperatureUnit, shortForecast, probabilityOfPrecipitation: chance } = period;
  const degrees = temperature == null ? "–" : `${temperature}°${temperatureUnit}`;
  const title = hourly && startTime ? when(startTime, zone) : name;
  return [title, degrees, shortForecast ?? "–", chance == null ? "–" : `${chance}%`, wind(period) || "–"];
}

function chart(periods, zone, width) {
  const [hourly, slot, all] = [isHourly(periods), (width - LEFT - 2) / periods.length, [...periods.keys()]];
  const every = [1, 2, 3, 4, 6, 8, 12, 24].find((step) => step * slot >= (hourly ? 36 : 16)) ?? periods.length;
  const some = all.filter((index) => index % every === 0);
  const x = (index) => LEFT + (index + 0.5) * slot;
  const text = (at, y, content, kind) => svg("text", { x: at, y, class: kind }, content);

  // Texts of one row, [index, content, height], the most important first: those that there are and that have room.
  const row = (kind, texts) => {
    const taken = [];
    return texts.filter(([, content]) => content).map(([index, content, y]) => {
      const half = (content.length * DIGIT) / 2;
      const middle = Math.min(Math.max(x(index), LEFT + half), width - half);
      if (taken.some((other) => Math.abs(other.middle - middle) < other.half + half)) return null;
      taken.push({ middle, half });
      return text(middle, y, content, kind);
    });
  };

  const columns = all.map((index) => {
    const tip = svg("title", {}, words(periods[index], hourly, zone).join("\n"));
    const kind = `column ${isNight(periods[index]) ? "night" : ""}`;
    return svg("rect", { x: x(index) - slot / 2, width: slot, height: HEIGHT, class: kind }, tip);
  });
  const dates = periods.map(({ startTime = "" }) => startTime.slice(0, 10));
  const firsts = all.filter((index) => dates[index] && dates[index] !== dates[index - 1]);
  const weekday = (index) => local(periods[index].startTime, { weekday: "short" });
  const days = firsts.map((index) => [(index + dates.lastIndexOf(dates[index])) / 2, weekday(index), DAYS]);

  const symbols = some.map((index) => {
    const group = periods.slice(index, index + every);
    const [size, middle] = [Math.min(SYMBOL, every * slot), x(index + (group.length - 1) / 2)];
    const place = { x: middle - size / 2, y: SKY - size / 2, width: size, height: size };
    return symbol(group.map(({ shortForecast }) => shortForecast), isNight(periods[index]), place);
  });

  const degrees = periods.map(({ temperature }) => temperature);
  const [coldest, warmest] = [Math.min, Math.max].map((of) => of(...degrees.filter(Number.isFinite)));
  const y = (index) => BOTTOM - ((degrees[index] - coldest) / (warmest - coldest || 1)) * (BOTTOM - TOP);
  const known = all.filter((index) => Number.isFinite(degrees[index]));
  const line = (kind, down, own, numbers) => {
    const d = `M${own.map((index) => `${x(index).toFixed(1)} ${y(index).toFixed(1)}`).join("L")}`;
    return [own.length > 1 && svg("path", { d, class: `line ${kind}` }),
      own.map((index) => svg("circle", { cx: x(index), cy: y(index), r: hourly ? 1.5 : 3.5, class: `point ${kind}` })),
      row(`degrees ${kind}`, numbers.map((index) => [index, known.includes(index) && `${degrees[index]}°`, down]))];
  };
  const [highs, lows] = [false, true].map((night) => known.filter((index) => isNight(periods[index]) === night));
  const lines = [line("high", HIGHS, hourly ? known : highs, hourly ? [degrees.indexOf(warmest), ...some] : highs),
    line("low", LOWS, hourly ? [] : lows, hourly ? [degrees.indexOf(coldest)] : lows)];
  const clocks = hourly ? some.filter((index) => dates[index]) : [];
  const hours = clocks.map((index) => [index, local(periods[index].startTime, { hour: "numeric" }), HOURS]);

  const chances = periods.map((period) => period.probabilityOfPrecipitation ?? 0);
  const height = (index) => (chances[index] / 100) * (RAIN_BOTTOM - RAIN_TOP);
  const wet = all.filter((index) => chances[index] > 0).sort((one, other) => chances[other] - chances[one]);
  const bar = (index) => ({ x: x(index) - slot * 0.35, y: RAIN_BOTTOM - height(index), width: slot * 0.7 });
  const bars = wet.map((index) => svg("rect", { ...bar(index), height: height(index), class: "rain" }));
  const shares = [...wet.slice(0, 1), ...(hourly ? some : all).filter((index) => wet.includes(index))]
    .map((index) => [index, String(chances[index]), RAIN_BOTTOM - height(index) - 4]);

  const winds = some.map((index) => [index, periods[index].windDirection, WINDS]);
  const speeds = some.map((index) => [index, periods[index].windSpeed?.match(/\d+/g)?.join("–"), SPEEDS]);
  const unit = /[a-z/]+$/i.exec(periods.find(({ windSpeed }) => windSpeed)?.windSpeed ?? "")?.[0] ?? "";
  const names = { "%": RAIN_BOTTOM, wind: WINDS, [unit]: SPEEDS, ...(!hourly && { high: HIGHS, low: LOWS }) };
  const axis = Object.entries(names).map(([name, down]) => text(LEFT - 6, down, name, "axis"));
  const label = `Temperatures of ${periods.length} periods, from ${coldest} to ${warmest} degrees; a table follows`;
  return svg("svg", { width, height: HEIGHT, role: "img", "aria-label": label }, columns, row("day", days),
    symbols, lines, row("small", hours), svg("path", { d: `M${LEFT} ${RAIN_BOTTOM}H${width}`, class: "ground" }), bars,
    row("small", shares), row("small", winds), row("small", speeds), axis);
}

export function forecast({ periods }, zone) {
  const [box, hourly] = [el("div", { class: "chart" }), isHourly(periods)];
  new ResizeObserver(() => box.clientWidth && box.replaceChildren(chart(periods, zone, box.clientWidth))).observe(box);
  const row = (kind, cells) => el("tr", {}, cells.map((cell, index) => el(index ? kind : "th", {}, cell)));
  const head = row("th", ["When", "Temperature", "Forecast", "Precipitation", "Wind"]);
  const table = el("table", {}, head, periods.map((period) => row("td", words(period, hourly, zone))));
  return [box, el("p", { class: "help" }, "Bars: chance of precipitation. Wind: where it comes from, and its speed."),
    el("details", {}, el("summary", {}, `The ${periods.length} periods as a table`),
      el("div", { class: "scroll", tabindex: 0 }, table))];
}
