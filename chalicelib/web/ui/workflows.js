// The list of stored workflows: trigger one, see its instances, use it to begin another.

import { removeWorkflow, trigger } from "./actions.js";
import { get } from "./api.js";
import { el, put, say } from "./element.js";
import { ago, moment, several } from "./format.js";
import { icon } from "./icons.js";
import { to } from "./router.js";
import { step } from "./shortcuts.js";

const PAGE = 50;

export function workflows() {
  let cursor = null;
  const name = el("input", { type: "search", placeholder: "Name", "aria-label": "Name contains" });
  const fault = el("p", { class: "fault", role: "alert", hidden: true });
  const items = el("ol", { class: "rows workflows", "aria-label": "Workflows" });
  const card = el("div", { class: "card", hidden: true }, items);
  const foot = el("div", { class: "foot" });

  async function load(from) {
    try {
      const page = await get("workflow", { name: name.value.trim(), limit: PAGE, cursor: from });
      fault.hidden = true;
      cursor = page.next;
      if (!from) put(items);
      items.append(...page.workflows.map((one) => row(one, () => load(null))));
      const none = !items.children.length;
      card.hidden = none;
      put(foot, none && empty(name.value.trim()), cursor && el("button", { type: "button", class: "button", onclick: () => load(cursor) }, none ? "Look further back" : "Older"));
    } catch (problem) {
      say(fault, problem.message);
      fault.hidden = false;
    }
  }

  let timer = 0;
  name.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => load(null), 250);
  });
  load(null);
  return {
    title: "Workflows",
    element: el(
      "div",
      { class: "page" },
      el("div", { class: "title" }, el("h1", {}, "Workflows"), el("a", { class: "button primary", href: "#/submit" }, icon("plus"), "Submit")),
      el("div", { class: "filters" }, el("div", { class: "fields" }, el("label", { class: "search" }, icon("search"), name))),
      fault,
      card,
      foot,
    ),
    keys: { "/": () => name.focus(), j: () => step(items, ".name", 1), k: () => step(items, ".name", -1) },
  };
}

function row(one, changed) {
  const act = (name, label, how) => el("button", { type: "button", class: "button ghost icon-only", "aria-label": `${label} ${one.name}`, title: label, onclick: how }, icon(name));
  return el(
    "li",
    {},
    el("a", { class: "name", href: to("instances", one.execution_id), title: one.latest ? "Its newest instance" : "Never triggered" }, one.name),
    el("span", { class: "tags" }, Object.entries(one.tags).map(([key, value]) => el("span", { class: "tag" }, `${key}:${value}`))),
    el("small", {}, several(one.nodes, "node")),
    el("time", { title: moment(one.created_at) }, ago(one.created_at)),
    el("code", { class: "cell-id" }, one.execution_id),
    el("span", { class: "tools" },
      el("a", { class: "quiet", href: to("", "", { execution_id: one.execution_id }) }, "Instances"),
      el("a", { class: "button ghost icon-only", href: to("submit", "", { from: one.execution_id }), "aria-label": `Change and submit as new: ${one.name}`, title: "Change and submit as new" }, icon("edit")),
      act("trash", "Delete", async () => (await removeWorkflow(one.execution_id)) && changed()),
      el("button", { type: "button", class: "button", onclick: () => trigger(one.execution_id, one.name) }, icon("play"), "Trigger")),
  );
}

function empty(filtered) {
  if (filtered) return el("div", { class: "empty" }, el("h2", {}, "Nothing matches"), el("p", {}, "No workflow has this in its name."));
  return el("div", { class: "empty" }, el("h2", {}, "No workflows yet"), el("p", {}, "A workflow is a JSON document; once submitted it can be triggered any number of times."), el("a", { class: "button primary", href: "#/submit" }, "Submit a workflow"));
}
