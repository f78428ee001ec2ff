"""The form of a message on the queue: JSON, which can be read in the AWS console."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chalicelib import ids
from chalicelib.core import delivery
from chalicelib.core.work import Message, Ready, Ref


class BadMessage(ValueError):
    """The body is not a message of this service."""


def encode(message: Message) -> str:
    """The body. The queue delays whole seconds; `wait_ms` is the rest, for which the receiving worker waits."""
    return json.dumps(
        {
            "instance_id": message.ref.instance_id,
            "execution_id": message.ref.execution_id,
            "nodes": [
                {
                    "node": ready.node,
                    "attempt": ready.attempt,
                    **({"alone": True} if ready.alone else {}),
                    **({"wait_ms": wait_ms} if (wait_ms := ready.delay_ms % 1000) else {}),
                }
                for ready in message.nodes
            ],
        },
        separators=(",", ":"),
    )


def decode(body: str) -> Message:
    """Decode a body; its delays are what is left at delivery. Raises BadMessage if `encode` cannot have made it."""
    try:
        data = json.loads(body)
        ref = Ref(data["instance_id"], data["execution_id"])
        nodes = tuple(
            Ready(
                int(entry["node"]),
                int(entry["attempt"]),
                min(999, max(0, int(entry.get("wait_ms", 0)))),
                alone=bool(entry.get("alone")),
            )
            for entry in data["nodes"]
        )
        if not (_is_ours(ref) and nodes):
            raise ValueError("ids or nodes are missing")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadMessage(f"not a message of dag-service: {error!r:.200}") from error
    return Message(ref, nodes)


def _is_ours(ref: Ref) -> bool:
    if ids.is_valid(ref.instance_id, ids.DELIVERY):
        return delivery.is_one(ref.execution_id)
    return ids.is_valid(ref.instance_id, ids.INSTANCE) and ids.is_valid(ref.execution_id, ids.EXECUTION)


def carrier(record: Mapping[str, Any]) -> dict[str, str]:
    """The message attributes of a record of an SQS event, by name. The sender's trace is in them."""
    attributes = record.get("messageAttributes") or {}
    return {name: one["stringValue"] for name, one in attributes.items() if "stringValue" in one}
