"""Takes one claimed node, runs it, commits what it did, and runs on with the child that the commit claimed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.core.plan import Plan
from chalicelib.errors import Unavailable
from chalicelib.handlers.api import Context, Handler
from chalicelib.protocols import MAX_DELAY_MS, Children, Dispatch, Hop, Outcome, Ready, Ref, Settler, Store
from chalicelib.secrets.redact import NOTHING, Redactor
from chalicelib.secrets.vault import Vault
from chalicelib.worker import step
from chalicelib.worker.executor import Executor
from chalicelib.worker.heart import Heart

log = logging.getLogger("dag.node")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds and bytes that bound what a worker does."""

    default_timeout: float
    hop: float
    max_result_bytes: int


@dataclass(slots=True, kw_only=True)
class Job:
    """A claimed node. `results` holds the results that it needs, as JSON, by node."""

    ref: Ref
    plan: Plan
    node: int
    attempt: int
    failures: int
    owner: str
    params: bytes
    results: dict[int, bytes]
    deadline: float
    hop_until: float


class _CutOff(Exception):
    """The invocation is over before the node's own time is: no failure of the node, which loses this lease."""


class Lane:
    """One at a time: claimed node after claimed node. Shared by all threads of a worker; holds no state of its own."""

    def __init__(
        self,
        *,
        store: Store,
        handlers: Mapping[str, Handler],
        dispatch: Dispatch,
        settler: Settler,
        executor: Executor,
        heart: Heart,
        vault: Vault,
        limits: Limits,
        uniform: Callable[[float, float], float],
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._handlers = handlers
        self._dispatch = dispatch
        self._settler = settler
        self._executor = executor
        self._heart = heart
        self._vault = vault
        self._limits = limits
        self._uniform = uniform
        self._clock = clock

    def needs(self, plan: Plan, node: int) -> tuple[int, ...]:
        """The nodes whose results a node needs: those its templates name, and, for a context, its dependencies."""
        spec = plan.nodes[node]
        handler = self._handlers.get(spec.handler)
        named = {plan.index[root] for root in spec.references if root in plan.index}
        if handler is not None and handler.wants_context:
            named.update(spec.dependencies)
        return tuple(sorted(named))

    def instant(self, plan: Plan, node: int) -> bool:
        handler = self._handlers.get(plan.nodes[node].handler)
        return handler is None or handler.instant

    def run(self, job: Job) -> None:
        """Until there is no child to run on with. Errors of the store end it: leases run out, the sweep goes on."""
        self._run(job, patient=True)

    def run_instant(self, job: Job) -> Job | None:
        """The same, up to the first node that may take its time: that one is returned, claimed."""
        return self._run(job, patient=False)

    def _run(self, job: Job, *, patient: bool) -> Job | None:
        following: Job | None = job
        try:
            while following is not None and (patient or self.instant(following.plan, following.node)):
                current = following
                try:
                    following = self._step(current)
                finally:
                    self._heart.release(current.ref.instance_id, current.node, current.attempt)
                if following is not None:
                    self._heart.hold(following.ref.instance_id, following.node, following.attempt)
        except Unavailable as error:
            log.error("node left to the sweep", extra={"instance_id": job.ref.instance_id, "error": str(error)})
        except Exception:  # a fault of ours: a node's lane must never take its batch down
            log.exception("lane failed", extra={"instance_id": job.ref.instance_id})
        else:
            return following
        return None

    def _step(self, job: Job) -> Job | None:
        started = self._clock()
        redactor = NOTHING
        try:
            secrets = self._vault.read(job.plan.nodes[job.node].secrets)
            redactor = Redactor(secrets.values()) if secrets else NOTHING
            result = step.encode(self._execute(job, secrets), limit=self._limits.max_result_bytes, redactor=redactor)
        except _CutOff as cut:
            self._log(job, "cut off", self._clock() - started, reason=str(cut))
            return None
        except BaseException as error:
            self._fail(job, step.describe(error, redactor))
            return None
        return self._complete(job, result, self._clock() - started)

    def _execute(self, job: Job, secrets: Mapping[str, str]) -> Any:
        spec = job.plan.nodes[job.node]
        handler = self._handlers.get(spec.handler)
        if handler is None:
            raise step.unknown_handler(spec.handler)
        nodes = job.plan.nodes
        values = {nodes[number].id: json.loads(value) for number, value in job.results.items()}
        params = json.loads(job.params)
        config = step.render(handler, spec.config, values | {"params": params, "secrets": secrets})
        own = spec.timeout_seconds or self._limits.default_timeout
        timeout = min(own, max(0.1, job.deadline - self._clock()))
        end = self._clock() + timeout
        context = Context(
            instance_id=job.ref.instance_id,
            execution_id=job.ref.execution_id,
            node_id=spec.id,
            attempt=job.attempt,
            params=params,
            results={
                nodes[number].id: values[nodes[number].id] for number in spec.dependencies if number in job.results
            },
            time_left=lambda: end - self._clock(),
            logger=logging.LoggerAdapter(log, {"instance_id": job.ref.instance_id, "node": spec.id}),
        )
        if handler.instant:
            return self._executor.run(handler, config, context, timeout)
        try:
            return self._executor.run(handler, config, context, timeout)
        except TimeoutError:
            if timeout < own and self._clock() >= end:
                raise _CutOff(f"the invocation ended {own - timeout:.0f} s before the node's own timeout") from None
            raise

    def _complete(self, job: Job, result: bytes, seconds: float) -> Job | None:
        items, cursor = job.plan.unblocks(job.node)
        hop = Hop(job.owner, self._heart.lease_ms) if self._may_hop(job, items) else None
        done = self._store.complete(
            job.ref.instance_id,
            node=job.node,
            attempt=job.attempt,
            result=result,
            children=Children(items, cursor),
            by=self._dispatch.by,
            hop=hop,
        )
        self._log(job, done.outcome.value.lower() if done.outcome is not Outcome.COMMITTED else "completed", seconds)
        if done.outcome is not Outcome.COMMITTED:
            return None
        if done.status in ("COMPLETED", "FAILED"):
            log.info("instance finished", extra={"instance_id": job.ref.instance_id, "status": done.status})
        self._dispatch.unblocked(job.ref, done.ready)
        self._settler.settle(job.ref, job.plan, job.node, cursor, failed=False)
        if done.claimed is None:
            return None
        return self._follow(job, done.claimed, result)

    def _may_hop(self, job: Job, items: list[int]) -> bool:
        """A child may run on here if even the slowest has the time for it, and other instances had their turn."""
        now = self._clock()
        if not items or now > job.hop_until:
            return False
        return now + max(self.longest(job.plan, child) for child in items[::2]) < job.deadline

    def longest(self, plan: Plan, node: int) -> float:
        """How long a node may take, in seconds."""
        return 0.0 if self.instant(plan, node) else plan.nodes[node].timeout_seconds or self._limits.default_timeout

    def _follow(self, job: Job, child: int, result: bytes) -> Job:
        needs = self.needs(job.plan, child)
        known = job.results | {job.node: result}
        missing = [node for node in needs if node not in known]
        fetched = self._store.results(job.ref.instance_id, missing) if missing else {}
        return Job(
            ref=job.ref,
            plan=job.plan,
            node=child,
            attempt=1,
            failures=0,
            owner=job.owner,
            params=job.params,
            results={node: value for node, value in (known | fetched).items() if node in needs},
            deadline=job.deadline,
            hop_until=job.hop_until,
        )

    def _fail(self, job: Job, failed: step.Failed) -> None:
        retry = job.plan.nodes[job.node].retry
        delay = retry.delay_ms(job.failures + 1, self._uniform) if failed.retry else None
        items, cursor = job.plan.skips(job.node) if delay is None else ([], -1)
        # SQS delays a message by 900 s at most; what is due later, the sweep sends when its time has come.
        send = delay is not None and delay <= MAX_DELAY_MS
        look = (delay or 0) + (self._dispatch.by.resend_ms if send or delay is None else 0)
        done = self._store.fail(
            job.ref.instance_id,
            node=job.node,
            attempt=job.attempt,
            found="R",
            error=failed.encode(),
            delay_ms=delay,
            look_ms=look,
            descendants=Children(items, cursor),
        )
        self._log(job, done.outcome.value.lower(), None, error=failed.type, reason=failed.message[:300])
        if done.outcome is Outcome.RETRY and send and delay is not None:
            lost = job.attempt - 1 - job.failures
            self._dispatch.send(job.ref, [Ready(job.node, job.attempt + 1, delay, alone=lost > 0)])
        elif done.outcome is Outcome.FAILED:
            self._settler.settle(job.ref, job.plan, job.node, cursor, failed=True)
            if done.status in ("COMPLETED", "FAILED"):
                log.info("instance finished", extra={"instance_id": job.ref.instance_id, "status": done.status})

    def _log(self, job: Job, what: str, seconds: float | None, **more: Any) -> None:
        spec = job.plan.nodes[job.node]
        fields = {"instance_id": job.ref.instance_id, "node": spec.id, "handler": spec.handler, "attempt": job.attempt}
        if seconds is not None:
            fields["ms"] = round(seconds * 1000, 1)
        level = logging.DEBUG if what == "completed" else logging.WARNING
        log.log(level, f"node {what}", extra=fields | more)
