// The only way by which anything gets onto the page. Strings become text nodes, never HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element. Of `attributes`, functions are listeners, true and false set and leave out, undefined and null are skipped. */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replaces what is in `parent`. */
export function put(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return parent;
}

/** Sets the text only where it differs: a live page must not disturb a selection, or a screen reader. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
