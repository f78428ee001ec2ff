// The list of instances: filters, counts by status, pages, live updates.

import { get } from "./api.js";
import { el, put, say } from "./element.js";
import { ago, at, count, duration, moment } from "./format.js";
import { icon } from "./icons.js";
import { live } from "./live.js";
import { note, to } from "./router.js";
import { step } from "./shortcuts.js";
import { INSTANCE, badge, bar, sign, terminal, word } from "./status.js";

const PAGE = 50;
const EVERY = 2000;

export function list(_, query) {
  const filter = { status: query.getAll("status"), name: query.get("name") ?? "", tag: query.getAll("tag"), execution_id: query.get("execution_id") ?? "" };
  const rows = new Map();
  let first = [];
  let older = [];
  let cursor = null;
  let found = 0;

  const chips = el("div", { class: "chips", role: "group", "aria-label": "Status" });
  const name = el("input", { type: "search", placeholder: "Name", "aria-label": "Name contains", value: filter.name });
  const tag = el("input", { type: "search", placeholder: "Tag, as key:value", "aria-label": "Tags, separated by spaces", value: filter.tag.join(" ") });
  const only = filter.execution_id && el("a", { class: "chip", href: "#/", title: "Show the instances of every workflow" }, "Workflow ", el("code", {}, filter.execution_id), icon("close"));
  const fault = el("p", { class: "fault", role: "alert", hidden: true });
  const items = el("ol", { class: "rows instances", "aria-label": "Instances" });
  const foot = el("div", { class: "foot" });
  const columns = el("div", { class: "columns", "aria-hidden": "true" }, ["Status", "Name", "Progress", "Created", "Took", "Instance"].map((title) => el("span", {}, title)));

  const card = el("div", { class: "card", hidden: true }, columns, items);

  const wanted = () => ({ status: filter.status.join(","), name: filter.name, tag: filter.tag, execution_id: filter.execution_id });

  async function refresh() {
    const asked = JSON.stringify(filter);
    try {
      const page = await get("workflows", { ...wanted(), limit: PAGE });
      if (asked !== JSON.stringify(filter)) return true;
      first = page.instances;
      if (!older.length) cursor = page.next;
      found = 1;
      fault.hidden = true;
      showCounts(page.counts);
      showRows();
    } catch (problem) {
      say(fault, problem.message);
      fault.hidden = false;
    }
    return true;
  }

  async function more() {
    const page = await get("workflows", { ...wanted(), limit: PAGE, cursor });
    older = [...older, ...page.instances];
    cursor = page.next;
    showRows();
  }

  function changed() {
    Object.assign(filter, { name: name.value.trim(), tag: tag.value.trim().split(/\s+/).filter((one) => one.includes(":")) });
    [older, cursor] = [[], null];
    note("", "", filter);
    polling.now();
  }

  function showCounts(counts) {
    const total = Object.values(counts).reduce((sum, number) => sum + number, 0);
    const chip = (status, number) => {
      const on = status ? filter.status.includes(status) : !filter.status.length;
      const choose = () => {
        filter.status = status && !on ? [status] : [];
        changed();
        chips.querySelector(`[data-status="${status}"]`)?.focus();
      };
      return el("button", { type: "button", class: "chip", "aria-pressed": String(on), "data-status": status, onclick: choose }, status && sign(status), status ? word(status) : "All", el("b", {}, count(number)));
    };
    const text = JSON.stringify([counts, filter.status]);
    if (chips.dataset.shown === text) return;
    chips.dataset.shown = text;
    const focused = chips.contains(document.activeElement) && document.activeElement.dataset.status;
    put(chips, chip("", total), INSTANCE.map((status) => chip(status, counts[status] ?? 0)));
    if (focused !== false) chips.querySelector(`[data-status="${focused}"]`)?.focus();
  }

  function showRows() {
    const all = [...new Map([...first, ...older].map((one) => [one.instance_id, one])).values()];
    for (const id of rows.keys()) if (!all.some((one) => one.instance_id === id)) rows.delete(id);
    const elements = all.map((one) => {
      if (!rows.has(one.instance_id)) rows.set(one.instance_id, row(one.instance_id));
      rows.get(one.instance_id).update(one);
      return rows.get(one.instance_id).element;
    });
    if (elements.length !== items.children.length || elements.some((element, number) => items.children[number] !== element)) put(items, elements);
    card.hidden = !all.length;
    const button = cursor && el("button", { type: "button", class: "button", onclick: more }, all.length ? "Older" : "Look further back");
    put(foot, all.length || !found ? null : empty(), button);
  }

  function empty() {
    const filtered = filter.status.length || filter.name || filter.tag.length || filter.execution_id;
    if (filtered) {
      return el("div", { class: "empty" }, el("h2", {}, "Nothing matches"), el("p", {}, cursor ? "None of the newest thousand does." : "No instance fits these filters."), el("a", { class: "button", href: "#/" }, "Clear the filters"));
    }
    return el("div", { class: "empty" }, el("h2", {}, "No instances yet"), el("p", {}, "Submit a workflow and trigger it: each run shows up here, live."), el("a", { class: "button primary", href: "#/submit" }, "Submit a workflow"));
  }

  let timer = 0;
  for (const input of [name, tag]) {
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(changed, 250);
    });
  }
  const polling = live(refresh, EVERY);
  return {
    title: "Instances",
    element: el(
      "div",
      { class: "page" },
      el("div", { class: "title" }, el("h1", {}, "Instances"), el("a", { class: "button primary", href: "#/submit" }, icon("plus"), "Submit")),
      el("div", { class: "filters" }, chips, el("div", { class: "fields" }, only, el("label", { class: "search" }, icon("search"), name), tag)),
      fault,
      card,
      foot,
    ),
    keys: { "/": () => name.focus(), j: () => step(items, "a", 1), k: () => step(items, "a", -1) },
    close: () => polling.stop(),
  };
}

function row(id) {
  const status = el("span", { class: "cell-status" });
  const name = el("span", { class: "name" });
  const tags = el("span", { class: "tags" });
  const progress = el("span", { class: "cell-progress" });
  const created = el("time", { class: "cell-created" });
  const took = el("span", { class: "cell-took" });
  const link = el("a", { href: to("instances", id) }, status, el("span", { class: "cell-name" }, name, tags), progress, created, took, el("code", { class: "cell-id" }, id));
  let shown = "";
  return {
    element: el("li", {}, link),
    update(one) {
      say(created, ago(one.created_at));
      const end = terminal(one.status) ? at(one.finished_at) : Date.now();
      say(took, one.started_at ? duration(end - at(one.started_at)) : "–");
      const text = JSON.stringify(one);
      if (text === shown) return;
      shown = text;
      created.title = moment(one.created_at);
      put(status, badge(one.status, one.paused));
      say(name, one.name);
      put(tags, Object.entries(one.tags).map(([key, value]) => el("span", { class: "tag" }, `${key}:${value}`)), one.epoch > 1 && el("span", { class: "tag plain" }, `run ${one.epoch}`));
      const ended = one.progress.total - one.progress.pending - one.progress.running;
      put(progress, bar(one.progress), el("small", {}, `${count(ended)} / ${count(one.progress.total)}`));
    },
  };
}
