// Paints the Gantt chart: a row for each node, a ruler above.

import { FONT, fitted } from "./canvas.js";
import { duration } from "./format.js";
import { palette } from "./palette.js";

export const ROW = 26;
const BAR = 12;
const STEPS = [1, 2, 5];

/** Paints the visible rows. `about` has width, height, label, head, x(time), top, selected, critical, now. */
export function rows(context, all, about) {
  const { width, height, head, top } = about;
  const colours = palette();
  context.save();
  context.beginPath();
  context.rect(0, head, width, height - head);
  context.clip();
  grid(context, about, colours);
  const first = Math.max(0, Math.floor(top / ROW));
  const last = Math.min(all.length, Math.ceil((top + height) / ROW));
  for (let number = first; number < last; number += 1) row(context, all[number], head + number * ROW - top, about, colours);
  context.restore();
}

function row(context, { id, tries, backoff }, y, about, colours) {
  const { width, label, selected, critical } = about;
  const marked = critical.has(id);
  if (id === selected) {
    context.fillStyle = colours["accent~"];
    context.fillRect(0, y, width, ROW);
  }
  context.save();
  context.beginPath();
  context.rect(label, y, width - label, ROW);
  context.clip();
  tries.forEach((one, number) => {
    wait(context, one, tries.slice(0, number), backoff, y + ROW / 2, about, colours);
    run(context, one, y + ROW / 2, about, colours, marked);
  });
  context.restore();
  context.font = `${marked ? 600 : 400} 12px ${FONT}`;
  context.fillStyle = marked ? colours.ink : colours.muted;
  context.textBaseline = "middle";
  context.fillText(fitted(context, id, label - 26), 14, y + ROW / 2);
  if (marked) {
    context.fillStyle = colours.critical;
    context.fillRect(4, y + 7, 3, ROW - 14);
  }
}

/** The wait before an attempt. The first one was queued; a later one first waited for its backoff, at most as the policy says. */
function wait(context, one, before, backoff, middle, { x, now }, colours) {
  const last = before.at(-1);
  const end = Number.isNaN(one.started) ? (Number.isNaN(one.ended) ? now : one.ended) : one.started;
  let from = last && !Number.isNaN(last.ended) ? last.ended : one.queued;
  if (last?.outcome === "FAILED") {
    const failures = before.filter(({ outcome }) => outcome === "FAILED").length;
    const to = Math.min(end, from + backoff(failures));
    dashed(context, x(from), x(to), middle, colours.muted);
    from = to;
  }
  queued(context, x(from), x(end), middle, colours);
}

function run(context, one, middle, { x, now }, colours, marked) {
  if (Number.isNaN(one.started)) return;
  const [left, right] = [x(one.started), x(Number.isNaN(one.ended) ? now : one.ended)];
  const width = Math.max(2, right - left);
  context.fillStyle = colours[one.outcome] ?? colours.muted;
  context.beginPath();
  context.roundRect(left, middle - BAR / 2, width, BAR, Math.min(3, width / 2));
  context.fill();
  if (!marked) return;
  context.fillStyle = colours.critical;
  context.fillRect(left, middle + BAR / 2 + 2, width, 2);
}

function queued(context, left, right, middle, colours) {
  if (right - left < 0.5) return;
  context.fillStyle = colours.edge;
  context.fillRect(left, middle - 2, right - left, 4);
}

function dashed(context, left, right, middle, colour) {
  if (right - left < 1) return;
  context.strokeStyle = colour;
  context.lineWidth = 1.4;
  context.setLineDash([3, 3]);
  context.beginPath();
  context.moveTo(left, middle);
  context.lineTo(right, middle);
  context.stroke();
  context.setLineDash([]);
}

/** The ruler: times since the start. */
export function ruler(context, about) {
  const { width, head, label } = about;
  const colours = palette();
  context.fillStyle = colours.surface;
  context.fillRect(0, 0, width, head);
  context.fillStyle = colours.line;
  context.fillRect(0, head - 1, width, 1);
  context.font = `400 11px ${FONT}`;
  context.fillStyle = colours.muted;
  context.textBaseline = "middle";
  for (const { x, text } of ticks(about)) {
    if (x >= label && x + 8 + context.measureText(text).width < width) context.fillText(text, x + 4, head / 2);
  }
}

function grid(context, about, colours) {
  context.fillStyle = colours.line;
  for (const { x } of ticks(about)) if (x >= about.label) context.fillRect(Math.round(x), about.head, 1, about.height);
}

function ticks({ x, from, to, width }) {
  const ms = (to - from) / (x(to) - x(from)) || 1;
  const least = ms * 96;
  let step = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  step *= STEPS.find((factor) => step * factor >= least) ?? 10;
  step = Math.max(1, step);
  const first = Math.max(0, Math.floor(((0 - x(from)) * ms) / step));
  const found = [];
  for (let number = first; number * step <= to - from && x(from + number * step) < width; number += 1) {
    found.push({ x: x(from + number * step), text: number ? `+${duration(number * step)}` : "0" });
  }
  return found;
}
