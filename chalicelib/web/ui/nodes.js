// The nodes as a table, by status, then in the order of the definition: the graph as text.

import { el, put } from "./element.js";
import { at, count, duration } from "./format.js";
import { icon } from "./icons.js";
import { Rows } from "./rows.js";
import { NODE, badge } from "./status.js";

const HEIGHT = 38;
const ORDER = new Map(["FAILED", ...NODE.filter((status) => status !== "FAILED")].map((status, place) => [status, place]));

export class Nodes {
  constructor(model, select) {
    this._model = model;
    this._selected = "";
    this._rows = new Rows(HEIGHT, "Nodes", ({ id, node }) => this._row(id, node));
    this._rows.element.addEventListener("click", (event) => {
      const id = event.target.closest("[data-key]")?.dataset.key;
      if (id) select(id);
    });
    this._search = el("input", { type: "search", placeholder: "Id or handler", "aria-label": "Id or handler contains" });
    this._search.addEventListener("input", () => this.update());
    this._count = el("small", {});
    const columns = el("div", { class: "columns", "aria-hidden": "true" }, ["Status", "Node", "Handler", "Attempt", "Queued", "Ran"].map((title) => el("span", {}, title)));
    this.element = el("div", { class: "nodes card" }, el("div", { class: "card-head" }, el("label", { class: "search" }, icon("search"), this._search), this._count), columns, this._rows.element);
  }

  get keys() {
    return { "/": () => this._search.focus() };
  }

  update() {
    const text = this._search.value.trim().toLowerCase();
    const all = [...this._model.nodes.values()]
      .filter(({ id, handler }) => !text || id.toLowerCase().includes(text) || handler.toLowerCase().includes(text))
      .map(({ id }) => ({ id, node: this._model.status.nodes[id] ?? { status: "PENDING", attempt: 0 } }))
      .sort((a, b) => ORDER.get(a.node.status) - ORDER.get(b.node.status));
    put(this._count, text ? `${count(all.length)} of ${count(this._model.nodes.size)}` : `${count(all.length)} nodes`);
    this._rows.set(all);
  }

  select(id) {
    this._selected = id;
    this.update();
  }

  close() {
    this._rows.close();
  }

  _row(id, node) {
    const begun = at(node.started_at);
    const end = node.finished_at ? at(node.finished_at) : Date.now();
    return el(
      "div",
      { class: id === this._selected ? "row selected" : "row" },
      el("button", { type: "button", "data-key": id }, badge(node.status), el("b", {}, id), el("code", {}, this._model.nodes.get(id).handler), el("span", {}, node.attempt ? String(node.attempt) : "–"), el("span", {}, duration(begun - at(node.queued_at))), el("span", {}, duration(end - begun))),
    );
  }
}
