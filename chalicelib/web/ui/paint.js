// Paints the graph. The closer the view, the more a node shows: its colour, its name, its state.

import { FONT, fitted } from "./canvas.js";
import { at, duration } from "./format.js";
import { BOX } from "./layout.js";
import { palette } from "./palette.js";
import { SIGNS } from "./status.js";

const NAMES_FROM = 0.34;
const DETAIL_FROM = 0.62;
const [WIDTH, HEIGHT] = BOX;
const signs = new Map(Object.entries(SIGNS).map(([status, path]) => [status, new Path2D(path)]));

/** `about` has width, height, scene (see layout.js), camera, ids, model, selected, hovered, only. */
export function paint(context, about) {
  const { camera, scene } = about;
  const colours = palette();
  context.translate(camera.x, camera.y);
  context.scale(camera.scale, camera.scale);
  edges(context, about, colours);
  for (const block of scene.blocks) if (block.count > 1) frame(context, block, colours);
  const near = camera.scale >= NAMES_FROM;
  about.ids.forEach((id, number) => {
    const centre = scene.nodes[number];
    if (!camera.sees(centre, BOX, about.width, about.height)) return;
    const node = about.model.status.nodes[id] ?? { status: "PENDING", attempt: 0 };
    context.globalAlpha = about.only && node.status !== about.only ? 0.18 : 1;
    if (near) box(context, about, colours, id, node, centre);
    else patch(context, about, colours, id, node, centre);
  });
  context.globalAlpha = 1;
}

function edges(context, { scene, camera, selected, ids, only }, colours) {
  const chosen = new Set();
  if (selected) {
    const [x, y] = scene.nodes[ids.indexOf(selected)];
    scene.blocks.forEach(({ centre, size }, place) => {
      if (Math.abs(centre[0] - x) <= size[0] / 2 && Math.abs(centre[1] - y) <= size[1] / 2) chosen.add(place);
    });
  }
  const marked = (edge) => chosen.has(edge.from) || chosen.has(edge.to);
  const thin = Math.max(1.2, 0.7 / camera.scale);
  context.globalAlpha = only ? 0.3 : scene.edges.length > 800 && camera.scale < NAMES_FROM ? 0.45 : 1;
  context.lineWidth = thin;
  context.strokeStyle = colours.edge;
  context.beginPath();
  for (const edge of scene.edges) if (!marked(edge)) curve(context, scene, edge);
  context.stroke();
  context.globalAlpha = 1;
  context.lineWidth = thin * 1.6;
  context.strokeStyle = colours.accent;
  context.beginPath();
  for (const edge of scene.edges) if (marked(edge)) curve(context, scene, edge);
  context.stroke();
}

/** A curve through the points, straight at both ends. */
function curve(context, scene, { points }) {
  const along = scene.right ? 0 : 1;
  context.moveTo(...points[0]);
  for (let number = 1; number < points.length; number += 1) {
    const [a, b] = [points[number - 1], points[number]];
    const half = (b[along] - a[along]) / 2;
    if (scene.right) context.bezierCurveTo(a[0] + half, a[1], b[0] - half, b[1], ...b);
    else context.bezierCurveTo(a[0], a[1] + half, b[0], b[1] - half, ...b);
  }
}

function frame(context, { centre, size }, colours) {
  context.beginPath();
  context.roundRect(centre[0] - size[0] / 2, centre[1] - size[1] / 2, ...size, 14);
  context.fillStyle = colours.ground;
  context.fill();
  context.lineWidth = 1.2;
  context.strokeStyle = colours.edge;
  context.stroke();
}

function patch(context, { selected, hovered, camera }, colours, id, node, [x, y]) {
  // Nodes that are done or have not begun are less prominent.
  const quiet = node.status === "COMPLETED" || node.status === "PENDING" || node.status === "SKIPPED";
  context.fillStyle = colours[quiet ? `${node.status}=` : node.status];
  context.beginPath();
  context.roundRect(x - WIDTH / 2, y - HEIGHT / 2, WIDTH, HEIGHT, 9);
  context.fill();
  if (id === selected || id === hovered) ring(context, x, y, 2.5 / camera.scale, colours.accent);
}

function box(context, { selected, hovered, camera, model }, colours, id, node, [x, y]) {
  const [left, top] = [x - WIDTH / 2, y - HEIGHT / 2];
  const loud = node.status === "RUNNING" || node.status === "FAILED";
  context.beginPath();
  context.roundRect(left, top, WIDTH, HEIGHT, 10);
  context.fillStyle = loud ? colours[`${node.status}~`] : colours.surface;
  context.fill();
  context.lineWidth = loud ? 1.6 : 1.2;
  context.strokeStyle = loud ? colours[node.status] : id === hovered ? colours.muted : colours.line;
  context.stroke();
  if (node.status === "RUNNING") glow(context, x, y, colours.RUNNING);
  if (id === selected) ring(context, x, y, 2, colours.accent);
  disc(context, left + 22, y, node.status, colours);
  const quiet = node.status === "PENDING" || node.status === "SKIPPED" || node.status === "CANCELLED";
  const detail = camera.scale >= DETAIL_FROM;
  context.textBaseline = "middle";
  context.fillStyle = quiet ? colours.muted : colours.ink;
  context.font = `600 ${detail ? 13 : 18}px ${FONT}`;
  context.fillText(fitted(context, id, WIDTH - 52), left + 40, detail ? y - 8 : y + 0.5);
  if (!detail) return;
  context.font = `400 11px ${FONT}`;
  context.fillStyle = colours.muted;
  context.fillText(fitted(context, about(model, id, node), WIDTH - 52), left + 40, y + 9.5);
}

function about(model, id, node) {
  const parts = [model.nodes.get(id).handler];
  if (node.started_at) parts.push(duration((node.finished_at ? at(node.finished_at) : Date.now()) - at(node.started_at)));
  if (node.attempt > 1) parts.push(`attempt ${node.attempt}`);
  return parts.join(" · ");
}

function disc(context, x, y, status, colours) {
  context.save();
  context.translate(x - 9, y - 9);
  context.scale(1.5, 1.5);
  context.beginPath();
  context.arc(6, 6, 6, 0, 2 * Math.PI);
  const outlined = status === "PENDING";
  context.fillStyle = outlined ? colours.surface : colours[status];
  context.fill();
  context.lineWidth = 1;
  context.strokeStyle = colours[status];
  if (outlined) context.stroke();
  context.lineWidth = 1.3;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = outlined ? colours[status] : colours.surface;
  context.stroke(signs.get(status));
  context.restore();
}

function ring(context, x, y, width, colour) {
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.beginPath();
  context.roundRect(x - WIDTH / 2 - 3, y - HEIGHT / 2 - 3, WIDTH + 6, HEIGHT + 6, 12);
  context.stroke();
}

function glow(context, x, y, colour) {
  const phase = matchMedia("(prefers-reduced-motion: reduce)").matches ? 0.4 : (performance.now() % 1600) / 1600;
  const alpha = context.globalAlpha;
  context.globalAlpha = alpha * 0.5 * (1 - phase);
  context.lineWidth = 1 + 6 * phase;
  context.strokeStyle = colour;
  context.beginPath();
  context.roundRect(x - WIDTH / 2 - 4 * phase, y - HEIGHT / 2 - 4 * phase, WIDTH + 8 * phase, HEIGHT + 8 * phase, 11 + 3 * phase);
  context.stroke();
  context.globalAlpha = alpha;
}
