// The Gantt chart: when each node waited, ran and was retried, and the critical path.

import { attempts } from "./attempts.js";
import { Surface } from "./canvas.js";
import { critical } from "./critical.js";
import { el, put, say } from "./element.js";
import { duration, several } from "./format.js";
import { icon } from "./icons.js";
import { ROW, ruler, rows as paintRows } from "./paint.timeline.js";
import { onTheme } from "./palette.js";
import { word } from "./status.js";

const HEAD = 30;
const BEAT = 250;
const MOST_SINGLE = 12;
const MOST_ZOOM = 200;

export class Timeline {
  constructor(model, select) {
    this._model = model;
    this._choose = select;
    this._events = new Map();
    this._read = "";
    this._zoom = 1;
    this._selected = "";
    this._size = el("div", { class: "gantt-size" });
    this._view = el("div", { class: "gantt-view" });
    this._scroll = el("div", { class: "gantt-scroll", tabindex: 0, "aria-label": "Timeline. Up and down go from node to node." }, this._view, this._size);
    this._tip = el("div", { class: "tip", hidden: true });
    const key = (kind, text) => el("span", { class: `key key-${kind}` }, text);
    const tool = (name, label, act) => el("button", { type: "button", class: "button icon-only", "aria-label": label, title: label, onclick: act }, icon(name));
    this._fact = el("span", { class: "fact" });
    this._epoch = el("b", { title: "A node whose result was kept is where it ran; all else of earlier runs is in the history", hidden: true });
    const legend = el("div", { class: "gantt-legend" }, this._epoch, key("queue", "queued"), key("run", "running"), key("failed", "failed attempt"), key("backoff", "waits to retry"), key("critical", "critical path"), this._fact,
      el("span", { class: "canvas-tools inline" }, tool("plus", "Zoom in (+)", () => this._scaled(1.6)), tool("minus", "Zoom out (−)", () => this._scaled(1 / 1.6)), tool("fit", "Fit (f)", () => this._scaled(0))));
    this.element = el("div", { class: "gantt card" }, legend, this._scroll, this._tip);
    this._surface = new Surface(this._scroll, {}, (...about) => this._paint(...about));
    this._view.append(this._surface.canvas);
    this._surface.onresize = () => this._resize();
    this._scroll.addEventListener("scroll", () => this._surface.invalidate(), { passive: true });
    this._scroll.addEventListener("pointermove", (event) => this._hover(event));
    this._scroll.addEventListener("pointerleave", () => (this._tip.hidden = true));
    this._scroll.addEventListener("click", (event) => this._choose(this._row(event)?.id ?? ""));
    this._forget = onTheme(() => this._surface.invalidate());
    this._clock = setInterval(() => this._model.live && this.element.isConnected && this._arrange(), BEAT);
  }

  get keys() {
    const step = (by) => {
      const now = this._rows.findIndex(({ id }) => id === this._selected);
      const next = this._rows[Math.min(this._rows.length - 1, Math.max(0, now + by))];
      if (next) this._choose(next.id);
    };
    return { "+": () => this._scaled(1.6), "=": () => this._scaled(1.6), "-": () => this._scaled(1 / 1.6), f: () => this._scaled(0), ArrowDown: () => step(1), ArrowUp: () => step(-1) };
  }

  update() {
    this._arrange();
    this._retried();
  }

  select(id) {
    this._selected = id;
    const row = this._rows?.findIndex((one) => one.id === id) ?? -1;
    if (row >= 0) {
      const top = row * ROW;
      const room = this._scroll.clientHeight - HEAD;
      if (top < this._scroll.scrollTop || top + ROW > this._scroll.scrollTop + room) this._scroll.scrollTop = top - room / 2;
    }
    this._surface.invalidate();
  }

  close() {
    clearInterval(this._clock);
    this._surface.close();
    this._forget();
  }

  /** Reads the history, which alone has earlier attempts: that of each node with some, or all of it if these are many. */
  async _retried() {
    const { nodes, epoch } = this._model.status;
    const again = Object.keys(nodes).filter((id) => nodes[id].attempt > 1);
    const mark = JSON.stringify([epoch, again.map((id) => nodes[id].attempt)]);
    if (mark === this._read) return;
    this._read = mark;
    delete this.element.dataset.whole;
    try {
      const asked = again.length <= MOST_SINGLE ? again : [undefined]; // no request, one for each, or one for all
      const found = (await Promise.all(asked.map((id) => this._model.history(id)))).flatMap(({ events }) => events);
      this._events = grouped(found);
      this._arrange();
      this.element.dataset.whole = "true";
    } catch {
      this._read = ""; // Only earlier attempts are missing in the chart. The next change asks again.
    }
  }

  _arrange() {
    const { nodes, epoch } = this._model.status;
    const now = Date.now();
    const rows = [];
    for (const [id, node] of Object.entries(nodes)) {
      const tries = attempts(id, node, this._events.get(id), epoch).filter((one) => one.epoch === epoch && !Number.isNaN(one.queued));
      if (tries.length) rows.push({ id, node, tries, backoff: this._backoff(id), start: tries[0].queued });
    }
    rows.sort((a, b) => a.start - b.start || a.tries[0].started - b.tries[0].started || 0);
    this._rows = rows;
    this._critical = critical(this._model.parents, nodes, now);
    this._from = Math.min(...rows.map(({ start }) => start));
    const ends = rows.map(({ tries }) => tries.at(-1).ended).map((end) => (Number.isNaN(end) ? (this._model.live ? now : 0) : end));
    this._to = Math.max(...ends, this._from + 1);
    const [waited, ran] = this._shares();
    put(this._fact, rows.length > 0 && `of ${several(this._critical.size, "node")}: ${duration(ran)} running, ${duration(waited)} between`);
    this._epoch.hidden = epoch === 1;
    say(this._epoch, `epoch ${epoch}`);
    this._resize();
    this._surface.invalidate();
  }

  /** The longest backoff after a number of failures, in ms. A longer wait was in the queue. */
  _backoff(id) {
    const policy = this._model.nodes.get(id)?.retry_policy ?? this._model.definition.defaults?.retry_policy ?? {};
    const { initial_backoff_seconds: initial = 1, backoff_multiplier: multiplier = 2, max_backoff_seconds: most = 300 } = policy;
    return (failures) => 1000 * Math.min(most, initial * multiplier ** (failures - 1));
  }

  _shares() {
    const on = this._rows.filter(({ id }) => this._critical.has(id));
    const ran = on.reduce((sum, { tries }) => {
      const last = tries.at(-1);
      return sum + (Number.isNaN(last.started) ? 0 : (Number.isNaN(last.ended) ? Date.now() : last.ended) - last.started);
    }, 0);
    return [Math.max(0, this._to - this._from - ran), ran];
  }

  get _label() {
    return this._surface.width < 560 ? 92 : 190;
  }

  _resize() {
    this._size.style.width = `${Math.max(1, (this._surface.width - this._label) * this._zoom + this._label)}px`;
    this._size.style.height = `${(this._rows?.length ?? 0) * ROW + HEAD + 8}px`;
  }

  _scaled(factor) {
    const middle = (this._scroll.scrollLeft + this._surface.width / 2) / this._zoom;
    this._zoom = factor ? Math.min(MOST_ZOOM, Math.max(1, this._zoom * factor)) : 1;
    this._resize();
    this._scroll.scrollLeft = middle * this._zoom - this._surface.width / 2;
    this._surface.invalidate();
  }

  _paint(context, width, height) {
    if (!this._rows?.length) return;
    const label = this._label;
    const room = (width - label - 16) * this._zoom;
    const x = (time) => label + 8 + ((time - this._from) / (this._to - this._from)) * room - this._scroll.scrollLeft;
    const about = { width, height, label, head: HEAD, x, from: this._from, to: this._to, top: this._scroll.scrollTop, selected: this._selected, critical: this._critical, now: Date.now() };
    paintRows(context, this._rows, about);
    ruler(context, about);
  }

  _row(event) {
    const y = event.clientY - this._scroll.getBoundingClientRect().top;
    if (y < HEAD) return undefined;
    return this._rows?.[Math.floor((y - HEAD + this._scroll.scrollTop) / ROW)];
  }

  _hover(event) {
    const row = this._row(event);
    this._tip.hidden = !row;
    if (!row) return;
    const last = row.tries.at(-1);
    const begun = Number.isNaN(last.started) ? Date.now() : last.started;
    const lines = [
      `${word(row.node.status)}${row.tries.length > 1 ? `, attempt ${last.attempt}` : ""}${this._critical.has(row.id) ? ", on the critical path" : ""}`,
      `queued ${duration(begun - last.queued)}`,
      !Number.isNaN(last.started) && `ran ${duration((Number.isNaN(last.ended) ? Date.now() : last.ended) - last.started)}`,
      ...row.tries.slice(0, -1).map((one) => `attempt ${one.attempt} ${word(one.outcome).toLowerCase()}${Number.isNaN(one.started) ? "" : ` after ${duration(one.ended - one.started)}`}`),
    ];
    put(this._tip, el("b", {}, row.id), lines.filter(Boolean).map((line) => el("span", {}, line)));
    const { left, top } = this.element.getBoundingClientRect();
    const x = Math.max(8, Math.min(event.clientX - left + 14, this._surface.width - this._tip.offsetWidth - 8));
    this._tip.style.transform = `translate(${x}px, ${event.clientY - top + 16}px)`;
  }
}

function grouped(events) {
  const by = new Map();
  for (const event of events) by.set(event.node, [...(by.get(event.node) ?? []), event]);
  return by;
}
