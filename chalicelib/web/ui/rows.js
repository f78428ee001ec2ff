// A list of any length: only the visible rows are in the page.

import { el } from "./element.js";

const AROUND = 8;

export class Rows {
  /** `make(item)` returns the element of a row, `height` CSS pixels high. */
  constructor(height, label, make) {
    this._height = height;
    this._make = make;
    this._items = [];
    this._inner = el("div", { class: "rows-inner", role: "presentation" });
    this.element = el("div", { class: "rows-scroll", tabindex: 0, role: "list", "aria-label": label }, this._inner);
    this.element.addEventListener("scroll", () => this._show(), { passive: true });
    this._sizes = new ResizeObserver(() => this._show());
    this._sizes.observe(this.element);
  }

  set(items) {
    this._items = items;
    this._inner.style.height = `${items.length * this._height}px`;
    this._show();
  }

  close() {
    this._sizes.disconnect();
  }

  _show() {
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / this._height) - AROUND);
    const last = Math.min(this._items.length, Math.ceil((scrollTop + clientHeight) / this._height) + AROUND);
    const focused = this._inner.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const shown = this._items.slice(first, last).map((item, number) => {
      const row = this._make(item);
      row.setAttribute("role", "listitem");
      row.style.top = `${(first + number) * this._height}px`;
      return row;
    });
    this._inner.replaceChildren(...shown);
    if (focused) [...this._inner.querySelectorAll("[data-key]")].find((one) => one.dataset.key === focused)?.focus({ preventScroll: true });
  }
}
