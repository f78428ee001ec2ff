"""Rounds of load and faults on one running stack, and the checks after each."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.chaos import diary
from tests.chaos.checks import Accepted, check
from tests.chaos.client import Client
from tests.chaos.faults import KINDS, LONG, Ground
from tests.chaos.plan import Job, Round
from tests.support.harness import wait_until

# Once faults are over, all must be terminal within this many seconds, plus the time that the queue was away: what it
# refused is sent again after a time that doubles.
RECOVERY = 60.0
LOOK = 2  # seconds of ?wait= when a client reads a status


@dataclass(slots=True)
class Report:
    """The totals of all rounds so far. `recovery` is the longest time from the end of faults to the end of the load."""

    rounds: int = 0
    instances: int = 0
    nodes: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    recovery: float = 0.0
    runs: int = 0
    reruns: int = 0
    refused: int = 0
    asked_again: int = 0

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.faults.most_common())
        return (
            f"{self.rounds} rounds, {self.instances} instances, {self.nodes} nodes, "
            f"{self.faults.total()} faults: {kinds}\n"
            f"longest recovery {self.recovery:.1f} s; {self.runs} runs of handlers, of these {self.reruns} again after "
            f"a lost lease or a failure, {self.refused} with a result that was refused; "
            f"clients asked again {self.asked_again} times"
        )


class Chaos:
    """Runs the rounds. `ground` is the stack that is attacked."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._client = Client(ground.stack.url, patience=RECOVERY + 2 * ground.outage)
        self._all: list[Accepted] = []
        self._over = threading.Event()
        self._deadline = 0.0
        self.report = Report()

    def run(self, plan: Round) -> float:
        """Run one round. Returns how long the stack took to recover."""
        wait_until(self._is_whole, seconds=RECOVERY, what="every process up and healthy")
        self._over.clear()
        accepted: list[Accepted] = []
        with ThreadPoolExecutor(64) as pool:
            begun = time.monotonic()
            executions = list(pool.map(self._submit, plan.workflows))
            jobs = [pool.submit(self._follow, job, plan, executions[job.workflow], begun) for job in plan.jobs]
            fires = [pool.submit(self._fire, at, kind, plan, begun) for at, kind in plan.faults]
            try:
                for fire in fires:
                    fire.result()
            finally:
                outage = self._ground.outage if any(kind in LONG for _, kind in plan.faults) else 0.0
                over = time.monotonic()
                self._deadline = over + RECOVERY + outage
                self._over.set()
            accepted = [job.result() for job in jobs]
            recovery = time.monotonic() - over
        self._all += accepted
        self._check(accepted)
        self._count(plan, accepted, recovery)
        return recovery

    def check_all(self) -> None:
        """Check at the end that nothing that was accepted in any round is lost or has changed."""
        self._check(self._all)

    def _is_whole(self) -> bool:
        stack = self._ground.stack
        assert stack.process.poll() is None, "the supervisor gave up"
        return len(stack.pids("local.worker")) == int(stack.environment["WORKERS"]) and self._healthy()

    def _healthy(self) -> bool:
        return self._client.call("GET", "/api/health")[0] == 200

    def _submit(self, workflow: dict[str, Any]) -> str:
        status, answer = self._client.call("POST", "/api/workflow", workflow, key=workflow["name"])
        assert status == 201, answer
        return str(answer["execution_id"])

    def _trigger(self, execution_id: str, base: int, key: str) -> str:
        path = f"/api/workflow/trigger/{execution_id}"
        status, answer = self._client.call("POST", path, {"params": {"base": base}}, key=key)
        assert status == 202, answer
        return str(answer["instance_id"])

    def _follow(self, job: Job, plan: Round, execution_id: str, begun: float) -> Accepted:
        """Trigger as a client does, and read the status again and again until the instance has ended."""
        time.sleep(max(0.0, begun + job.at - time.monotonic()))
        one = Accepted(
            instance_id=self._trigger(execution_id, job.base, job.key),
            execution_id=execution_id,
            key=job.key,
            definition=plan.workflows[job.workflow],
            base=job.base,
        )
        while not one.over:
            self._look(one, wait=LOOK)
            late = self._over.is_set() and time.monotonic() > self._deadline
            assert one.over or not late, f"L1: not terminal long after the last fault: {one.view}"
        return one

    def _look(self, one: Accepted, *, wait: int) -> None:
        status, view = self._client.call("GET", f"/api/workflows/{one.instance_id}?wait={wait}")
        assert status == 200, f"{one.instance_id} was accepted, and is lost: {view}"
        one.saw(view)

    def _fire(self, at: float, kind: str, plan: Round, begun: float) -> None:
        time.sleep(max(0.0, begun + at - time.monotonic()))
        KINDS[kind](self._ground, Random(f"{plan.jobs[0].key}/{kind}"))

    def _check(self, accepted: list[Accepted]) -> None:
        entries = self._ground.diary.read()
        with self._ground.store() as store:
            for one in accepted:
                self._look(one, wait=0)
                status, results = self._client.call("GET", f"/api/workflows/{one.instance_id}/results")
                assert status == 200, results
                one.read(results)
                check(one, store, entries)
                again = self._trigger(one.execution_id, one.base, one.key)
                assert again == one.instance_id, f"{one.key} gives {again} now, and gave {one.instance_id}"

    def _count(self, plan: Round, accepted: list[Accepted], recovery: float) -> None:
        report, entries = self.report, self._ground.diary.read()
        report.rounds += 1
        report.instances += len(accepted)
        report.nodes += sum(len(one.definition["dag"]["nodes"]) for one in accepted)
        report.faults.update(kind for _, kind in plan.faults)
        report.recovery = max(report.recovery, recovery)
        report.runs = sum(entry.what == diary.START for entry in entries)
        report.reruns = report.runs - len({(entry.instance, entry.node) for entry in entries})
        kept = {
            result["token"]
            for one in self._all
            for result in (one.results or {})["results"].values()
            if isinstance(result, dict)
        }
        report.refused = sum(entry.what == diary.END and entry.token not in kept for entry in entries)
        report.asked_again = self._client.asked_again
