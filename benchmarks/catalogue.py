"""The engines that are compared: where each is installed, what it needs, and what it promises."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from local.processes import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """`redis`: it gets a fresh Valkey for each turn, with the settings of dag-service's own."""

    name: str
    title: str
    how: str
    durable: str
    redis: bool = False

    @property
    def python(self) -> Path:
        """The interpreter of its virtual environment."""
        venv = ".venv" if self.name == OURS else f".venv-bench-{self.name}"
        return ROOT / venv / "bin" / "python"

    @property
    def is_installed(self) -> bool:
        return (self.python.parents[1] / ".installed").exists()


OURS = "ours"

ALL = (
    Engine(
        name=OURS,
        title="dag-service",
        how="HTTP, 2 workers, SQS by LocalStack, Valkey; the whole DAG in one submission.",
        durable="Every transition is in Valkey (append-only file, fsync each second) before anybody acts on it; "
        "the sweep makes good a worker, a message or a signal that is lost.",
        redis=True,
    ),
    Engine(
        name="celery",
        title="Celery",
        how="2 workers (solo pool), broker and results on Valkey. It has chains and chords, not DAGs: run level by "
        "level, a chord each, so a node waits for all of the level above.",
        durable="Same Valkey. `acks_late`: a task of a dead worker comes again after the visibility timeout, "
        "by default an hour.",
        redis=True,
    ),
    Engine(
        name="rq",
        title="RQ",
        how="2 `SimpleWorker`s (no fork per job) on Valkey; a job depends on its parents' jobs. A job that both "
        "workers unblock at once is left to maintenance, which runs each second here (by default, every 10 minutes).",
        durable="Same Valkey. A job of a dead worker fails once its heartbeat is missed, and is retried only where "
        "that was asked for.",
        redis=True,
    ),
    Engine(
        name="dask",
        title="Dask distributed",
        how="A scheduler and 2 worker processes of one thread; the whole DAG in one graph.",
        durable="None: all is in memory. A dead worker's tasks are computed again; a dead scheduler loses all.",
    ),
    Engine(
        name="dbos",
        title="DBOS",
        how="SQLite; one process; a workflow whose nodes are steps, gathered level by level. No hop between processes.",
        durable="Each step's result is in SQLite; the process's next start goes on with what it had begun.",
    ),
    Engine(
        name="dagster",
        title="Dagster",
        how="SQLite; `execute_in_process`: the nodes one after the other, and so the instances.",
        durable="Each event is in SQLite; a run that died is started again by hand, or by a daemon that watches.",
    ),
    Engine(
        name="prefect",
        title="Prefect",
        how="Its server on SQLite; flows in one process, a task waits for its parents' futures; 16 flows at a time.",
        durable="Each state is in SQLite; a flow whose process died is started again, and skips only tasks whose "
        "results it was told to keep.",
    ),
)
