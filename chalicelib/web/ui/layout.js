// The positions of nodes and edges. layout.worker.js computes them.

export const BOX = [184, 46];
const GAP = { right: [18, 64], down: [24, 46] };

let worker;
let asked = 0;
const waiting = new Map();

/**
 * `parents[i]` are the indices of node i's; `direction` is "right" or "down". Resolves to {width, height, nodes: centres,
 * blocks: [{centre, size, count, first}], edges: [{from, to, points}]} in CSS pixels; `from` and `to` are blocks.
 */
export function layout(parents, direction) {
  worker ??= start();
  const id = ++asked;
  worker.postMessage({ id, parents, direction, box: BOX, gap: GAP[direction] });
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

function start() {
  const made = new Worker(trusted(new URL("./layout.worker.js", import.meta.url)), { type: "module" });
  made.addEventListener("message", ({ data }) => settle(data.id, "resolve", data));
  made.addEventListener("error", () => [...waiting.keys()].forEach((id) => settle(id, "reject", new Error("the layout failed"))));
  return made;
}

function settle(id, how, value) {
  waiting.get(id)?.[how](value);
  waiting.delete(id);
}

/** The page's policy lets no string be the address of a script, with this one exception. */
function trusted(url) {
  return globalThis.trustedTypes ? trustedTypes.createPolicy("layout", { createScriptURL: () => url.href }).createScriptURL("") : url;
}
