"""The engines that are compared: where each is installed, what it needs, and what it promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import postgres, restate_server
from benchmarks.workloads import Workload
from local.processes import ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """`redis`: it gets a fresh Valkey for each turn, with the settings of dag-service's own.

    `package` names its virtual environment and its adapter, `settings` are for the adapter. `waits`: it runs only
    workloads that wait, or only those that do not. `program` is something else that it needs.
    """

    name: str
    title: str
    how: str
    durable: str
    redis: bool = False
    package: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    waits: bool | None = None
    program: Callable[[], bool] = lambda: True

    @property
    def module(self) -> str:
        return self.package or self.name

    @property
    def python(self) -> Path:
        """The interpreter of its virtual environment."""
        venv = ".venv" if self.name == OURS else f".venv-bench-{self.module}"
        return ROOT / venv / "bin" / "python"

    @property
    def is_installed(self) -> bool:
        return (self.python.parents[1] / ".installed").exists() and self.program()

    def runs(self, workload: Workload) -> bool:
        return self.waits is None or self.waits == workload.waits


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
        waits=False,
    ),
    Engine(
        name="celery-threads",
        title="Celery, threads",
        how="The same, with 2 workers of 500 threads each (with 100, as many would wait for a thread).",
        durable="As above.",
        redis=True,
        package="celery",
        settings={"BENCH_THREADS": "500"},
        waits=True,
    ),
    Engine(
        name="restate-calls",
        title="Restate, calls",
        how="Its server, and a service under 2 Hypercorn workers: a handler calls another one for each node, gathered "
        "level by level.",
        durable="Each call and its result is in the server's log, on disk; a node whose process died is called again.",
        package="restate",
        settings={"BENCH_NODES": "calls"},
        program=restate_server.is_there,
    ),
    Engine(
        name="restate-steps",
        title="Restate, steps",
        how="The same; a node is a journaled step (`ctx.run`) of the one handler, gathered level by level. No hop "
        "between processes.",
        durable="Each step's result is in the server's log, on disk; another process goes on with the handler.",
        package="restate",
        settings={"BENCH_NODES": "steps"},
        program=restate_server.is_there,
    ),
    Engine(
        name="rq",
        title="RQ",
        how="2 `SimpleWorker`s (no fork per job) on Valkey; a job depends on its parents' jobs. A job that both "
        "workers unblock at once is left to maintenance, which runs each second here (by default, every 10 minutes).",
        durable="Same Valkey. A job of a dead worker fails once its heartbeat is missed, and is retried only where "
        "that was asked for.",
        redis=True,
        waits=False,
    ),
    Engine(
        name="dask",
        title="Dask distributed",
        how="A scheduler and 2 worker processes of one thread; the whole DAG in one graph.",
        durable="None: all is in memory. A dead worker's tasks are computed again; a dead scheduler loses all.",
        waits=False,
    ),
    Engine(
        name="dask-threads",
        title="Dask, threads",
        how="The same, with 500 threads in each worker. Its retries know no delay.",
        durable="As above.",
        package="dask",
        settings={"BENCH_THREADS": "500"},
        waits=True,
    ),
    Engine(
        name="dbos",
        title="DBOS, SQLite",
        how="SQLite; one process; a workflow whose nodes are steps, gathered level by level. No hop between processes.",
        durable="Each step's result is in SQLite; the process's next start goes on with what it had begun.",
    ),
    Engine(
        name="dbos-postgres",
        title="DBOS, PostgreSQL",
        how="The same on Debian's PostgreSQL, by a Unix socket.",
        durable="Each step's result is in PostgreSQL (fsync at each commit).",
        package="dbos",
        settings={"BENCH_DATABASE": "postgres"},
        program=postgres.is_there,
    ),
    Engine(
        name="dagster",
        title="Dagster",
        how="SQLite; `execute_in_process`: the nodes one after the other, and so the instances.",
        durable="Each event is in SQLite; a run that died is started again by hand, or by a daemon that watches.",
        waits=False,
    ),
    Engine(
        name="prefect",
        title="Prefect",
        how="Its server on SQLite; flows in one process, a task waits for its parents' futures; 16 flows at a time.",
        durable="Each state is in SQLite; a flow whose process died is started again, and skips only tasks whose "
        "results it was told to keep.",
        waits=False,
    ),
)
