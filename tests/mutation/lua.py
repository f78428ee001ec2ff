"""The mutants of a Lua file, token by token and statement by statement. The runner leaves out those that are no Lua."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.mutation.mutant import Mutant

TOKEN = re.compile(
    r"(?P<comment>--[^\n]*)|(?P<string>'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")|(?P<number>\d+(?:\.\d+)?(?:e\d+)?)"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<operator>==|~=|<=|>=|\.\.\.|\.\.|[-+*/%#<>=(){}\[\];:,.^])"
)
INSTEAD = {
    "==": ["~="],
    "~=": ["=="],
    "<": ["<=", ">="],
    "<=": ["<", ">"],
    ">": [">=", "<="],
    ">=": [">", "<"],
    "+": ["-"],
    "-": ["+"],
    "*": ["/"],
    "/": ["*"],
    "%": ["*"],
    "and": ["or"],
    "or": ["and"],
    "not": [""],
    "true": ["false"],
    "false": ["true"],
    "min": ["max"],
    "max": ["min"],
}
# A statement begins after one of these.
BEGINS = {"then", "do", "else", "repeat", "end", ";"}
ENDS = {"end", "else", "elseif", "then", "do", "return", "local", "if", "for", "while", "until"}
# Commands whose arguments, after the key, are a set.
SETS = {"'DEL'", "'ZREM'", "'HDEL'"}
OPENS, CLOSES = {"(", "[", "{"}, {")", "]", "}"}
JOINS = {
    "and",
    "or",
    "not",
    "=",
    "==",
    "~=",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "..",
    ",",
    ".",
    ":",
    *OPENS,
}


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    start: int
    line: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def mutants(package: str, file: str, text: str) -> Iterator[Mutant]:
    seen = set()
    for start, end, new in _edits(text):
        if text[start:end] != new and (start, end, new) not in seen:
            seen.add((start, end, new))
            yield Mutant.of(package, file, text, text[:start] + new + text[end:])


def tokens(text: str) -> list[Token]:
    return [
        Token(str(found.lastgroup), found[0], found.start(), text.count("\n", 0, found.start()))
        for found in TOKEN.finditer(text)
        if found.lastgroup != "comment"
    ]


def _edits(text: str) -> Iterator[tuple[int, int, str]]:
    all_ = tokens(text)
    for i, token in enumerate(all_):
        yield from _of_token(all_, i)
        if token.text in ("if", "elseif"):
            yield from _of_condition(all_, i)
        if _begins_statement(all_, i):
            end = _end_of_statement(all_, i)
            if end:
                yield token.start, all_[end - 1].end, ""
        if token.text == "(" and i and all_[i - 1].kind == "word" and all_[i - 1].text not in JOINS | ENDS:
            yield from _of_arguments(text, all_, i)


def _of_token(all_: list[Token], i: int) -> Iterator[tuple[int, int, str]]:
    token = all_[i]
    if token.kind == "number" and token.text.isdigit():
        yield token.start, token.end, str(int(token.text) + 1)
        if int(token.text) > 0:
            yield token.start, token.end, str(int(token.text) - 1)
    elif token.kind == "string" and not _is_command(all_, i):
        yield token.start, token.end, "'X" + token.text[1:]
    elif token.kind in ("word", "operator"):
        for new in INSTEAD.get(token.text, ()):
            yield token.start, token.end, new


def _is_command(all_: list[Token], i: int) -> bool:
    """Find 'HSET' in redis.call('HSET', ...), for which any other text is no command."""
    return i >= 2 and all_[i - 1].text == "(" and all_[i - 2].text == "call"


def _of_condition(all_: list[Token], i: int) -> Iterator[tuple[int, int, str]]:
    then = next(k for k in range(i, len(all_)) if all_[k].text == "then")
    for new in ("true", "false"):
        yield all_[i + 1].start, all_[then - 1].end, new


def _of_arguments(text: str, all_: list[Token], i: int) -> Iterator[tuple[int, int, str]]:
    """Swap neighbours whose order matters."""
    if all_[i - 2].text == "function" or all_[i - 1].text in ("min", "max") or all_[i + 1].text in SETS:
        return
    depth, starts, spans = 0, i + 1, []
    for k in range(i, len(all_)):
        word = all_[k].text
        depth += (word in OPENS) - (word in CLOSES) + (word == "function") - (word == "end" and depth > 1)
        if depth == 0 or (depth == 1 and word == "," and k > i):
            if k > starts:
                spans.append((all_[starts].start, all_[k - 1].end))
            starts = k + 1
        if depth == 0:
            break
    first = 1 if all_[i - 1].text == "call" else 0
    for (a, b), (c, d) in zip(spans[first:], spans[first + 1 :], strict=False):
        yield a, d, text[c:d] + text[b:c] + text[a:b]


def _begins_statement(all_: list[Token], i: int) -> bool:
    token = all_[i]
    if token.kind != "word" or token.text in ENDS | BEGINS | JOINS | {"function"}:
        return False
    if i == 0:
        return True
    before = all_[i - 1]
    if before.text in BEGINS:
        return True
    return before.line < token.line and before.text not in JOINS | {"local", "return", "function", "in", "for"}


def _end_of_statement(all_: list[Token], i: int) -> int:
    """Return one past the last token of the call or assignment that begins at `i`, or 0 if it is neither."""
    depth, assigns, calls = 0, False, False
    for k in range(i, len(all_)):
        token = all_[k]
        if depth == 0 and k > i:
            if token.text in ENDS or token.text == ";":
                return k if assigns or calls else 0
            if token.line > all_[k - 1].line and all_[k - 1].text not in JOINS and token.text not in JOINS:
                return k if assigns or calls else 0
        depth += (token.text in OPENS) - (token.text in CLOSES)
        if depth < 0:
            return 0
        assigns = assigns or (depth == 0 and token.text == "=")
        calls = calls or (depth == 1 and token.text == "(" and not assigns)
    return len(all_) if assigns or calls else 0
