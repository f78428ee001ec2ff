// What an instance yielded.

import { el, put } from "./element.js";
import { count } from "./format.js";
import { elsewhere, json } from "./json.js";

export class Results {
  constructor(model) {
    this._model = model;
    this.element = el("div", { class: "results card padded" });
  }

  async update() {
    const { live, id } = this._model;
    if (live || !id) {
      put(this.element, el("div", { class: "empty small" }, el("h2", {}, id ? "Still running" : "Never triggered"), el("p", {}, "Results can be read once the instance has ended.")));
      return;
    }
    try {
      const { output, results, large } = await this._model.results();
      const number = Object.keys(results).length;
      const every = el("details", {}, el("summary", {}, `Results of ${count(number)} nodes`));
      every.addEventListener("toggle", () => every.open && every.children.length === 1 && every.append(json(results, "all results")));
      put(this.element, el("h2", {}, "Output"), json(output, "the output"), Object.entries(large).map(([id, one]) => elsewhere(one, id)), every);
    } catch (problem) {
      put(this.element, el("p", { class: "fault" }, problem.message));
    }
  }
}
