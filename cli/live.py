"""The live view: an instance, followed to its end on the terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from cli import views
from cli.client import Client
from cli.failures import Failure
from cli.outline import Nodes
from cli.output import Output

WAIT = 20  # s: the longest that a request waits for the end, when there is no terminal to update
DRAWN = 2000  # nodes: while a larger instance runs, only its progress is requested


def follow(client: Client, output: Output, instance_id: str, nodes: Nodes, *, seconds: float | None) -> dict[str, Any]:
    """The last status: terminal, or as it is after `seconds`. `nodes` is the DAG to draw, empty if unknown.

    The service itself waits, and answers as soon as the instance is terminal, so the end is seen at once.
    """
    begun = time.monotonic()
    with _display(output) as display:
        status: dict[str, Any] = client.get("workflows", instance_id, nodes=_drawn(nodes))
        while status["status"] not in views.OVER:
            elapsed = time.monotonic() - begun
            left = None if seconds is None else seconds - elapsed
            if left is not None and left <= 0:
                break
            wait = _sizing(elapsed) if display.live else WAIT
            wait = min(wait, left) if left is not None else wait
            display.show(status, nodes)
            status = client.get(
                "workflows", instance_id, wait=f"{wait:.2f}", nodes=_drawn(nodes) if display.live else "false"
            )
        if not status["nodes"]:
            status = client.get("workflows", instance_id)
        display.show(status, nodes)
    if not display.live:
        output.say(views.headline(status))
        for line in views.tree(status, nodes, 60):
            output.messages.print(line, soft_wrap=True)
    return status


def first_wait(output: Output, seconds: float | None) -> float:
    """How long the request that starts an instance waits for its end; on a terminal, it is drawn right after."""
    wait = _sizing(0) if output.messages.is_terminal else WAIT
    return wait if seconds is None else min(wait, seconds)


def shape(client: Client, execution_id: str) -> Nodes:
    """The DAG of a stored workflow; empty if the service does not return it."""
    try:
        document = client.get("workflow", execution_id)["definition"]
        return {node["id"]: node.get("dependencies", []) for node in document["dag"]["nodes"]}
    except (Failure, KeyError, TypeError):
        return {}


def _drawn(nodes: Nodes) -> str:
    return "true" if len(nodes) <= DRAWN else "false"


def _sizing(elapsed: float) -> float:
    """The seconds between two requests: short at first, for instances that are soon over."""
    return 0.2 if elapsed < 5 else 1 if elapsed < 60 else 2


class _Display:
    """A progress bar, and below it the nodes. It shows nothing if stderr is not a terminal."""

    def __init__(self, output: Output, live: Live | None, progress: Progress) -> None:
        self._output, self._live, self._progress = output, live, progress
        self._task = progress.add_task("", total=None, state="")

    @property
    def live(self) -> bool:
        return self._live is not None

    def show(self, status: dict[str, Any], nodes: Nodes) -> None:
        if self._live is None:
            return
        counts = status["progress"]
        over = counts["total"] - counts["pending"] - counts["running"]
        state = "paused" if status.get("paused") else status["status"]
        self._progress.update(self._task, total=counts["total"], completed=over, state=state)
        room = max(self._output.messages.size.height - 4, 4)
        lines = self._lines(status, nodes, room)
        if status["status"] not in views.OVER:
            for line in lines:  # cut to one row each, to fit on the screen; the last view is complete
                line.no_wrap, line.overflow = True, "ellipsis"
        self._live.update(Group(self._progress, *lines), refresh=True)

    def _lines(self, status: dict[str, Any], nodes: Nodes, room: int) -> list[Text]:
        if status["nodes"]:
            return list(views.tree(status, nodes, room))
        counts = [f"{status['progress'][name]} {name}" for name in views.STATES if status["progress"][name]]
        return [Text(", ".join(counts), "dim")]


@contextlib.contextmanager
def _display(output: Output) -> Iterator[_Display]:
    progress = Progress(
        TextColumn("{task.fields[state]}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=output.messages,
        auto_refresh=False,
    )
    if not output.messages.is_terminal:
        yield _Display(output, None, progress)
        return
    with Live(console=output.messages, auto_refresh=False, vertical_overflow="crop") as live:
        yield _Display(output, live, progress)
