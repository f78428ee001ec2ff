// A short message that something was done or failed. Screen readers announce it too.

import { el } from "./element.js";

const SECONDS = 5;
const place = el("div", { class: "toasts", role: "status", "aria-live": "polite" });

export function toast(text, { bad = false } = {}) {
  if (!place.isConnected) document.body.append(place);
  const one = el("p", { class: bad ? "toast bad" : "toast" }, text);
  place.append(one);
  setTimeout(() => one.remove(), SECONDS * 1000);
}
