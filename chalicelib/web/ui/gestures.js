// Mouse, pen and touch on a canvas: a drag pans, the wheel and two fingers zoom, a tap selects.

const SLACK = 5;

/** `on` has pan(dx, dy), zoom(factor, x, y), tap(x, y), hover(x, y) or hover(null). Coordinates are relative to the canvas. */
export function gestures(canvas, on) {
  const fingers = new Map();
  let moved = 0;
  const spot = (event) => {
    const { left, top } = canvas.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return { distance: Math.hypot(a[0] - b[0], a[1] - b[1]), centre: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] };
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, spot(event));
    if (fingers.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = spot(event);
    const before = fingers.get(event.pointerId);
    if (!before) {
      on.hover(...now);
      return;
    }
    if (fingers.size === 2) {
      const was = spread();
      fingers.set(event.pointerId, now);
      const is = spread();
      on.pan(is.centre[0] - was.centre[0], is.centre[1] - was.centre[1]);
      if (was.distance) on.zoom(is.distance / was.distance, ...is.centre);
      moved = SLACK + 1;
      return;
    }
    moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
    fingers.set(event.pointerId, now);
    if (moved > SLACK) on.pan(now[0] - before[0], now[1] - before[1]);
  });
  const up = (event) => {
    const held = fingers.delete(event.pointerId);
    if (held && event.type === "pointerup" && moved <= SLACK && !fingers.size) on.tap(...spot(event));
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("pointerleave", () => on.hover(null));
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      on.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0016)), ...spot(event));
    },
    { passive: false },
  );
}
