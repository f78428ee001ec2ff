// The critical path of a run: from the node that ended last, back through the parent that each node waited for.

import { at } from "./format.js";

/** The ids on the path. `parents` is a Map of lists of ids, `nodes` are those of a status. */
export function critical(parents, nodes, now = Date.now()) {
  const end = (id) => {
    const node = nodes[id];
    if (!node?.started_at) return NaN;
    return node.finished_at ? at(node.finished_at) : now;
  };
  const latest = (ids) => {
    let found;
    for (const id of ids) if (!Number.isNaN(end(id)) && !(end(id) <= end(found))) found = id;
    return found;
  };
  const path = new Set();
  for (let id = latest(parents.keys()); id && !path.has(id); id = latest(parents.get(id))) path.add(id);
  return path;
}
