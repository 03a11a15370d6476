// What scenario.py does, for clients in JavaScript.

import { createInterface } from "node:readline";

const BOUND_MS = 20_000;
const PLACE = { place: "Boston, MA" };
const NOT_GIVEN = { latitude: null, longitude: null, units: null, hourly: null };
const NO_STATE = { state: "Atlantis" };

/** `connect(url, token)` gives an object with `tools()`, `call(name, args, signal)` and `close()`. */
export async function observe(connect) {
  const [url, token, guarded, slow] = process.argv.slice(2);
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const seen = {};

  async function using(target, secret, steps) {
    let client;
    try {
      client = await connect(target, secret);
      return await steps(client);
    } finally {
      await client?.close();
    }
  }

  seen["with token"] = await outcome(using(url, token, async (client) => {
    seen.tools = await outcome(client.tools());
    seen.call = await outcome(client.call("get-weather", PLACE));
    seen.is_error = await outcome(client.call("get-alerts", NO_STATE));
    seen.null = await outcome(client.call("get-forecast", { ...PLACE, ...NOT_GIVEN }));
    for (const [name, done] of [["restarted", "restart"], ["down", "stop"], ["up again", "start"]]) {
      console.log(done);
      await lines.next();
      seen[name] = await outcome(client.call("get-weather", PLACE));
    }
  }), 5 * BOUND_MS);
  seen["wrong token"] = await outcome(using(guarded, "wrong", (client) => client.tools()));
  seen["no token"] = await outcome(using(guarded, null, (client) => client.tools()));
  seen.cancelling = await outcome(using(slow, token, async (client) => {
    const cancel = new AbortController();
    const call = outcome(client.call("get-alerts", { state: "CA" }, cancel.signal));
    seen["at work"] = await inFlight(slow, 1);
    cancel.abort();
    seen.ended = await inFlight(slow, 0);
    seen.cancelled = await call;
    seen.afterwards = await outcome(client.call("get-alerts", NO_STATE));
  }), 5 * BOUND_MS);
  console.log(JSON.stringify(seen));
  process.exit(0);
}

export function given({ content, structuredContent, isError = false }) {
  return { texts: content.map((block) => block.text), structured: structuredContent ?? null, is_error: isError };
}

async function outcome(step, boundMs = BOUND_MS) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error("nothing came")), boundMs); });
  try {
    return { returned: (await Promise.race([step, late])) ?? null };
  } catch (error) {
    return { raised: [String(error)] };
  } finally {
    clearTimeout(timer);
  }
}

async function inFlight(url, number) {
  const metrics = `${new URL(url).origin.replace("ws", "http")}/metrics`;
  for (const deadline = Date.now() + BOUND_MS / 2; Date.now() < deadline;) {
    const text = await (await fetch(metrics)).text();
    const now = text.split("\n").filter((line) => line.startsWith("mcp_requests_in_flight{"));
    if (now.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0) === number) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}
