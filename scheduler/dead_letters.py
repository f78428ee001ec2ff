"""What happens to messages that no worker could process: their nodes are FAILED, with the reason."""

from __future__ import annotations

import json
import logging
from typing import Any

from chalicelib.core.plan import Plan
from chalicelib.protocols import Children, Message, Outcome, Settler, Store
from chalicelib.queues.message import BadMessage, decode
from chalicelib.store.definitions import Definitions

log = logging.getLogger(__name__)

ERROR = json.dumps(
    {
        "type": "DeadLettered",
        "message": "the queue gave up on this node's message: workers received it several times, and none could start "
        "it. Look for `record failed` in the workers' log.",
    }
).encode()


class DeadLetters:
    """The consumer of the dead-letter queue."""

    def __init__(self, store: Store, definitions: Definitions, settler: Settler) -> None:
        self._store = store
        self._definitions = definitions
        self._settler = settler

    def handle(self, event: dict[str, Any], context: Any = None) -> dict[str, Any]:
        """An SQS event -> {"batchItemFailures": [...]}: what could not be dealt with stays in the queue."""
        failures = []
        for record in event["Records"]:
            try:
                self._fail(decode(record["body"]))
            except BadMessage as error:
                log.error("dead letter dropped", extra={"error": str(error), "body": record["body"][:500]})
            except Exception:
                log.exception("dead letter kept")
                failures.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": failures}

    def _fail(self, message: Message) -> None:
        plan = self._definitions.get(message.ref.execution_id)
        if plan is None:
            self._settler.abort(message.ref)
            return
        for ready in message.nodes:
            if not 0 <= ready.node < len(plan.nodes):
                raise BadMessage(f"the workflow has no node number {ready.node}")
            self._fail_node(message, plan, ready.node, ready.attempt)

    def _fail_node(self, message: Message, plan: Plan, node: int, attempt: int) -> None:
        items, cursor = plan.skips(node)
        # Only if it still waits for a worker: a node that runs, or ran, is not this message's any more.
        done = self._store.fail(
            message.ref.instance_id,
            node=node,
            attempt=attempt,
            found="Q",
            error=ERROR,
            delay_ms=None,
            look_ms=0,
            descendants=Children(items, cursor),
        )
        if done.outcome is Outcome.FAILED:
            log.error(
                "node failed", extra={"instance_id": message.ref.instance_id, "node": node, "error": "DeadLettered"}
            )
            self._settler.settle(message.ref, plan, node, cursor, failed=True)
