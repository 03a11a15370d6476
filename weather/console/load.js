// A burst of calls over this one connection, of simulated weather only.
import { $, el, onSubmit, took } from "./dom.js";
// `params()` are those of the call that the form stands for.
export function load(connection, params) {
  let stopped = "";

  async function burst(total, atOnce, asked) {
    const [times, began] = [[], performance.now()];
    let [sent, failed, source] = [0, 0, "not known to be simulated"];
    const one = async () => {
      const at = performance.now();
      sent += 1;
      const broken = ({ code, message }) => ({ isError: true, why: code === undefined && message });
      const { structuredContent, isError, why } = await connection.request("tools/call", asked).catch(broken);
      [source, failed] = [structuredContent?.source ?? source, failed + Boolean(isError)];
      stopped ||= why;
      times.push(performance.now() - at);
    };
    const show = () => {
      const [done, sorted] = [times.length, times.toSorted((a, b) => a - b)];
      const share = (part) => (done ? took(sorted[Math.ceil(part * done) - 1]) : "–");
      const rate = ((1000 * done) / (performance.now() - began)).toFixed(0);
      const figures = { done: `${done} of ${total}`, failed, p50: share(0.5), p99: share(0.99), "calls/s": rate };
      const entry = ([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)));
      $("load-figures").replaceChildren(...Object.entries(figures).map(entry));
    };
    const timer = setInterval(show, 150);
    await one(); // One before there are many: an answer says where the weather is from.
    if (source !== "simulated") stopped ||= `No bursts here: the weather is ${source}.`;
    const some = async () => {
      while (sent < total && !stopped) await one();
    };
    await Promise.all(Array.from({ length: atOnce }, some));
    clearInterval(timer);
    show();
  }

  $("load-stop").addEventListener("click", () => (stopped = "Stopped."));
  onSubmit("load-form", async () => {
    const asked = params();
    [stopped, $("load-run").disabled, $("load-stop").disabled] = ["", true, false];
    $("load-status").textContent = `${asked.name} ${JSON.stringify(asked.arguments)}`;
    await burst($("load-calls").valueAsNumber, $("load-at-once").valueAsNumber, asked);
    [$("load-run").disabled, $("load-stop").disabled] = [false, true];
    $("load-status").textContent = stopped || "Done.";
  });
}
