// The form that submits a workflow and triggers it. Faults are shown where they are.

import { get, path, post } from "./api.js";
import { field } from "./dialog.js";
import { Editor } from "./editor.js";
import { el, put } from "./element.js";
import { entries, single, stringify } from "./exact.js";
import { several } from "./format.js";
import { go } from "./router.js";
import { toast } from "./toast.js";

const START = {
  name: "My workflow",
  dag: {
    nodes: [
      { id: "input", handler: "input", dependencies: [], config: { who: "World" } },
      { id: "greeting", handler: "output", dependencies: ["input"], config: { value: "Hello, {{ input.who }}!" } },
    ],
  },
};

export function submit(_, query) {
  const editor = new Editor("The workflow, as JSON");
  const params = new Editor("Params, as JSON", 3);
  const samples = el("select", { "aria-label": "Start from an example" }, el("option", { value: "" }, "Start from an example…"));
  const now = el("input", { type: "checkbox", checked: true });
  const verdict = el("div", { class: "verdict", role: "status", "aria-live": "polite" });
  const button = el("button", { type: "submit", class: "button primary" }, "Submit");
  const form = el(
    "form",
    { class: "submit", novalidate: true },
    el("div", { class: "card editor-card" }, editor.element),
    verdict,
    el("div", { class: "send" }, el("label", { class: "check" }, now, "Trigger it at once"), field("Params", params.element, "A JSON object; templates read it as {{ params.x }}."), el("div", { class: "buttons" }, button, el("kbd", {}, "Ctrl Enter"))),
  );
  const shown = () => {
    params.element.closest(".field").hidden = !now.checked;
    button.textContent = now.checked ? "Submit and trigger" : "Submit";
  };
  now.addEventListener("change", shown);
  shown();

  editor.text = pretty(START);
  params.text = "{}";
  editor.onedit = params.onedit = () => put(verdict);
  begin(editor, samples, query.get("from"));

  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    put(verdict);
    try {
      if (editor.check() && (!now.checked || params.check())) await send(editor, params, now.checked, verdict);
      else put(verdict, el("p", { class: "fault" }, "This is no JSON yet: see the marked line."));
    } finally {
      button.disabled = false;
    }
  });
  return {
    title: "Submit",
    element: el("div", { class: "page" }, el("div", { class: "title" }, el("h1", {}, "Submit a workflow"), samples), form),
    keys: { "/": () => editor.focus() },
  };
}

async function send(editor, params, trigger, verdict) {
  let asked = editor;
  try {
    const made = await post("workflow", editor.text);
    toast(`Stored: ${made.name}, ${several(made.nodes, "node")}`);
    if (!trigger) {
      go("workflows");
      return;
    }
    asked = params;
    const started = await post(path`workflow/trigger/${made.execution_id}`, `{"params": ${params.text.trim() || "{}"}}`);
    go("instances", started.instance_id);
  } catch (problem) {
    const inside = asked === params ? problem.errors.map((one) => ({ ...one, pointer: one.pointer.replace(/^\/params/, "") })) : problem.errors;
    const lines = asked.mark(inside);
    const told = problem.errors.map((one, number) => ({ ...one, line: lines[number] })).sort((a, b) => a.line - b.line);
    const jump = ({ line, ...one }) => el("li", {}, el("button", { type: "button", class: "link", onclick: () => asked.go(line) }, `Line ${line + 1}`), el("code", {}, one.pointer || "/"), el("span", {}, one.detail));
    put(verdict, el("p", { class: "fault" }, problem.errors.length ? several(problem.errors.length, "problem") : problem.message), el("ol", { class: "problems" }, told.map(jump)));
    if (lines.length) asked.go(Math.min(...lines));
  }
}

/** Fills the editor with a stored workflow, or with an example of the OpenAPI document. */
async function begin(editor, samples, from) {
  try {
    if (from) {
      editor.text = pretty((await get(path`workflow/${from}`)).definition);
    }
    const { paths } = await get("openapi.json");
    const { examples } = paths["/api/workflow"].post.requestBody.content["application/json"];
    samples.append(...Object.entries(examples).map(([key, one]) => el("option", { value: key }, one.summary ?? key)));
    samples.addEventListener("change", () => {
      if (samples.value) editor.text = pretty(examples[samples.value].value);
    });
  } catch (problem) {
    toast(problem.message, { bad: true });
  }
}

/** JSON as people write it: a value that fits on a line is on one. */
export function pretty(value, indent = "") {
  const flat = stringify(value, " ").replace(/\n\s*/g, " ");
  if (indent.length + flat.length <= 96 || single(value)) return flat;
  const inner = `${indent}  `;
  const parts = Array.isArray(value) ? value.map((one) => pretty(one, inner)) : entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${pretty(one, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${parts.map((part) => inner + part).join(",\n")}\n${indent}${close}`;
}
