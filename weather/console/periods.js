// The server leaves out of the periods of a forecast what follows from the rest: `outputSchema` says what.
const later = (time, hours) =>
  new Date(Date.parse(`${time.slice(0, 19)}Z`) + hours * 3600000).toISOString().slice(0, 19) + time.slice(19);

export function restored(periods) {
  const [{ isDaytime, temperatureUnit } = {}, whole] = [periods[0], []];
  for (const { ...period } of periods) {
    const [before, words] = [whole.at(-1)?.startTime, period.detailedForecast];
    period.startTime ??= before && later(before, isDaytime === undefined ? 1 : 12);
    // The weather is said first: "Rain likely. Cloudy, with a high near 47."
    period.shortForecast ??= /^(?:Simulated\. )?([^.]+?)(?:, with a|\.)/.exec(words)?.[1] ?? (words || undefined);
    whole.push({ temperatureUnit, ...period });
  }
  return whole.map((period, index) => ({ endTime: whole[index + 1]?.startTime, ...period }));
}
