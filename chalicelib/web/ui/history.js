// The events of an instance, the newest last.

import { el, put } from "./element.js";
import { count, moment } from "./format.js";
import { Rows } from "./rows.js";

const HEIGHT = 32;
const EVERY = 1500;

export class History {
  constructor(model, select) {
    this._model = model;
    this._rows = new Rows(HEIGHT, "Events", row);
    this._rows.element.addEventListener("click", (event) => {
      const id = event.target.closest("[data-key]")?.dataset.key;
      if (id) select(id);
    });
    this._about = el("small", {}, "Loading…");
    this.element = el("div", { class: "history card" }, el("div", { class: "card-head" }, this._about), this._rows.element);
    this._last = -Infinity;
  }

  update() {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this._load(), Math.max(0, this._last + EVERY - performance.now()));
  }

  close() {
    clearTimeout(this._timer);
    this._rows.close();
  }

  async _load() {
    if (!this._model.id) {
      put(this._about, "Nothing happened yet: it was never triggered.");
      return;
    }
    this._last = performance.now();
    try {
      const { events, forgotten, whole } = await this._model.history();
      put(this._about, `${count(events.length)} events`, forgotten > 0 && `, ${count(forgotten)} more were dropped to make room`, !whole && ", the rest is not shown");
      this._rows.set(events);
    } catch (problem) {
      put(this._about, problem.message);
    }
  }
}

function row({ at, event, node, attempt, epoch, reason, worker }) {
  const details = [attempt > 1 && `attempt ${attempt}`, epoch > 1 && `run ${epoch}`, reason].filter(Boolean).join(" · ");
  return el(
    "div",
    { class: "row" },
    el("time", {}, moment(at)),
    el("span", { class: `event event-${event.replaceAll(" ", "-")}`, title: worker ? `worker ${worker}` : null }, event),
    node ? el("button", { type: "button", class: "link", "data-key": node }, node) : el("i", {}, "instance"),
    el("span", { class: "reason", title: details || null }, details),
  );
}
