// Where in a JSON text the value is that a JSON pointer (RFC 6901) names.

export { Malformed, places } from "./exact.js";

/** The place of `pointer`, or of the nearest value around it that exists: of what is missing, where it belongs. */
export function place(found, pointer) {
  for (let near = pointer; near; near = near.slice(0, near.lastIndexOf("/"))) {
    if (found.has(near)) return found.get(near);
  }
  const [from] = found.get("");
  return [from, from + 1];
}

/** The line of an offset, from 0. */
export const lineOf = (text, offset) => text.slice(0, offset).split("\n").length - 1;
