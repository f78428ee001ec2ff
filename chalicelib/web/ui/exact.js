// Lossless JSON: numbers keep their digits, and no key is confused with an inherited property.

const SPACE = /[ \t\n\r]*/y;
const WORD = /-?\d[\d.eE+-]*|true|false|null/y;
const INDEX = /^(?:0|[1-9]\d*)$/;
const ORDER = Symbol("the keys as they were written"); // an object by itself puts keys that look like an index first
const DEEPEST = 1000;

/** A value that is kept as its text: a number that a double would change or write differently. In arithmetic it is the double. */
export class Verbatim {
  constructor(text) {
    this.text = text;
  }

  valueOf() {
    return Number(this.text);
  }

  toString() {
    return this.text;
  }
}

export class Malformed extends Error {
  constructor(offset, message) {
    super(message);
    this.offset = offset;
  }
}

/** The value of a JSON text. Its objects have no prototype, so `found["constructor"]` is undefined. Throws Malformed. */
export const parse = (text) => new Reader(text, null).whole();

/** The place of every value: pointer → [from, to), offsets in the text; a member begins at its key. Throws Malformed. */
export function places(text) {
  const found = new Map();
  new Reader(text, found).whole();
  return found;
}

/** Like JSON.stringify(value, null, space), but values of parse() keep the digits and the order of keys. */
export function stringify(value, space = "", before = "") {
  if (value instanceof Verbatim) return value.text;
  if (single(value)) return JSON.stringify(value) ?? "null";
  const inner = before + space;
  const parts = Array.isArray(value)
    ? value.map((one) => stringify(one, space, inner))
    : entries(value).map(([key, one]) => `${JSON.stringify(key)}:${space && " "}${stringify(one, space, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  if (!parts.length || !space) return open + parts.join(",") + close;
  return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${before}${close}`;
}

/** Whether a value is neither an array nor an object. */
export const single = (value) => value === null || typeof value !== "object" || value instanceof Verbatim;

/** [key, value] of each member that is not undefined, in the order of the text. */
export const entries = (object) => [...(object[ORDER] ?? Object.keys(object))].map((key) => [key, object[key]]).filter(([, one]) => one !== undefined);

class Reader {
  /** `places` is a Map to fill, or null. */
  constructor(text, places) {
    this._text = text;
    this._places = places;
    this._at = 0;
    this._depth = 0;
  }

  whole() {
    const value = this._value("");
    this._skip();
    if (this._at < this._text.length) throw new Malformed(this._at, "there is something behind the end");
    return value;
  }

  _value(pointer, from) {
    this._skip();
    const start = from ?? this._at;
    const value = this._read(pointer);
    this._places?.set(pointer, [start, this._at]);
    return value;
  }

  _read(pointer) {
    const first = this._text[this._at];
    if (first === "{") return this._object(pointer);
    if (first === "[") return this._array(pointer);
    return first === '"' ? this._string() : this._word();
  }

  _object(pointer) {
    const made = Object.create(null);
    const keys = new Set();
    this._members("}", () => {
      this._skip();
      const from = this._at;
      if (this._text[from] !== '"') throw new Malformed(from, "a key in double quotes is missing here");
      const key = this._string();
      this._expect(":", "“:” is missing here");
      keys.add(key);
      made[key] = this._value(this._below(pointer, key), from);
    });
    if ([...keys].some((key) => INDEX.test(key))) made[ORDER] = keys;
    return made;
  }

  _array(pointer) {
    const made = [];
    this._members("]", () => made.push(this._value(this._below(pointer, String(made.length)))));
    return made;
  }

  _members(close, one) {
    this._depth += 1;
    if (this._depth > DEEPEST) throw new Malformed(this._at, `this is nested deeper than ${DEEPEST} levels`);
    this._at += 1;
    this._skip();
    while (this._text[this._at] !== close) {
      one();
      this._skip();
      if (this._text[this._at] === close) break;
      this._expect(",", `“,” or “${close}” is missing here`);
      this._skip();
      if (this._text[this._at] === close) throw new Malformed(this._at, "a value is missing here");
    }
    this._at += 1;
    this._depth -= 1;
  }

  _string() {
    const start = this._at;
    let end = start;
    do end = this._text.indexOf('"', end + 1);
    while (end > 0 && this._escaped(end));
    if (end < 0) throw new Malformed(start, "this string has no end");
    this._at = end + 1;
    return this._parsed(start);
  }

  /** Whether an odd number of backslashes precedes the quote. */
  _escaped(end) {
    let before = end;
    while (this._text[before - 1] === "\\") before -= 1;
    return (end - before) % 2 === 1;
  }

  _word() {
    const start = this._at;
    WORD.lastIndex = start;
    const token = WORD.exec(this._text)?.[0];
    if (!token) throw new Malformed(start, start >= this._text.length ? "the text ends too early" : "a value is missing here");
    this._at = WORD.lastIndex;
    const value = this._parsed(start);
    return typeof value === "number" && String(value) !== token ? new Verbatim(token) : value;
  }

  _parsed(start) {
    try {
      return JSON.parse(this._text.slice(start, this._at));
    } catch {
      throw new Malformed(start, "this is no JSON value");
    }
  }

  _below(pointer, name) {
    return this._places && `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  }

  _expect(character, instead) {
    this._skip();
    if (this._text[this._at] !== character) throw new Malformed(this._at, instead);
    this._at += 1;
  }

  _skip() {
    SPACE.lastIndex = this._at;
    SPACE.exec(this._text);
    this._at = SPACE.lastIndex;
  }
}
