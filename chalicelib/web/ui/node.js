// One node in detail: the reason for its state, its attempts, error, result, config.

import { attempts } from "./attempts.js";
import { el, put, say } from "./element.js";
import { at, duration, moment } from "./format.js";
import { icon } from "./icons.js";
import { json } from "./json.js";
import { large } from "./large.js";
import { badge, sign, terminal, word } from "./status.js";

export class NodePanel {
  /** `on` has select(id), which closes the panel if `id` is "", and rerun(id). */
  constructor(model, on) {
    this._model = model;
    this._on = on;
    this._id = "";
    this.element = el("aside", { class: "node-panel", tabindex: -1, "aria-label": "Node", hidden: true });
  }

  show(id) {
    if (id === this._id) return;
    this._id = id;
    this._shown = "";
    this.element.hidden = !id;
    if (!id) return;
    this._build();
    this.element.scrollTop = 0;
    this.update();
  }

  /** Updates only what has changed. */
  update() {
    if (!this._id) return;
    const node = this._model.status.nodes[this._id] ?? { status: "PENDING", attempt: 0, error: null };
    const shown = JSON.stringify([node, this._model.live, this._model.status.epoch, this._model.status.paused]);
    if (shown === this._shown) return;
    this._shown = shown;
    put(this._badge, badge(node.status));
    this._again.hidden = this._model.live || !this._model.id;
    put(this._error, node.error && fault(node.error));
    this._facts(node);
    this._asked(node);
    this._result(node);
  }

  _build() {
    const node = this._model.nodes.get(this._id);
    this._badge = el("span", {});
    this._why = el("p", { class: "why" });
    this._times = el("dl", { class: "times" });
    this._error = el("div", {});
    this._tries = el("div", {});
    this._yielded = el("div", {});
    this._again = el("button", { type: "button", class: "button", onclick: () => this._on.rerun(this._id) }, icon("again"), "Run again from here");
    const close = el("button", { type: "button", class: "button ghost icon-only", "aria-label": "Close", title: "Close (Esc)", onclick: () => this._on.select("") }, icon("close"));
    const policies = Object.fromEntries(["retry_policy", "timeout_seconds", "on_failure"].filter((name) => node[name] !== undefined && node[name] !== null).map((name) => [name, node[name]]));
    put(
      this.element,
      el("header", {}, el("div", {}, el("h2", {}, this._id), el("code", {}, node.handler)), close),
      el("div", { class: "inner" }, this._badge, this._why, this._again, this._times, this._error, this._tries, this._yielded,
        node.config && Object.keys(node.config).length > 0 && [el("h3", {}, "Config"), json(node.config, "the config")],
        Object.keys(policies).length > 0 && [el("h3", {}, "Policies"), json(policies, "the policies")],
        this._links("Waits for", this._model.parents.get(this._id)),
        this._links("Unblocks", this._model.children.get(this._id))),
    );
  }

  _links(title, ids) {
    if (!ids.length) return null;
    const link = (id) => el("button", { type: "button", class: "link", onclick: () => this._on.select(id) }, sign(this._model.status.nodes[id]?.status ?? "PENDING"), id);
    return [el("h3", {}, `${title} ${ids.length > 1 ? ids.length : ""}`), el("p", { class: "links" }, ids.slice(0, 40).map(link), ids.length > 40 && ` and ${ids.length - 40} more`)];
  }

  _facts(node) {
    const fact = (title, text) => [el("dt", {}, title), el("dd", {}, text)];
    const begun = at(node.started_at);
    const end = node.finished_at ? at(node.finished_at) : terminal(this._model.status.status) ? NaN : Date.now();
    put(
      this._times,
      node.queued_at && fact("Ready", moment(node.queued_at)),
      node.started_at && fact("Started", `${moment(node.started_at)}, ${duration(begun - at(node.queued_at))} later`),
      node.finished_at && fact("Ended", moment(node.finished_at)),
      node.started_at && fact("Ran", duration(end - begun)),
      node.attempt > 0 && fact("Attempt", String(node.attempt)),
    );
  }

  async _asked(node) {
    if (!this._model.id) return;
    const id = this._id;
    try {
      const { events, why } = await this._model.history(id);
      if (id !== this._id) return;
      say(this._why, why && `${why[0].toUpperCase()}${why.slice(1)}.`);
      const tries = attempts(id, node, events, this._model.status.epoch);
      put(this._tries, tries.length > 1 && [el("h3", {}, "Attempts"), el("ol", { class: "attempts" }, tries.map(attempt))]);
    } catch (problem) {
      say(this._why, problem.message);
    }
  }

  async _result(node) {
    const id = this._id;
    if (node.status !== "COMPLETED") {
      put(this._yielded);
      return;
    }
    if (this._model.live) {
      put(this._yielded, el("h3", {}, "Result"), el("p", { class: "hint" }, "Can be read once the instance has ended."));
      return;
    }
    try {
      const found = await this._model.results();
      if (id !== this._id || !found) return;
      const other = found.large[id];
      put(this._yielded, el("h3", {}, "Result"), other ? large(this._model, id, other) : json(found.results[id] ?? null, "the result"));
    } catch (problem) {
      put(this._yielded, el("p", { class: "fault" }, problem.message));
    }
  }
}

function attempt({ attempt: number, epoch, queued, started, ended, outcome, reason }) {
  const told = [
    epoch > 1 && `run ${epoch}`,
    !Number.isNaN(started) && !Number.isNaN(queued) && `${number > 1 ? "waited" : "queued"} ${duration(started - queued)}`,
    !Number.isNaN(started) && !Number.isNaN(ended) && `ran ${duration(ended - started)}`,
  ];
  return el("li", {}, sign(outcome), el("b", {}, `${number}. ${word(outcome)}`), el("span", {}, told.filter(Boolean).join(" · ")), reason && el("small", {}, reason));
}

function fault({ type, message, traceback }) {
  return [
    el("h3", {}, "Error"),
    el("div", { class: "banner" }, el("b", {}, type), el("span", {}, message)),
    traceback && el("details", {}, el("summary", {}, "Traceback"), el("pre", { class: "code", tabindex: 0 }, traceback)),
  ];
}
