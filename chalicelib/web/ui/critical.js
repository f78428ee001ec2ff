// The critical path of a run: from the node that ended last, back through the parent that each node waited for.

import { at } from "./format.js";

/** The ids on the path. `parents` maps ids to lists of ids; `nodes` are the nodes of a status. */
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
  // A child may end in the same millisecond as its parent, so the path has to end with a node without started children.
  const followed = new Set([...parents].flatMap(([id, above]) => (nodes[id]?.started_at ? above : [])));
  const path = new Set();
  const last = latest([...parents.keys()].filter((id) => !followed.has(id)));
  for (let id = last; id && !path.has(id); id = latest(parents.get(id))) path.add(id);
  return path;
}
