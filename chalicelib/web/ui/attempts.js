// The attempts of a node, from its status and its history. Pure.

import { at } from "./format.js";

const OUTCOMES = new Map(Object.entries({ completed: "COMPLETED", failed: "FAILED", lost: "LOST", cancelled: "CANCELLED", "cut off": "CANCELLED" }));

/**
 * The attempts, the oldest first: {attempt, epoch, queued, started, ended (ms, NaN for none), outcome, reason, worker}.
 * `outcome` is a node status or LOST. Events of other nodes are ignored; without events only the last attempt is known.
 */
export function attempts(id, node, events = [], epoch = 1) {
  const all = new Map();
  const of = (event) => {
    const key = `${event.epoch}/${event.attempt}`;
    if (!all.has(key)) all.set(key, blank(event.attempt, event.epoch));
    return all.get(key);
  };
  for (const event of events) {
    if (event.node !== id || !event.attempt) continue;
    const one = of(event);
    if (event.event === "ready") one.queued = at(event.at);
    else if (event.event === "started") Object.assign(one, { started: at(event.at), worker: event.worker });
    else if (OUTCOMES.has(event.event)) {
      Object.assign(one, { ended: at(event.at), outcome: OUTCOMES.get(event.event), reason: event.reason });
    }
  }
  if (node.attempt > 0) {
    // In the history, a result of an earlier epoch has the number of that epoch.
    const known = [...all.values()].filter((one) => one.attempt === node.attempt).at(-1);
    const last = known ?? of({ attempt: node.attempt, epoch });
    last.queued = at(node.queued_at);
    last.started = at(node.started_at);
    last.ended = at(node.finished_at);
    last.outcome = node.status;
  }
  return [...all.values()].sort((a, b) => a.epoch - b.epoch || a.attempt - b.attempt);
}

const blank = (attempt, epoch) => ({ attempt, epoch, queued: NaN, started: NaN, ended: NaN, outcome: "PENDING" });
