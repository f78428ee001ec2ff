// Finds the place of a JSON pointer (RFC 6901) in a JSON text.

export { Malformed, places } from "./exact.js";

/** The place of `pointer`; if its value is missing, that of the nearest value around it. */
export function place(found, pointer) {
  for (let near = pointer; near; near = near.slice(0, near.lastIndexOf("/"))) {
    if (found.has(near)) return found.get(near);
  }
  const [from] = found.get("");
  return [from, from + 1];
}

/** The line of an offset, from 0. */
export const lineOf = (text, offset) => text.slice(0, offset).split("\n").length - 1;
