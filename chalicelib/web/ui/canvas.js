// A canvas that fills its host, sharp on every screen, and paints at most once a frame.

import { el } from "./element.js";
import { beginning } from "./format.js";
import { onTheme } from "./palette.js";

export const FONT = "Inter, ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";

export class Surface {
  /** `paint(context, width, height)` works in CSS pixels. */
  constructor(host, attributes, paint) {
    this.canvas = el("canvas", attributes);
    this.width = this.height = 0;
    this._host = host;
    this._paint = paint;
    this._frame = 0;
    host.append(this.canvas);
    this._sizes = new ResizeObserver(() => this._resized());
    this._sizes.observe(host);
    this._forget = onTheme(() => this.invalidate());
  }

  invalidate() {
    this._frame ||= requestAnimationFrame(() => {
      this._frame = 0;
      if (this.width && this.height) this._draw();
    });
  }

  close() {
    cancelAnimationFrame(this._frame);
    this._sizes.disconnect();
    this._forget();
  }

  _resized() {
    const { clientWidth, clientHeight } = this._host;
    if (clientWidth === this.width && clientHeight === this.height) return;
    const first = !this.width;
    [this.width, this.height] = [clientWidth, clientHeight];
    this.canvas.style.width = `${clientWidth}px`;
    this.canvas.style.height = `${clientHeight}px`;
    this.onresize?.(first);
    this.invalidate();
  }

  _draw() {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    this._paint(context, this.width, this.height);
  }
}

const cut = new Map();

/** `text`, cut to `width` with an ellipsis, in the font of the context. */
export function fitted(context, text, width) {
  const key = `${context.font}|${Math.round(width)}|${text}`;
  if (cut.has(key)) return cut.get(key);
  if (cut.size > 20_000) cut.clear();
  let shown = text;
  if (context.measureText(text).width > width) {
    let [low, high] = [0, text.length];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (context.measureText(`${beginning(text, middle)}…`).width <= width) low = middle;
      else high = middle - 1;
    }
    shown = `${beginning(text, low)}…`;
  }
  cut.set(key, shown);
  return shown;
}
