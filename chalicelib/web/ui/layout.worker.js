// Lays a DAG out, away from the page's own thread. What goes in and comes out: layout.js.

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
  for (const node of graph.nodes()) blocks[node.data].centre = turn([node.x, node.y]);
  const edges = [...graph.links()].map(({ source, target, points }) => ({
    from: source.data,
    to: target.data,
    points: points.map(turn),
  }));
  const [across, along] = turn([width, height]);
  return { width: across, height: along, nodes: places(blocks, parents.length, box), edges, blocks: blocks.map(frame) };
}

/** The better methods take minutes for what the quicker ones lay out in a second. */
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
