// The results of an instance.

import { el, put } from "./element.js";
import { count } from "./format.js";
import { json } from "./json.js";
import { large } from "./large.js";

export class Results {
  constructor(model) {
    this._model = model;
    this.element = el("div", { class: "results card padded" });
  }

  async update() {
    const { live, id } = this._model;
    if (live || !id) {
      this._shown = null;
      put(this.element, el("div", { class: "empty small" }, el("h2", {}, id ? "Still running" : "Never triggered"), el("p", {}, "Results can be read once the instance has ended.")));
      return;
    }
    try {
      const found = await this._model.results();
      if (found === this._shown) return; // keeps what the user has opened
      this._shown = found;
      const { output, results, large: others } = found;
      const number = Object.keys(results).length;
      const every = el("details", {}, el("summary", {}, `Results of ${count(number)} nodes`));
      every.addEventListener("toggle", () => every.open && every.children.length === 1 && every.append(json(results, "all results")));
      put(this.element, el("h2", {}, "Output"), json(output, "the output"), Object.entries(others).map(([id, one]) => [el("h3", {}, id), large(this._model, id, one)]), every);
    } catch (problem) {
      this._shown = null;
      put(this.element, el("p", { class: "fault" }, problem.message));
    }
  }
}
