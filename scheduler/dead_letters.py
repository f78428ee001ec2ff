"""Messages that no worker could take: each costs its nodes an attempt, until a node has lost too many and fails."""

from __future__ import annotations

import logging
from typing import Any

from chalicelib import logs
from chalicelib.core.node_error import NodeError
from chalicelib.core.plan import Plan
from chalicelib.core.transitions import Outcome
from chalicelib.core.work import Message, Ready
from chalicelib.metrics.protocol import OFF, Metrics
from chalicelib.queues.message import BadMessage, decode
from chalicelib.scheduling import Dispatch, Settler
from chalicelib.store.definitions import Definitions
from chalicelib.store.protocol import Store

log = logging.getLogger(__name__)

ERROR = NodeError(
    "DeadLettered",
    "the queue gave up on this node's messages, again and again: workers received them, and none could "
    "start it. Look for `record failed` in the workers' log.",
).encode()


class DeadLetters:
    """The consumer of the dead-letter queue."""

    def __init__(
        self,
        store: Store,
        definitions: Definitions,
        dispatch: Dispatch,
        settler: Settler,
        *,
        max_lost: int,
        metrics: Metrics = OFF,
    ) -> None:
        self._metrics = metrics
        self._store = store
        self._definitions = definitions
        self._dispatch = dispatch
        self._settler = settler
        self._max_lost = max_lost

    def handle(self, event: dict[str, Any], context: Any = None) -> dict[str, Any]:
        """An SQS event -> {"batchItemFailures": [...]}: messages that could not be handled stay in the queue."""
        failures = []
        for record in event["Records"]:
            with logs.bound({"message_id": record["messageId"]}):
                try:
                    self._lose(decode(record["body"]))
                except BadMessage as error:
                    log.error("dead letter dropped", extra={"error": str(error), "body": record["body"][:500]})
                except Exception:
                    log.exception("dead letter kept")
                    failures.append({"itemIdentifier": record["messageId"]})
        self._metrics.dead_letters(len(event["Records"]) - len(failures))
        return {"batchItemFailures": failures}

    def _lose(self, message: Message) -> None:
        plan = self._definitions.get(message.ref.execution_id)
        if plan is None:
            self._settler.abort(message.ref)
            return
        for ready in message.nodes:
            if not 0 <= ready.node < len(plan.nodes):
                raise BadMessage(f"the workflow has no node number {ready.node}")
            self._lose_node(message, plan, ready.node, ready.attempt)

    def _lose_node(self, message: Message, plan: Plan, node: int, attempt: int) -> None:
        # This changes only a node that still waits for a worker: another message may have run it by now.
        lost = self._store.lose(
            message.ref.instance_id,
            node=node,
            attempt=attempt,
            resend_ms=self._dispatch.by.resend_ms,
            max_lost=self._max_lost,
            error=ERROR,
        )
        fields = {
            "instance_id": message.ref.instance_id,
            "execution_id": message.ref.execution_id,
            "node": plan.nodes[node].id,
            "attempt": attempt,
        }
        if lost.outcome is Outcome.RETRY:
            # The node gets another attempt: a long outage of the store or the workers is not its fault.
            log.warning("node sent again", extra=fields | {"why": "no worker could take its message"})
            self._dispatch.send(message.ref, plan, [Ready(node, attempt + 1, alone=True)])
        elif lost.outcome is Outcome.FAILED:
            log.error("node failed", extra=fields | {"error": "DeadLettered"})
            self._metrics.lost(plan.nodes[node].handler)
            self._settler.note_end(message.ref, plan, lost.status)
            self._settler.settle(message.ref, plan, node, 0, failed=True)
