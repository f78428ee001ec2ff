// Shows a JSON value: indented, highlighted, with a button that copies it.

import { el } from "./element.js";
import { stringify } from "./exact.js";
import { beginning, bytes } from "./format.js";
import { icon } from "./icons.js";

const MOST = 60_000;
const PART = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)/g;

export function json(value, label = "JSON") {
  const text = stringify(value, "  ");
  const copy = el("button", { type: "button", class: "button ghost icon-only copy", "aria-label": `Copy ${label}`, title: "Copy" }, icon("copy"));
  copy.addEventListener("click", () => navigator.clipboard?.writeText(text));
  const code = el("pre", { class: "code", tabindex: 0, "aria-label": label }, ...parts(beginning(text, MOST)));
  const more = text.length > MOST && el("p", { class: "hint" }, `The first ${bytes(MOST)} of ${bytes(text.length)}; copying takes all.`);
  return el("div", { class: "json" }, copy, code, more);
}

function* parts(text) {
  let done = 0;
  for (const match of text.matchAll(PART)) {
    if (match.index > done) yield text.slice(done, match.index);
    const [whole, string, colon, number] = match;
    const kind = colon ? "key" : string ? "string" : number ? "number" : "word";
    yield el("span", { class: `json-${kind}` }, colon ? string : whole);
    if (colon) yield colon;
    done = match.index + whole.length;
  }
  yield text.slice(done);
}
