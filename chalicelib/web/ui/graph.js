// The DAG, drawn on a canvas, so that 1,000 nodes and more stay smooth. Keys and a search reach every node too.

import { Camera } from "./camera.js";
import { Surface } from "./canvas.js";
import { el, put, say } from "./element.js";
import { at, count, duration } from "./format.js";
import { gestures } from "./gestures.js";
import { icon } from "./icons.js";
import { BOX, layout } from "./layout.js";
import { paint } from "./paint.js";
import { NODE, sign, word } from "./status.js";

const PULSE = 60;
const PULSE_MANY = 500;
const MANY = 200;

export class Graph {
  constructor(model, select) {
    this._model = model;
    this._choose = select;
    this._ids = [...model.nodes.keys()];
    this._index = new Map(this._ids.map((id, number) => [id, number]));
    this._camera = new Camera();
    this._scene = null;
    this._selected = "";
    this._only = "";
    this._hovered = "";
    const host = el("div", { class: "canvas" });
    this._tip = el("div", { class: "tip", hidden: true });
    this._said = el("p", { class: "sr-only", "aria-live": "polite" });
    this._legend = el("div", { class: "legend", role: "group", "aria-label": "Show only" });
    this._search = el("input", { type: "search", placeholder: "Find a node", "aria-label": "Find a node", list: "node-ids" });
    this._search.addEventListener("input", () => this._find());
    const names = el("datalist", { id: "node-ids" }, this._ids.slice(0, 2000).map((id) => el("option", { value: id })));
    const tool = (name, label, act) => el("button", { type: "button", class: "button icon-only", "aria-label": label, title: label, onclick: act }, icon(name));
    const tools = el("div", { class: "canvas-tools" }, tool("plus", "Zoom in (+)", () => this._zoom(1.3)), tool("minus", "Zoom out (−)", () => this._zoom(1 / 1.3)), tool("fit", "Fit (f)", () => this._fit()));
    this.element = el("div", { class: "graph card" }, host, el("label", { class: "search over" }, icon("search"), this._search, names), tools, this._legend, this._tip, this._said);
    const label = `The graph of ${count(this._ids.length)} nodes. Arrow keys go from node to node.`;
    this._surface = new Surface(host, { tabindex: 0, role: "application", "aria-label": label }, (...about) => this._paint(...about));
    this._surface.onresize = (first) => this._resized(first);
    gestures(this._surface.canvas, {
      pan: (dx, dy) => this._moved(() => this._camera.pan(dx, dy)),
      zoom: (factor, x, y) => this._moved(() => this._camera.zoom(factor, x, y)),
      tap: (x, y) => this._choose(this._hit(x, y)),
      hover: (x, y) => this._hover(x, y),
    });
    this._pulse = setTimeout(() => this._beat(), PULSE);
  }

  get keys() {
    return {
      "/": () => this._search.focus(),
      f: () => this._fit(),
      "+": () => this._zoom(1.3),
      "=": () => this._zoom(1.3),
      "-": () => this._zoom(1 / 1.3),
      ArrowLeft: () => this._step(-1, 0),
      ArrowRight: () => this._step(1, 0),
      ArrowUp: () => this._step(0, -1),
      ArrowDown: () => this._step(0, 1),
      Enter: () => this._selected && document.querySelector(".node-panel")?.focus(),
    };
  }

  update() {
    const counts = this._model.status.progress;
    const chip = (status) => {
      const number = counts[status.toLowerCase()];
      const toggle = () => {
        this._only = this._only === status ? "" : status;
        this.update();
      };
      return number > 0 && el("button", { type: "button", class: "chip small", "aria-pressed": String(this._only === status), onclick: toggle }, sign(status), word(status), el("b", {}, count(number)));
    };
    const shown = JSON.stringify([counts, this._only]);
    if (shown !== this._shown) {
      this._shown = shown;
      put(this._legend, NODE.map(chip));
    }
    this._surface.invalidate();
  }

  select(id) {
    if (id === this._selected) return;
    this._selected = id;
    if (id) {
      say(this._said, `${id}, ${word(this._model.status.nodes[id]?.status ?? "PENDING")}`);
      this._reveal(id);
    }
    this._surface.invalidate();
  }

  close() {
    clearTimeout(this._pulse);
    this._surface.close();
  }

  async _resized(first) {
    if (!first) {
      if (this._fitted) this._fit();
      if (this._selected) this._reveal(this._selected);
      return;
    }
    this._wide = this._surface.width > 0.9 * this._surface.height;
    const parents = this._ids.map((id) => this._model.parents.get(id).map((parent) => this._index.get(parent)));
    this._scene = await layout(parents, this._wide ? "right" : "down");
    this._scene.right = this._wide;
    this._fit();
    if (this._selected) this._reveal(this._selected);
    this.element.dataset.ready = "true";
  }

  _paint(context, width, height) {
    if (!this._scene) return;
    paint(context, { width, height, scene: this._scene, camera: this._camera, ids: this._ids, model: this._model, selected: this._selected, hovered: this._hovered, only: this._only });
  }

  /** Animates running nodes: they pulse, and their times grow. */
  _beat() {
    const { running } = this._model.status.progress;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (running && this.element.isConnected && !document.hidden) this._surface.invalidate();
    this._pulse = setTimeout(() => this._beat(), running && !still && this._ids.length < MANY ? PULSE : PULSE_MANY);
  }

  _moved(act) {
    act();
    this._fitted = false;
    this._tip.hidden = true;
    this._surface.invalidate();
  }

  _fit() {
    if (!this._scene) return;
    this._camera.fit(this._scene, this._surface.width, this._surface.height);
    this._fitted = true;
    this._surface.invalidate();
  }

  _zoom(factor) {
    this._moved(() => this._camera.zoom(factor, this._surface.width / 2, this._surface.height / 2));
  }

  _hit(x, y) {
    if (!this._scene) return "";
    const [wx, wy] = this._camera.world(x, y);
    const number = this._scene.nodes.findIndex(([nx, ny]) => Math.abs(nx - wx) <= BOX[0] / 2 && Math.abs(ny - wy) <= BOX[1] / 2);
    return number < 0 ? "" : this._ids[number];
  }

  _hover(x, y) {
    const id = x === null ? "" : this._hit(x, y);
    this._surface.canvas.style.cursor = id ? "pointer" : "grab";
    if (id !== this._hovered) {
      this._hovered = id;
      this._surface.invalidate();
    }
    this._tip.hidden = !id;
    if (!id) return;
    const node = this._model.status.nodes[id];
    const ran = node?.started_at && duration((node.finished_at ? at(node.finished_at) : Date.now()) - at(node.started_at));
    put(this._tip, el("b", {}, id), el("span", {}, [word(node?.status ?? "PENDING"), this._model.nodes.get(id).handler, ran].filter(Boolean).join(" · ")));
    const room = this._surface.width - this._tip.offsetWidth - 8;
    this._tip.style.transform = `translate(${Math.max(8, Math.min(x + 14, room))}px, ${y + 18}px)`;
  }

  _find() {
    const typed = this._search.value;
    const text = typed.trim().toLowerCase();
    if (!text) return;
    const id = this._index.has(typed) ? typed : this._ids.find((one) => one.toLowerCase() === text) ?? this._ids.find((one) => one.toLowerCase().includes(text));
    if (id) {
      this._choose(id);
      this._center(id);
    }
  }

  _center(id) {
    if (!this._scene) return;
    const [x, y] = this._scene.nodes[this._index.get(id)];
    this._moved(() => this._camera.show(x, y, this._surface.width, this._surface.height));
  }

  _reveal(id) {
    const place = this._scene?.nodes[this._index.get(id)];
    if (place && !this._camera.sees(place, [0, 0], this._surface.width, this._surface.height)) this._center(id);
  }

  /** Selects the nearest node in a direction, preferring linked ones. */
  _step(dx, dy) {
    if (!this._scene) return;
    const start = this._selected || this._ids[0];
    if (!this._selected) {
      this._choose(start);
      return;
    }
    const [x, y] = this._scene.nodes[this._index.get(start)];
    const linked = new Set([...this._model.parents.get(start), ...this._model.children.get(start)]);
    let [best, least] = ["", Infinity];
    this._ids.forEach((id, number) => {
      const [nx, ny] = this._scene.nodes[number];
      const [along, aside] = [(nx - x) * dx + (ny - y) * dy, Math.abs((nx - x) * dy) + Math.abs((ny - y) * dx)];
      if (id === start || along <= 1) return;
      const far = along + 2.5 * aside + (linked.has(id) ? 0 : 400);
      if (far < least) [best, least] = [id, far];
    });
    if (best) this._choose(best);
  }
}
