// A result that did not fit into the answer with the others: its size, and a button that fetches it alone.

import { el, put, say } from "./element.js";
import { parse } from "./exact.js";
import { bytes } from "./format.js";
import { icon } from "./icons.js";
import { json } from "./json.js";

const MOST_SHOWN = 1_048_576;

/** The result of the node `id`. A small one is shown in place of the button, a large one is saved as a file. */
export function large(model, id, { bytes: size, sha256 }) {
  const small = size <= MOST_SHOWN;
  const fault = el("p", { class: "fault", role: "alert", hidden: true });
  const verb = small ? "Show" : "Download";
  const button = el("button", { type: "button", class: "button", "aria-label": `${verb} the result of ${id}` }, icon(small ? "show" : "download"), verb);
  const about = el("span", { class: "hint", title: `SHA-256 ${sha256}` }, `${bytes(size)}, read when it is asked for`);
  const element = el("div", { class: "large" }, el("p", {}, button, about), fault);
  button.addEventListener("click", async () => {
    button.disabled = true;
    fault.hidden = true;
    try {
      const { url, blob } = await model.result(id);
      if (url) follow({ href: url, target: "_blank", rel: "noopener" });
      else if (small) put(element, json(parse(await blob.text()), `the result of ${id}`));
      else save(blob, `${id}.json`);
    } catch (problem) {
      say(fault, problem.message);
      fault.hidden = false;
    }
    button.disabled = false;
  });
  return element;
}

const follow = (link) => el("a", link).click();

function save(blob, name) {
  const href = URL.createObjectURL(blob);
  follow({ href, download: name });
  setTimeout(() => URL.revokeObjectURL(href), 60_000); // the browser reads the object after the click
}
