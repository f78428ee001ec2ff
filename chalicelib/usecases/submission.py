"""Takes in workflows: validates each and stores it. Nothing runs before it is triggered."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from chalicelib import ids
from chalicelib.core import definition
from chalicelib.core.handler import Handler
from chalicelib.core.plan import Plan
from chalicelib.models.views import Submitted
from chalicelib.store.protocol import Store
from chalicelib.tracing.tracer import Tracer
from chalicelib.usecases import present, request_body
from chalicelib.usecases.admission import Admission
from chalicelib.usecases.request_body import BodyLimits

log = logging.getLogger(__name__)


class Submission:
    """The use case. Raises InvalidDocument with every fault of the workflow."""

    def __init__(
        self,
        *,
        store: Store,
        handlers: Mapping[str, Handler],
        admission: Admission,
        tracer: Tracer,
        limits: BodyLimits,
    ) -> None:
        self._store = store
        self._handlers = handlers
        self._admission = admission
        self._tracer = tracer
        self._limits = limits

    def submit(self, body: bytes, idempotency_key: str | None) -> Submitted:
        """Validate a workflow and store it."""
        document = request_body.document(body, self._limits)
        workflow = definition.check(document, self._handlers, max_nodes=self._limits.nodes)
        self._admission.submit()
        execution_id, again = request_body.new_id(self._store, ids.EXECUTION, "submit", idempotency_key, body=body)
        stored = workflow.model_dump_json(exclude_defaults=True).encode()
        with self._tracer.submit(execution_id, again=again):
            created_at = self._store.put_workflow(
                execution_id, name=workflow.name, document=stored, schema=Plan.from_json(stored).terms.schema
            )
        log.info("workflow stored", extra={"execution_id": execution_id, "nodes": len(workflow.dag.nodes)})
        return Submitted(
            execution_id=execution_id,
            name=workflow.name,
            nodes=len(workflow.dag.nodes),
            created_at=present.rfc3339(created_at),
        )
