// The server leaves out of a period of a forecast what follows from the others.

function later(time, hours) {
  const [offset, sign, hour, minute] = /([+-])(\d\d):(\d\d)$/.exec(time) ?? ["Z", "", 0, 0];
  const local = Date.parse(time) + Number(`${sign}1`) * (hour * 60 + Number(minute)) * 60000;
  return new Date(local + hours * 3600000).toISOString().slice(0, 19) + offset;
}

// The periods with all fields that others have.
export function restored(periods) {
  const [{ name, temperatureUnit } = {}] = periods;
  const hours = /\d:\d\d/.test(name) ? 1 : 12;
  const whole = [];
  for (const period of periods) {
    const [start, words] = [whole.at(-1)?.startTime, period.detailedForecast];
    whole.push({
      temperatureUnit,
      ...(start && { startTime: later(start, hours) }),
      ...(hours === 12 && period.name && { isDaytime: !/night$/i.test(period.name) }),
      ...(words && { shortForecast: /([^.]*), with a/.exec(words)?.[1].trim() ?? words }),
      ...period,
    });
  }
  return whole.map((period, index) => ({ endTime: whole[index + 1]?.startTime, ...period }));
}
