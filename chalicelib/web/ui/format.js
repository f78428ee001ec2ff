// Formats times, sizes and numbers for people.

const DAY = 86_400_000;
const two = (number) => String(number).padStart(2, "0");

/** Milliseconds since 1970, NaN for none. */
export const at = (rfc3339) => (rfc3339 ? Date.parse(rfc3339) : NaN);

/** A duration in ms: "7 ms", "1.52 s", "3 min 07 s", "2 h 05 min". */
export function duration(ms) {
  if (!Number.isFinite(ms)) return "–";
  const left = Math.max(0, ms);
  if (left < 1000) return `${Math.round(left)} ms`;
  if (left < 10_000) return `${(left / 1000).toFixed(2)} s`;
  if (left < 60_000) return `${(left / 1000).toFixed(1)} s`;
  const seconds = Math.round(left / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.round((minutes % 1440) / 60)} h`;
}

/** The time of day with milliseconds, and the date unless it is today. */
export function moment(rfc3339) {
  if (!rfc3339) return "–";
  const date = new Date(rfc3339);
  const ms = String(date.getMilliseconds()).padStart(3, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`;
  if (date.toDateString() === new Date().toDateString()) return time;
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

/** The time since: "just now", "4 min ago", or the date. */
export function ago(rfc3339, now = Date.now()) {
  const passed = now - at(rfc3339);
  if (!Number.isFinite(passed)) return "–";
  if (passed < 5_000) return "just now";
  if (passed < 60_000) return `${Math.floor(passed / 1000)} s ago`;
  if (passed < 3_600_000) return `${Math.floor(passed / 60_000)} min ago`;
  if (passed < DAY) return `${Math.floor(passed / 3_600_000)} h ago`;
  if (passed < 7 * DAY) return `${Math.floor(passed / DAY)} d ago`;
  return moment(rfc3339).slice(0, 10);
}

export const count = (number) => number.toLocaleString("en");

/** "1 node", "3 nodes". */
export const several = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** The first code units of a text, without half a surrogate pair at the end. */
export const beginning = (text, most) => (text.length > most ? text.slice(0, most).replace(/[\ud800-\udbff]$/, "") : text);

export const bytes = (size) =>
  size < 1024 ? `${size} B` : size < 1_048_576 ? `${(size / 1024).toFixed(1)} KiB` : `${(size / 1_048_576).toFixed(1)} MiB`;
