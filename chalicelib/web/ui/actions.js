// The actions on a workflow or an instance. One that cannot be undone asks first.

import { path, post, remove } from "./api.js";
import { dialog, field } from "./dialog.js";
import { el } from "./element.js";
import { Verbatim, parse } from "./exact.js";
import { several } from "./format.js";
import { lineOf } from "./pointer.js";
import { go } from "./router.js";
import { toast } from "./toast.js";

/** A field for a JSON object, or for nothing. Its text is sent as it was typed. */
function objectField(value, label, rows = 5) {
  const area = el("textarea", { class: "code", rows, spellcheck: "false", autocomplete: "off" });
  area.value = value;
  area.read = () => {
    if (!area.value.trim()) return undefined;
    try {
      parse(area.value);
    } catch (error) {
      throw new Error(`The ${label.toLowerCase()} are no JSON: line ${lineOf(area.value, error.offset) + 1}, ${error.message}`);
    }
    return new Verbatim(area.value);
  };
  return area;
}

export async function trigger(executionId, name) {
  const params = objectField("{}", "Params");
  const tags = objectField("", "Tags", 2);
  const body = [field("Params", params, "A JSON object; templates read it as {{ params.x }}."), field("Tags", tags, 'A JSON object of strings, as in {"team": "blue"}; may stay empty.')];
  const act = () => post(path`workflow/trigger/${executionId}`, { params: params.read(), tags: tags.read() });
  const made = await dialog({ title: `Trigger ${name}`, body, confirm: "Trigger", act });
  if (made) go("instances", made.instance_id);
}

export async function cancel(id) {
  const reason = el("input", { type: "text", maxlength: 200 });
  const body = [el("p", {}, "No further node starts, and what still runs is told to stop. This cannot be undone, though the instance can be run again."), field("Reason", reason, "Shown in the history; may stay empty.")];
  return dialog({ title: "Cancel this instance?", body, confirm: "Cancel it", danger: true, act: async () => post(path`workflows/${id}/cancel`, reason.value ? { reason: reason.value } : undefined) });
}

export async function pause(id, paused) {
  try {
    await post(path`workflows/${id}/${paused ? "resume" : "pause"}`);
    toast(paused ? "Resumed" : "Paused: what runs goes on, nothing more starts");
  } catch (problem) {
    toast(problem.message, { bad: true });
  }
}

/** `from` is a node, or undefined for all nodes that did not complete. */
export async function rerun(id, from) {
  const params = objectField("", "Params");
  const what = from
    ? ["From ", el("code", {}, from), " on: this node, all that depends on it, and whatever did not complete. The results of the others are kept."]
    : ["All nodes that did not complete run again; the results of the others are kept. With new params, every node runs."];
  const body = [el("p", {}, what), field("New params", params, "A JSON object; empty keeps those that it was triggered with.")];
  const act = () => post(path`workflows/${id}/rerun`, { from: from ? [from] : undefined, params: params.read() });
  const made = await dialog({ title: from ? "Run again from here?" : "Run again?", body, confirm: "Run again", act });
  if (made) toast(`Run ${made.epoch}: ${several(made.nodes, "node")} again`);
  return made;
}

export async function removeInstance(id) {
  const act = async () => (await remove(path`workflows/${id}`), true);
  const body = el("p", {}, "Its status, results and history are gone for good.");
  if (await dialog({ title: "Delete this instance?", body, confirm: "Delete", danger: true, act })) {
    toast("Deleted");
    go("");
  }
}

export async function removeWorkflow(id) {
  const act = async () => (await remove(path`workflow/${id}`), true);
  const body = el("p", {}, "It can no longer be triggered. Instances that run go on only where a worker knows it; delete what nobody needs.");
  return dialog({ title: "Delete this workflow?", body, confirm: "Delete", danger: true, act });
}
