// Where in a JSON text the value is that a JSON pointer (RFC 6901) names.

const SPACE = /[ \t\n\r]*/y;
const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null/y;

/** Every value's place: pointer → [from, to), offsets in the text; of a member, from its key on. Throws Malformed. */
export function places(text) {
  const found = new Map();
  let at = 0;

  const skip = () => {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = SPACE.lastIndex;
  };
  const expect = (character, instead) => {
    skip();
    if (text[at] !== character) throw new Malformed(at, instead);
    at += 1;
  };
  const token = () => {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (!match) throw new Malformed(at, at >= text.length ? "the text ends too early" : "a value is missing here");
    at = TOKEN.lastIndex;
    return match[0];
  };
  const members = (close, one) => {
    at += 1;
    skip();
    if (text[at] === close) {
      at += 1;
      return;
    }
    for (let number = 0; ; number += 1) {
      one(number);
      skip();
      if (text[at] === close) break;
      expect(",", `“,” or “${close}” is missing here`);
    }
    at += 1;
  };
  const value = (pointer, from) => {
    skip();
    const start = from ?? at;
    if (text[at] === "{") {
      members("}", () => {
        skip();
        const key = at;
        if (text[at] !== '"') throw new Malformed(at, "a key in double quotes is missing here");
        const name = parsed(token(), key);
        expect(":", "“:” is missing here");
        value(`${pointer}/${escaped(name)}`, key);
      });
    } else if (text[at] === "[") {
      members("]", (number) => value(`${pointer}/${number}`));
    } else parsed(token(), at);
    found.set(pointer, [start, at]);
  };

  value("");
  skip();
  if (at < text.length) throw new Malformed(at, "there is something behind the end");
  return found;
}

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

export class Malformed extends Error {
  constructor(offset, message) {
    super(message);
    this.offset = offset;
  }
}

const escaped = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");

function parsed(token, at) {
  try {
    return JSON.parse(token);
  } catch {
    throw new Malformed(at, "this is no JSON value");
  }
}
