"""Forecasts what a run of a workflow will take."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from chalicelib.core import definition, forecast, strictjson
from chalicelib.core.durations import Duration, durations, recorded
from chalicelib.core.forecast import Engine
from chalicelib.core.handler import Handler
from chalicelib.core.plan import Plan
from chalicelib.errors import InvalidDocument, Problem
from chalicelib.models.forecast import WORKERS, Forecast, PlanRequest
from chalicelib.models.views import Planned
from chalicelib.models.workflow import Workflow
from chalicelib.usecases import request_body
from chalicelib.usecases.request_body import BodyLimits
from chalicelib.usecases.resolver import Resolver, find_node


class Forecaster:
    """The use cases. They store nothing and run nothing."""

    def __init__(
        self, *, resolver: Resolver, handlers: Mapping[str, Handler], engine: Engine, limits: BodyLimits
    ) -> None:
        self._resolver = resolver
        self._handlers = handlers
        self._engine = engine
        self._limits = limits
        self._usage: WeakKeyDictionary[Plan, Planned] = WeakKeyDictionary()

    def of_body(self, body: bytes) -> Forecast:
        """The forecast of a workflow, checked as a submission is. The body is the workflow alone, or a PlanRequest."""
        document = request_body.document(body, self._limits)
        if not (isinstance(document, dict) and "workflow" in document):
            return self._of(self._plan(self._checked(document)), {}, None, WORKERS)
        problems: list[Problem] = []
        request = workflow = None
        try:
            workflow = self._checked(document["workflow"])
        except InvalidDocument as error:
            problems += (Problem("/workflow" + one.pointer, one.detail) for one in error.problems)
        try:
            request = definition.check_body(document, PlanRequest)
        except InvalidDocument as error:
            problems += (one for one in error.problems if not one.pointer.startswith("/workflow"))
        if workflow is None or request is None or problems:
            raise InvalidDocument(problems[: definition.MAX_PROBLEMS])
        plan = self._plan(workflow)
        if unknown := [*itertools.islice(_unknown(plan, request.durations), definition.MAX_PROBLEMS)]:
            raise InvalidDocument(unknown)
        return self._of(plan, request.durations, request.instance_id, request.workers)

    def of_stored(self, execution_id: str, *, instance_id: str | None = None, workers: int = WORKERS) -> Forecast:
        """The forecast of a stored workflow, with the durations of an instance, of this or any other workflow."""
        return self._of(self._resolver.plan(execution_id), {}, instance_id, workers)

    def usage(self, plan: Plan) -> Planned:
        """The usage of one run that the store will count, if it goes by a forecast without known durations."""
        found = self._usage.get(plan)
        if found is None:
            known = durations(plan, self._engine.instant, {})
            found = self._usage[plan] = forecast.planned(plan, known, self._engine)
        return found

    def _checked(self, document: Any) -> Workflow:
        return definition.check(document, self._handlers, max_nodes=self._limits.nodes)

    def _plan(self, workflow: Workflow) -> Plan:
        return Plan.from_json(workflow.model_dump_json(exclude_defaults=True).encode())

    def _of(self, plan: Plan, given: Mapping[str, float], instance_id: str | None, workers: int) -> Forecast:
        return forecast.forecast(plan, self._durations(plan, given, instance_id), self._engine, workers)

    def _durations(self, plan: Plan, given: Mapping[str, float], instance_id: str | None) -> list[Duration]:
        if instance_id is None:
            return durations(plan, self._engine.instant, given)
        snapshot = self._resolver.snapshot(instance_id)
        known = recorded(self._resolver.plan(snapshot.execution_id), snapshot.records)
        return durations(plan, self._engine.instant, given, known)


def _unknown(plan: Plan, given: Mapping[str, float]) -> Iterator[Problem]:
    handlers = {node.handler for node in plan.nodes}
    for name in given:
        if find_node(plan, name) is None and name not in handlers:
            short = name if len(name) <= 60 else name[:60] + "..."
            detail = f"the workflow has no node and no handler `{short}`: use a node's id, or a handler that it names"
            yield Problem(strictjson.pointer("durations", name), detail)
