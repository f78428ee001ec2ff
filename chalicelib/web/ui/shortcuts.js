// Keyboard shortcuts, and the list of them.

import { dialog } from "./dialog.js";
import { el } from "./element.js";

const ALL = [
  ["Everywhere", [["l", "Instances"], ["w", "Workflows"], ["n", "Submit a workflow"], ["/", "Search"], ["t", "Light or dark"], ["?", "This list"], ["Esc", "Close, or leave a field"]]],
  ["In a list", [["j k", "Next, previous"], ["Enter", "Open"]]],
  ["An instance", [["1 – 6", "Graph, timeline, nodes, results, history, definition"], ["p", "Pause or resume"], ["c", "Cancel"], ["r", "Run again"], ["x", "Trigger another"]]],
  ["Graph", [["← → ↑ ↓", "To a neighbour"], ["+ −", "Zoom"], ["f", "Fit"], ["Enter", "Node detail"]]],
  ["Submit", [["Ctrl Enter", "Submit"]]],
];

export function showShortcuts() {
  if (document.querySelector("dialog[open]")) return;
  const group = ([title, keys]) =>
    el("section", {}, el("h3", {}, title), el("dl", {}, keys.map(([key, does]) => [el("dt", {}, key.split(" ").map((one) => el("kbd", {}, one))), el("dd", {}, does)])));
  dialog({ title: "Keyboard shortcuts", body: el("div", { class: "shortcuts" }, ALL.map(group)), wide: true });
}

/** `common` and what `own()` returns map keys to functions; the latter takes precedence. Keys do nothing while the user types in a field. */
export function keyboard(common, own) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.closest("input, textarea, select")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
    const act = own()[event.key] ?? common[event.key];
    if (!act) return;
    event.preventDefault();
    act(event);
  });
}

/** Moves the focus between the links of a list. */
export function step(container, selector, by) {
  const all = [...container.querySelectorAll(selector)];
  const now = all.indexOf(document.activeElement);
  all[Math.min(all.length - 1, Math.max(0, now < 0 ? 0 : now + by))]?.focus();
}
