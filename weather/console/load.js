// A burst of calls over this one connection, of simulated weather only.

import { $, el, svg, took } from "./dom.js";

class Burst {
  constructor(calls, call) {
    Object.assign(this, { calls, call, sent: 0, done: 0, failed: 0, stopped: "", began: performance.now() });
    this.times = new Float64Array(calls);
  }

  async run(atOnce) {
    await this.#one(); // One before there are many: an answer says where the weather is from.
    if (!this.source) this.stopped ||= "The first answer does not say where the weather is from.";
    const some = async () => {
      while (this.sent < this.calls && !this.stopped) await this.#one();
    };
    await Promise.all(Array.from({ length: atOnce }, some));
  }

  async #one() {
    this.sent += 1;
    const at = performance.now();
    try {
      const { structuredContent, isError = false } = await this.call();
      this.failed += isError;
      this.source = structuredContent?.source ?? this.source;
      if (this.source && this.source !== "simulated") this.stopped = `No bursts here: the weather is ${this.source}.`;
    } catch ({ code, message }) {
      this.failed += 1;
      if (code === undefined) this.stopped = message;
    }
    this.times[this.done++] = performance.now() - at;
  }

  show() {
    const sorted = this.times.slice(0, this.done).sort();
    const at = (share) => (this.done ? took(sorted[Math.ceil(share * this.done) - 1]) : "–");
    const rate = ((this.done * 1000) / (performance.now() - this.began)).toFixed(0);
    const entry = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)));
    $("load-figures").replaceChildren(entry("done", `${this.done} of ${this.calls}`), entry("failed", this.failed),
      entry("p50", at(0.5)), entry("p99", at(0.99)), entry("calls/s", rate));
    if (sorted.length > 1) $("load-histogram").replaceChildren(histogram(sorted));
  }
}

// Bins of the same width on a logarithmic axis: a long tail stands beside the bulk.
function histogram(sorted) {
  const low = Math.max(sorted[0], 0.1);
  const high = Math.max(sorted.at(-1), low * 1.1);
  const counts = new Array(30).fill(0);
  const bin = (ms) => Math.floor((Math.log(ms / low) / Math.log(high / low)) * 30);
  for (const ms of sorted) counts[Math.min(29, Math.max(0, bin(ms)))] += 1;
  const bars = counts.map((count, index) => {
    const height = (count / Math.max(...counts)) * 76;
    return svg("rect", { x: index * 10 + 1, y: 80 - height, width: 8, height, class: "rain" });
  });
  const label = (x, ms, anchor) => svg("text", { x, y: 94, "text-anchor": anchor }, took(ms));
  const labels = [label(0, low, "start"), label(150, Math.sqrt(low * high), "middle"), label(300, high, "end")];
  return svg("svg", { viewBox: "0 0 300 98", role: "img", "aria-label": "How many calls took how long" }, bars, labels);
}

// `forms`: the tools' forms by name, whose values are the arguments.
export function load(connection, forms) {
  let burst = null;
  $("load-stop").addEventListener("click", () => (burst.stopped = "Stopped."));
  $("load-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const [name, values] = [$("load-tool").value, forms.get($("load-tool").value)?.read()];
    if (!values) return;
    const call = () => connection.request("tools/call", { name, arguments: values });
    burst = new Burst($("load-calls").valueAsNumber, call);
    [$("load-run").disabled, $("load-stop").disabled] = [true, false];
    $("load-status").textContent = `${name} ${JSON.stringify(values)}`;
    const timer = setInterval(() => burst.show(), 150);
    await burst.run($("load-at-once").valueAsNumber);
    clearInterval(timer);
    burst.show();
    $("load-status").textContent = burst.stopped || "Done.";
    [$("load-run").disabled, $("load-stop").disabled] = [false, true];
  });
}
