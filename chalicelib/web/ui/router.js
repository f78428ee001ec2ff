// Reads and writes the address: #/view/id?query.

/** {view, id, query}; `query` is a URLSearchParams. */
export function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "", id = ""] = path.split("/").map(decoded);
  return { view, id, query: new URLSearchParams(query) };
}

/** A part of the address, decoded. An address that was typed may be no valid encoding. */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address of a place. */
export function to(view, id = "", query = {}) {
  const set = Object.entries(query).flatMap(([name, values]) => [values].flat().map((value) => [name, value]));
  const text = new URLSearchParams(set.filter(([, value]) => value)).toString();
  return `#/${[view, id].filter(Boolean).map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

export function go(view, id, query) {
  location.hash = to(view, id, query);
}

/** Changes the query without an entry in the browser's history, and without a new view. */
export function note(view, id, query) {
  history.replaceState(null, "", to(view, id, query));
}

export const onMove = (listener) => addEventListener("hashchange", listener);
