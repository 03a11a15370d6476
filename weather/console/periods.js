// The server leaves out of the periods of a forecast what follows from the rest: `outputSchema` says what.

function later(time, hours) {
  const [offset, sign, hour, minute] = /([+-])(\d\d):(\d\d)$/.exec(time) ?? ["Z", "", 0, 0];
  const local = Date.parse(time) + Number(`${sign}1`) * (hour * 60 + Number(minute)) * 60000;
  return new Date(local + hours * 3600000).toISOString().slice(0, 19) + offset;
}

export function restored(periods) {
  const [{ isDaytime, temperatureUnit } = {}, whole] = [periods[0], []];
  for (const { ...period } of periods) {
    const [before, words] = [whole.at(-1)?.startTime, period.detailedForecast];
    period.startTime ??= before && later(before, isDaytime === undefined ? 1 : 12);
    period.shortForecast ??= /([^.]*), with a/.exec(words)?.[1].trim() ?? words;
    whole.push({ temperatureUnit, ...period });
  }
  return whole.map((period, index) => ({ endTime: whole[index + 1]?.startTime, ...period }));
}
