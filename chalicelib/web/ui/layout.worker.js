// Lays out a DAG, outside the page's main thread. layout.js describes its input and output.

import {
  coordGreedy,
  coordSimplex,
  decrossTwoLayer,
  graphStratify,
  layeringLongestPath,
  layeringSimplex,
  sugiyama,
} from "./d3-dag.min.js";
import { fold, grid } from "./fold.js";

const GRID_GAP = 10;
const PADDING = 14;

self.addEventListener("message", ({ data }) => self.postMessage({ id: data.id, ...layout(data) }));

/** Exported for tests. */
export function layout({ parents, box, gap, direction }) {
  if (!parents.length) return { width: 0, height: 0, nodes: [], edges: [], blocks: [] };
  const blocks = fold(parents).map((nodes) => measured(nodes, box));
  const block = new Int32Array(parents.length);
  blocks.forEach(({ nodes }, number) => nodes.forEach((node) => (block[node] = number)));
  const above = blocks.map(({ nodes }) => [...new Set(parents[nodes[0]].map((parent) => block[parent]))]);
  const graph = graphStratify()
    .id((number) => `${number}`)
    .parentIds((number) => above[number].map(String))(blocks.map((_, number) => number));
  // The library draws downwards.
  const turned = direction === "right";
  const turn = ([x, y]) => (turned ? [y, x] : [x, y]);
  const { width, height } = method(blocks.length)
    .nodeSize(({ data }) => turn(blocks[data].size))
    .gap(gap)(graph);
  const mirrored = backwards(graph) ? (x) => width - x : (x) => x;
  for (const node of graph.nodes()) blocks[node.data].centre = turn([mirrored(node.x), node.y]);
  const thick = thickness(graph, blocks, turned);
  const edges = [...graph.links()].map(({ source, target, points }) => ({
    from: source.data,
    to: target.data,
    points: routed(points, thick).map(([x, y]) => turn([mirrored(x), y])),
  }));
  const [right, bottom] = turn([width, height]);
  return { width: right, height: bottom, nodes: places(blocks, parents.length, box), edges, blocks: blocks.map(frame) };
}

/** Whether most siblings are in the reverse of their order in the definition. The drawing is mirrored then. */
function backwards(graph) {
  let sum = 0;
  for (const node of graph.nodes()) {
    const [first, ...others] = node.children();
    for (const child of others) sum += Math.sign((child.x - first.x) * (child.data - first.data));
  }
  return sum < 0;
}

/** Returns a function from the `y` of a layer to half of its thickness. */
function thickness(graph, blocks, turned) {
  const half = new Map();
  for (const { y, data } of graph.nodes()) {
    half.set(Math.round(y), Math.max(half.get(Math.round(y)) ?? 0, blocks[data].size[turned ? 0 : 1] / 2));
  }
  return (y) => half.get(Math.round(y)) ?? 0;
}

/** The points of an edge, from border to border and straight through the layers between: it bends only between layers. */
function routed(points, thick) {
  const last = points.length - 1;
  return points.flatMap(([x, y], place) => {
    const half = thick(y);
    if (place === 0) return [[x, y + half]];
    if (place === last) return [[x, y - half]];
    return [[x, y - half], [x, y + half]];
  });
}

/** The method for a DAG of `count` blocks. The better methods take minutes where the fast ones take a second. */
function method(count) {
  if (count <= 60) return sugiyama().layering(layeringSimplex()).decross(decrossTwoLayer()).coord(coordSimplex());
  const passes = count <= 300 ? 24 : count <= 2000 ? 4 : 1;
  return sugiyama().layering(layeringLongestPath()).decross(decrossTwoLayer().passes(passes)).coord(coordGreedy());
}

function measured(nodes, [width, height]) {
  const { columns, rows } = grid(nodes.length, [width, height], GRID_GAP);
  const padding = nodes.length > 1 ? 2 * PADDING : 0;
  const size = [columns * (width + GRID_GAP) - GRID_GAP + padding, rows * (height + GRID_GAP) - GRID_GAP + padding];
  return { nodes, columns, size };
}

function places(blocks, count, [width, height]) {
  const nodes = new Array(count);
  for (const { nodes: members, columns, size, centre } of blocks) {
    const padding = members.length > 1 ? PADDING : 0;
    const [left, top] = [centre[0] - size[0] / 2 + padding, centre[1] - size[1] / 2 + padding];
    members.forEach((node, place) => {
      const column = place % columns;
      const row = Math.floor(place / columns);
      nodes[node] = [left + column * (width + GRID_GAP) + width / 2, top + row * (height + GRID_GAP) + height / 2];
    });
  }
  return nodes;
}

const frame = ({ nodes, centre, size }) => ({ centre, size, count: nodes.length, first: nodes[0] });
