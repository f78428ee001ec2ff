// A text field for JSON with numbered lines and with messages at lines.

import { el, put } from "./element.js";
import { Malformed, lineOf, place, places } from "./pointer.js";

export class Editor {
  constructor(label, rows = 22) {
    this._area = el("textarea", { class: "code", rows, spellcheck: "false", autocomplete: "off", autocapitalize: "off", wrap: "off", "aria-label": label });
    this._lines = el("div", { class: "editor-lines", "aria-hidden": "true" });
    this._notes = el("div", { class: "editor-notes", "aria-hidden": "true" });
    this.element = el("div", { class: "editor" }, this._lines, el("div", { class: "editor-field" }, this._notes, this._area));
    this._marks = new Map();
    this._area.addEventListener("input", () => this._edited());
    this._area.addEventListener("scroll", () => this._scrolled(), { passive: true });
    this._area.addEventListener("keydown", (event) => this._key(event));
    this._show();
  }

  get text() {
    return this._area.value;
  }

  set text(value) {
    this._area.value = value;
    this._edited();
  }

  focus() {
    this._area.focus();
  }

  /** Whether the text is JSON. If not, the first fault is marked. */
  check() {
    try {
      places(this.text);
      return true;
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      const line = lineOf(this.text, error.offset);
      this._set(new Map([[line, [error.message]]]));
      this.go(line, error.offset);
      return false;
    }
  }

  /** Shows `problems`, each {pointer, detail}, at their lines. Returns the line of each, from 0. */
  mark(problems) {
    const found = places(this.text);
    const lines = problems.map(({ pointer }) => lineOf(this.text, place(found, pointer)[0]));
    const marks = new Map();
    problems.forEach(({ detail }, number) => marks.set(lines[number], [...(marks.get(lines[number]) ?? []), detail]));
    this._set(marks);
    return lines;
  }

  /** Puts the cursor at the start of a line, or at an offset. */
  go(line, offset = this.text.split("\n").slice(0, line).join("\n").length + (line ? 1 : 0)) {
    this._area.focus();
    this._area.setSelectionRange(offset, offset);
    this._area.scrollTop = Math.max(0, line * this._height() - this._area.clientHeight / 3);
  }

  _edited() {
    this._marks = new Map();
    this._area.removeAttribute("aria-invalid");
    this._show();
    this.onedit?.();
  }

  _set(marks) {
    this._marks = marks;
    this._area.setAttribute("aria-invalid", "true");
    this._show();
  }

  _show() {
    const lines = this.text.split("\n");
    put(this._lines, el("div", {}, lines.map((_, number) => el("span", { class: this._marks.has(number) ? "bad" : null }, String(number + 1)))));
    const note = (text, number) => {
      const messages = this._marks.get(number);
      return el("div", { class: messages ? "bad" : null }, el("span", { class: "ghost-text" }, text || " "), messages && el("span", { class: "note" }, messages.join("; ")));
    };
    put(this._notes, this._marks.size > 0 && el("div", {}, lines.map(note)));
    this._scrolled();
  }

  _scrolled() {
    const { scrollTop, scrollLeft } = this._area;
    if (this._lines.firstChild) this._lines.firstChild.style.transform = `translateY(${-scrollTop}px)`;
    if (this._notes.firstChild) this._notes.firstChild.style.transform = `translate(${-scrollLeft}px, ${-scrollTop}px)`;
  }

  _height() {
    return Number.parseFloat(getComputedStyle(this._area).lineHeight);
  }

  /** Enter keeps the indent. Tab leaves the field, as everywhere. */
  _key(event) {
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    const before = this.text.slice(0, this._area.selectionStart);
    const line = before.slice(before.lastIndexOf("\n") + 1);
    const indent = /^\s*/.exec(line)[0] + (/[{[]\s*$/.test(line) ? "  " : "");
    if (!indent) return;
    event.preventDefault();
    this._area.setRangeText(`\n${indent}`, this._area.selectionStart, this._area.selectionEnd, "end");
    this._edited();
  }
}
