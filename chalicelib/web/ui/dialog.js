// Dialogs. They are native ones, which keep the focus inside and close with Escape.

import { el, say } from "./element.js";
import { icon } from "./icons.js";

/**
 * Shows `body` under `title`. With `act` it has a button named `confirm`, which calls act(): when that resolves, the
 * dialog closes; if it rejects, the error is shown. Resolves to the value of act(), or undefined.
 */
export function dialog({ title, body, confirm, act, danger = false, wide = false }) {
  const fault = el("p", { class: "fault", role: "alert", hidden: true });
  const button = act && el("button", { type: "submit", class: danger ? "button danger" : "button primary" }, confirm);
  const close = el("button", { type: "button", class: "button ghost icon-only", "aria-label": "Close", onclick: () => box.close() }, icon("close"));
  const form = el(
    "form",
    { novalidate: true },
    el("header", {}, el("h2", {}, title), close),
    el("div", { class: "body" }, body, fault),
    act && el("footer", {}, el("button", { type: "button", class: "button", onclick: () => box.close() }, "Not now"), button),
  );
  const box = el("dialog", { class: wide ? "wide" : null, "aria-label": title }, form);
  let outcome;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    fault.hidden = true;
    try {
      outcome = await act();
      box.close();
    } catch (problem) {
      say(fault, [problem.message, ...(problem.errors ?? []).map((one) => `${one.pointer}: ${one.detail}`)].join("\n"));
      fault.hidden = false;
      button.disabled = false;
    }
  });
  box.addEventListener("click", (event) => event.target === box && box.close());
  document.body.append(box);
  box.showModal();
  (form.querySelector(".body :is(input, textarea)") ?? button ?? close).focus();
  return new Promise((resolve) => {
    box.addEventListener("close", () => {
      box.remove();
      resolve(outcome);
    });
  });
}

/** A field with a label above it. */
export const field = (label, input, hint) =>
  el("label", { class: "field" }, el("span", {}, label), input, hint && el("small", {}, hint));
