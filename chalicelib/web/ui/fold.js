// Draws nodes that have the same parents and the same children as one block, a grid. Otherwise 1 → 1,000 → 1 would be
// a strip of 1,000 boxes in any layout.

const LEAST = 6;
const ASPECT = 1.7;

/** `parents[i]` are the indices of node i's. Returns blocks, each a list of nodes in their order; most have one. */
export function fold(parents) {
  const children = parents.map(() => []);
  parents.forEach((above, node) => above.forEach((parent) => children[parent].push(node)));
  const alike = new Map();
  parents.forEach((above, node) => {
    const key = `${[...above].sort((a, b) => a - b)}|${children[node]}`;
    if (alike.has(key)) alike.get(key).push(node);
    else alike.set(key, [node]);
  });
  // Nodes with neither parents nor children are alike too: a workflow of 1,000 single nodes is a grid.
  return [...alike.values()].flatMap((nodes) => (nodes.length < LEAST ? nodes.map((node) => [node]) : [nodes]));
}

/** The columns and rows of a block of `count` boxes, with about the aspect ratio of a screen. */
export function grid(count, [width, height], gap) {
  if (count === 1) return { columns: 1, rows: 1 };
  const columns = Math.max(1, Math.round(Math.sqrt((count * ASPECT * (height + gap)) / (width + gap))));
  return { columns, rows: Math.ceil(count / columns) };
}
