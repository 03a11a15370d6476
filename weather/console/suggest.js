// Suggestions below a field as one types: a combobox with a listbox (ARIA Authoring Practices, "list autocomplete").
import { el } from "./dom.js";
const [PAUSE_MS, MOST] = [120, 8];
const NAMES = { type: "ref/resource", uri: "weather://forecast/{place}" }; // those that the tools' `place` takes

// `pick(name)` is called with the one that is chosen.
export function suggest(input, list, connection, pick) {
  let timer = 0;
  const chosen = () => list.querySelector("[aria-selected=true]");
  const choose = (option) => {
    chosen()?.removeAttribute("aria-selected");
    option?.setAttribute("aria-selected", "true");
    input.setAttribute("aria-activedescendant", option?.id ?? "");
  };
  const show = (names) => {
    const option = (name, index) => el("li", { role: "option", id: `place-${index}` }, name);
    list.replaceChildren(...names.slice(0, MOST).map(option));
    list.hidden = names.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    choose(null);
  };
  const close = () => {
    timer = clearTimeout(timer);
    show([]);
  };
  const take = (option) => {
    pick(option.textContent);
    close();
  };
  const ask = async (mine) => {
    const params = { ref: NAMES, argument: { name: "place", value: input.value } };
    const found = await connection.request("completion/complete", params).catch(() => null);
    if (mine === timer) show((found?.completion.values ?? []).filter((name) => name !== input.value));
  };
  input.addEventListener("input", () => {
    clearTimeout(timer);
    const mine = (timer = setTimeout(() => ask(mine), PAUSE_MS));
  });
  input.addEventListener("keydown", (event) => {
    const arrows = { ArrowDown: ["firstChild", "nextSibling"], ArrowUp: ["lastChild", "previousSibling"] };
    const [first, beside] = arrows[event.key] ?? [];
    const next = chosen()?.[beside] ?? list[first];
    if (next) choose(next);
    else if (event.key === "Enter" && chosen()) take(chosen());
    else return ["Enter", "Escape"].includes(event.key) && close();
    return event.preventDefault();
  });
  input.addEventListener("blur", close);
  list.addEventListener("pointerdown", (event) => {
    event.preventDefault(); // The field keeps the focus.
    if (event.target !== list) take(event.target);
  });
}
