"""The output of a command: its answer on stdout, everything else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli import streams, text
from cli.failures import Failure

WIDE = 200  # columns, so that output to a file or a pipe is not wrapped at 80


class Output:
    """`as_json`: stdout is JSON and nothing else, and a failure is a JSON object on stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.out = _console(stderr=False)
        self.messages = _console(stderr=True)

    def json(self, value: Any) -> None:
        """Print JSON on stdout."""
        sys.stdout.write(text.as_json(value, ascii=not streams.can_show_all(sys.stdout)) + "\n")

    def document(self, value: str) -> None:
        """Print a file's text on stdout: a terminal shows what it can, and a file or pipe receives UTF-8."""
        if sys.stdout.isatty():
            sys.stdout.write(value)
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(value.encode())

    def line(self, value: Any) -> None:
        """Print a line on stdout without styles, as for `ID=$(dag trigger ...)`."""
        sys.stdout.write(text.clean(value) + "\n")

    def say(self, *parts: Any, style: str = "") -> None:
        """Print a message for a person on stderr. `parts` that are not a Text are shown literally."""
        line = Text(" ").join(part if isinstance(part, Text) else text.literal(part) for part in parts)
        line.stylize(style)
        self.messages.print(line, soft_wrap=True)

    def table(self, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
        """Print a table on stdout. A cell that is not a Text is shown literally; empty columns are left out."""
        head = list(columns)
        cells = [[cell if isinstance(cell, Text) else text.literal(cell) for cell in row] for row in rows]
        shown = [place for place in range(len(head)) if any(row[place].plain for row in cells)]
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for place in shown:
            table.add_column(Text(head[place]), overflow="fold", no_wrap=place == 0)
        for row in cells:
            table.add_row(*(row[place] for place in shown))
        if cells:
            with self.out.capture() as captured:
                self.out.print(table)
            for line in captured.get().splitlines():
                sys.stdout.write(line.rstrip() + "\n")

    def failure(self, failure: Failure) -> None:
        """Print on stderr what went wrong, and where."""
        if self.as_json:
            shown = text.as_json(failure.as_dict(), indent=None, ascii=not streams.can_show_all(sys.stderr))
            sys.stderr.write(shown + "\n")
            return
        self.say(Text("error:", "bold red"), failure.message)
        for fault in failure.faults:
            place = fault.pointer or "/"
            self.say(
                "  " if fault.line is None else f"  line {fault.line},", Text(text.clean(place), "bold"), fault.detail
            )


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDE
    return console
