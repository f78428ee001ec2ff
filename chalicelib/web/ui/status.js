// The statuses: their order, their signs (never colour alone), and their elements.

import { el, svg } from "./element.js";

export const NODE = ["RUNNING", "PENDING", "COMPLETED", "FAILED", "SKIPPED", "CANCELLED"];
export const INSTANCE = ["RUNNING", "PENDING", "COMPLETED", "FAILED", "CANCELLED"];

/** Paths in a square of 12, to be stroked. The canvas draws them too. */
export const SIGNS = {
  PENDING: "M6 3.3V6.2L8 7.4",
  RUNNING: "M4.7 3.4 8.9 6 4.7 8.6Z",
  COMPLETED: "M3.2 6.3 5.2 8.3 8.9 4",
  FAILED: "M4 4 8 8M8 4 4 8",
  SKIPPED: "M3.6 3.8 5.8 6 3.6 8.2M6.4 3.8 8.6 6 6.4 8.2",
  CANCELLED: "M3.6 6H8.4",
  LOST: "M6 3.3V6.6M6 8.3V8.7",
  PAUSED: "M4.7 3.8V8.2M7.3 3.8V8.2",
};

export const terminal = (status) => status === "COMPLETED" || status === "FAILED" || status === "CANCELLED";

/** The word for users: "Completed". */
export const word = (status) => status[0] + status.slice(1).toLowerCase();

/** The sign in a circle. */
export function sign(status) {
  const path = svg("path", { d: SIGNS[status] });
  return svg("svg", { class: `sign is-${status}`, viewBox: "0 0 12 12", "aria-hidden": "true" }, svg("circle", { cx: 6, cy: 6, r: 6 }), path);
}

/** The sign and the word. `paused` is a flag besides the status. */
export function badge(status, paused = false) {
  if (paused && !terminal(status)) return el("span", { class: "badge is-PAUSED" }, sign("PAUSED"), "Paused");
  return el("span", { class: `badge is-${status}` }, sign(status), word(status));
}

/** A bar with the share of each status. `progress` is that of a status. */
export function bar(progress) {
  const parts = ["COMPLETED", "FAILED", "RUNNING", "SKIPPED", "CANCELLED", "PENDING"].map((status) => {
    const number = progress[status.toLowerCase()];
    const part = el("span", { class: `share is-${status}`, title: `${word(status)}: ${number}` });
    part.style.flexGrow = number;
    part.hidden = number === 0;
    return part;
  });
  const done = progress.total - progress.pending - progress.running;
  return el("span", { class: "bar", role: "img", "aria-label": `${done} of ${progress.total} nodes ended` }, parts);
}
