// The view of one instance: its facts, its actions, its tabs.

import { cancel, pause, removeInstance, rerun, trigger } from "./actions.js";
import { el, put } from "./element.js";
import { facts, used } from "./facts.js";
import { count } from "./format.js";
import { Graph } from "./graph.js";
import { History } from "./history.js";
import { icon } from "./icons.js";
import { json } from "./json.js";
import { live } from "./live.js";
import { Model } from "./model.js";
import { NodePanel } from "./node.js";
import { Nodes } from "./nodes.js";
import { Results } from "./results.js";
import { note, to } from "./router.js";
import { badge, bar } from "./status.js";
import { Timeline } from "./timeline.js";
import { toast } from "./toast.js";

const EVERY = 600;
const EVERY_TOLD = 2000;
const USED = "Messages that workers took from the queue, and calls to Redis that changed the instance. A second of a node takes less memory the more nodes wait in one invocation";
const TABS = [["graph", "Graph"], ["timeline", "Timeline"], ["nodes", "Nodes"], ["results", "Results"], ["history", "History"], ["definition", "Definition"]];

export function instance(id, query) {
  const view = new InstanceView(id, query);
  view.load();
  return view;
}

class InstanceView {
  constructor(id, query) {
    this.id = id;
    this.title = id;
    this.element = el("div", { class: "page wide instance" }, el("p", { class: "loading" }, "Loading…"));
    this._tab = TABS.some(([name]) => name === query.get("tab")) ? query.get("tab") : "graph";
    this._node = query.get("node") ?? "";
    this._views = new Map();
    this._closed = false;
  }

  async load() {
    try {
      this.model = await Model.load(this.id);
    } catch (problem) {
      put(this.element, el("div", { class: "empty" }, el("h1", {}, problem.title), el("p", {}, problem.message), el("a", { class: "button", href: "#/" }, "All instances")));
      return;
    }
    if (this._closed) return;
    this._build();
    // The first look waits, so the end of a small instance is shown when it comes. The trigger does not wait: a long one would be shown later.
    this._polling = live((wait) => this._turn(wait), EVERY, this.model.live ? EVERY : 0);
  }

  /** Shows another tab or node of the same instance, without a new view. */
  moved(view, id, query) {
    if (view !== "instances" || id !== this.id || !this.model) return false;
    this._open(query.get("tab") ?? "graph");
    this._select(query.get("node") ?? "");
    return true;
  }

  get keys() {
    if (!this.model) return {};
    const { live: running } = this.model;
    const tabs = Object.fromEntries(TABS.map(([name], number) => [String(number + 1), () => this._open(name)]));
    return {
      ...tabs,
      p: () => running && this._pause(),
      c: () => running && this._cancel(),
      r: () => !running && this._rerun(),
      x: () => this._trigger(),
      Escape: () => this._select(""),
      ...this._views.get(this._tab)?.keys,
    };
  }

  close() {
    this._closed = true;
    this._polling?.stop();
    for (const view of this._views.values()) view.close?.();
    clearInterval(this._clock);
  }

  _build() {
    const { name } = this.model.status;
    this.title = name;
    document.title = `${name} · dag-service`;
    this._badge = el("span", { class: "cell-status" });
    this._facts = el("p", { class: "facts" });
    this._progress = el("div", { class: "progress" });
    this._error = el("div", { class: "banner", role: "alert", hidden: true });
    this._actions = el("div", { class: "actions" });
    this._stage = el("div", { class: "stage" });
    this._panel = new NodePanel(this.model, { select: (id) => this._select(id), rerun: (id) => this._rerun(id) });
    this._tabs = el("div", { class: "tabs", role: "tablist", "aria-label": "Views" }, TABS.map(([tab, text]) =>
      el("button", { type: "button", role: "tab", id: `tab-${tab}`, "aria-controls": "stage", "data-tab": tab, onclick: () => this._open(tab) }, text)));
    this._tabs.addEventListener("keydown", (event) => this._arrow(event));
    this._stage.id = "stage";
    this._stage.setAttribute("role", "tabpanel");
    const crumbs = el("a", { class: "quiet", href: "#/" }, icon("back"), "Instances");
    put(
      this.element,
      el("div", { class: "instance-head" }, crumbs, el("div", { class: "title" }, el("h1", {}, name), this._badge, this._actions), this._facts, this._progress, this._error),
      this._tabs,
      el("div", { class: "split" }, this._stage, this._panel.element),
    );
    this._describe();
    this._open(this._tab);
    this._select(this._node);
    this._clock = setInterval(() => this.model.live && this._describe(), 1000);
  }

  _arrow(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const now = TABS.findIndex(([name]) => name === this._tab);
    this._open(TABS[(now + by + TABS.length) % TABS.length][0]);
    this._tabs.querySelector("[aria-selected=true]").focus();
  }

  async _turn(wait) {
    try {
      if (await this.model.refresh(wait)) this._update();
      this._silent = false;
    } catch (problem) {
      if (!this._silent) toast(problem.message, { bad: true });
      this._silent = true;
      return problem.status !== 404;
    }
    return this.model.live || (this.model.telling && EVERY_TOLD);
  }

  _update() {
    this._describe();
    this._views.get(this._tab)?.update();
    this._panel.update();
  }

  /** Updates the head. Also called once a second, since durations grow. */
  _describe() {
    const { status } = this.model;
    put(this._facts, facts(status));
    const ended = status.progress.total - status.progress.pending - status.progress.running;
    put(this._progress, bar(status.progress), el("small", {}, `${count(ended)} of ${count(status.progress.total)} nodes ended`), el("small", { class: "used", title: USED }, used(status.usage, status.epoch)));
    const shown = JSON.stringify([status.status, status.paused, status.error]);
    if (shown === this._shown) return;
    this._shown = shown;
    put(this._badge, badge(status.status, status.paused));
    this._showActions();
    this._showError(status.error);
  }

  _showError(error) {
    this._error.hidden = !error;
    if (!error) return;
    const link = error.node && el("a", { href: to("instances", this.id, { tab: this._tab, node: error.node }) }, error.node);
    put(this._error, el("b", {}, error.type), link && [" in ", link], el("span", {}, error.message));
  }

  _showActions() {
    const { status, live: running } = this.model;
    const button = (name, text, act, kind = "") => el("button", { type: "button", class: `button ${kind}`, onclick: act }, icon(name), el("span", {}, text));
    const never = status.instance_id === null;
    put(
      this._actions,
      running && button(status.paused ? "play" : "pause", status.paused ? "Resume" : "Pause", () => this._pause()),
      running && button("stop", "Cancel", () => this._cancel(), "danger"),
      !running && !never && button("again", "Run again", () => this._rerun()),
      button("play", never ? "Trigger" : "Trigger another", () => this._trigger(), never ? "primary" : ""),
      !running && !never && el("button", { type: "button", class: "button ghost icon-only", "aria-label": "Delete", title: "Delete", onclick: () => removeInstance(this.model.id) }, icon("trash")),
    );
  }

  _open(tab) {
    this._tab = tab;
    for (const button of this._tabs.children) {
      const on = button.dataset.tab === tab;
      button.setAttribute("aria-selected", String(on));
      button.tabIndex = on ? 0 : -1;
    }
    this._stage.setAttribute("aria-labelledby", `tab-${tab}`);
    if (!this._views.has(tab)) this._views.set(tab, this._made(tab));
    const view = this._views.get(tab);
    put(this._stage, view.element);
    this._stage.dataset.tab = tab;
    view.update();
    view.select?.(this._node);
    this._note();
  }

  _made(tab) {
    const select = (id) => this._select(id);
    if (tab === "graph") return new Graph(this.model, select);
    if (tab === "timeline") return new Timeline(this.model, select);
    if (tab === "nodes") return new Nodes(this.model, select);
    if (tab === "results") return new Results(this.model);
    if (tab === "history") return new History(this.model, select);
    return { element: el("div", { class: "card padded" }, json(this.model.definition, "the definition")), update() {} };
  }

  _select(id) {
    this._node = this.model.nodes.has(id) ? id : "";
    this._panel.show(this._node);
    this.element.classList.toggle("with-node", Boolean(this._node));
    this._views.get(this._tab)?.select?.(this._node);
    this._note();
  }

  _note() {
    note("instances", this.id, { tab: this._tab === "graph" ? "" : this._tab, node: this._node });
  }

  async _pause() {
    await pause(this.model.id, this.model.status.paused);
    this._polling.now();
  }

  async _cancel() {
    await cancel(this.model.id);
    this._polling.now();
  }

  async _rerun(from) {
    if (await rerun(this.model.id, from)) this._polling.now();
  }

  _trigger() {
    return trigger(this.model.status.execution_id, this.model.status.name);
  }
}
