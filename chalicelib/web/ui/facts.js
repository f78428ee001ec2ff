// The facts in the head of an instance: its ids, times, webhook, tags and usage.

import { el } from "./element.js";
import { ago, at, count, duration, moment, several } from "./format.js";
import { to } from "./router.js";
import { terminal } from "./status.js";

/** All facts of a status. Durations grow while it runs. */
export function facts(status) {
  const end = terminal(status.status) ? at(status.finished_at) : Date.now();
  return [
    fact("Instance", el("code", {}, status.instance_id ?? "never triggered")),
    fact("Workflow", el("a", { href: to("", "", { execution_id: status.execution_id }), title: "Its instances" }, el("code", {}, status.execution_id))),
    fact("Created", el("time", { title: moment(status.created_at) }, ago(status.created_at))),
    status.started_at && fact("Took", duration(end - at(status.started_at))),
    status.epoch > 1 && fact("Run", String(status.epoch)),
    status.webhook && status.instance_id && fact("Webhook", called(status.webhook)),
    Object.entries(status.tags ?? {}).map(([key, value]) => el("span", { class: "tag" }, `${key}:${value}`)),
  ];
}

/** "12 messages (10 planned), 34 transitions (30 planned)"; the plan is for one run, the counts are for all runs. Where
 * nodes wait, ", 0.003 GB-seconds for a second of a node (planned)". */
export function used({ messages, transitions, planned }, epoch) {
  const beside = (number) => (planned ? ` (${count(number)} planned${epoch > 1 ? " a run" : ""})` : "");
  const second = planned?.gb_seconds_per_node_second;
  const memory = Number.isFinite(second) ? `, ${Number(second.toPrecision(2))} GB-seconds for a second of a node (planned)` : "";
  return `${several(messages, "message")}${beside(planned?.messages)}, ${several(transitions, "transition")}${beside(planned?.transitions)}${memory}`;
}

const fact = (label, ...value) => el("span", {}, el("i", {}, label), " ", ...value);

function called({ status, attempts, last_error: error, delivered_at: delivered }) {
  if (status === "DELIVERED") return el("span", { title: `${moment(delivered)}, attempt ${attempts}` }, "delivered");
  const told = [status.toLowerCase(), attempts > 0 && ` after ${several(attempts, "attempt")}`, error && `: ${error.message}`].filter(Boolean).join("");
  return el("span", { class: status === "FAILED" ? "called fault" : "called", title: error && `${error.type}: ${error.message}` }, told);
}
