// The server leaves out of the periods of a forecast what follows from the rest: `outputSchema` says what.
const later = (time, hours) =>
  new Date(Date.parse(`${time.slice(0, 19)}Z`) + hours * 3600000).toISOString().slice(0, 19) + time.slice(19);

export function restored(periods) {
  const [{ isDaytime, temperatureUnit } = {}, whole] = [periods[0], []];
  for (const { ...period } of periods) {
    const [before, words] = [whole.at(-1), period.detailedForecast];
    period.startTime ??= before?.startTime && later(before.startTime, isDaytime === undefined ? 1 : 12);
    if (before?.isDaytime !== undefined) period.isDaytime ??= !before.isDaytime;
    period.shortForecast ??= words?.split(/\.|, with a/)[0] || undefined;
    whole.push({ temperatureUnit, ...period });
  }
  return whole.map((period, index) => ({ endTime: whole[index + 1]?.startTime, ...period }));
}
