// The colours of the style sheet, for the canvas.

const NAMES = ["ground", "surface", "line", "edge", "ink", "muted", "accent", "PENDING", "RUNNING", "COMPLETED", "FAILED", "SKIPPED", "CANCELLED", "LOST", "critical"];
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();
let known = null;

/** Colour by name, as the canvas takes it; `name~` is a tint of it for areas, `name=` half of it. */
export function palette() {
  return (known ??= read());
}

/** Calls `listener` when the theme changes. Returns a function that stops that. */
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The current theme: "light" or "dark". */
export const theme = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");

export function toggleTheme() {
  const chosen = theme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  try {
    localStorage.setItem("theme", chosen);
  } catch {
    // Without storage the choice holds until the page is left.
  }
  changed();
}

dark.addEventListener("change", changed);

function changed() {
  known = null;
  for (const listener of listeners) listener();
}

function read() {
  const probe = document.body.appendChild(document.createElement("span"));
  probe.hidden = true;
  const resolved = (value) => {
    probe.style.color = value;
    return getComputedStyle(probe).color;
  };
  const colours = {};
  for (const name of NAMES) {
    colours[name] = resolved(`var(--${name})`);
    colours[`${name}~`] = resolved(`color-mix(in srgb, var(--${name}) 14%, var(--surface))`);
    colours[`${name}=`] = resolved(`color-mix(in srgb, var(--${name}) 62%, var(--surface))`);
  }
  probe.remove();
  return colours;
}
