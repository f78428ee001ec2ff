"""The states of nodes and instances: the words that users see, and the letters by which Redis stores them."""

from __future__ import annotations

from enum import StrEnum


class NodeStatus(StrEnum):
    """The word for a node that users see."""

    PENDING = "PENDING"  # It waits for its parents, for a worker, or for its next attempt.
    RUNNING = "RUNNING"  # A worker holds a lease on it.
    COMPLETED = "COMPLETED"  # Its result is committed.
    FAILED = "FAILED"  # It has no attempt left.
    SKIPPED = "SKIPPED"  # An ancestor failed.
    CANCELLED = "CANCELLED"  # Its instance ended before it did.


class NodeState(StrEnum):
    """The state of a node by its letter in the record. A node without a record waits for its parents."""

    READY = "Q"  # It can start; a message for it is on the queue, or is about to be sent.
    RUNNING = "R"  # A worker holds a lease on it.
    COMPLETED = "C"  # Its result is committed.
    FAILED = "F"  # It has no attempt left, and what depends on it is skipped.
    IGNORED = "I"  # It has no attempt left, and what depends on it runs all the same (`on_failure: ignore`).
    SKIPPED = "S"  # An ancestor failed.

    @property
    def status(self) -> NodeStatus:
        """The word that users see."""
        return _STATUS[self]

    @property
    def live(self) -> bool:
        """Whether the node has not ended yet."""
        return self in (NodeState.READY, NodeState.RUNNING)

    @property
    def satisfies(self) -> bool:
        """Whether the nodes that depend on it may run."""
        return self in (NodeState.COMPLETED, NodeState.IGNORED)


_STATUS = {
    NodeState.READY: NodeStatus.PENDING,
    NodeState.RUNNING: NodeStatus.RUNNING,
    NodeState.COMPLETED: NodeStatus.COMPLETED,
    NodeState.FAILED: NodeStatus.FAILED,
    NodeState.IGNORED: NodeStatus.FAILED,
    NodeState.SKIPPED: NodeStatus.SKIPPED,
}
# A lookup takes a tenth of the time of a call of the enum, and a status may have 10,000 nodes.
NODE_STATES = {state.value: state for state in NodeState}


class InstanceStatus(StrEnum):
    """The status of an instance. Its letter stands before the id in the shard's list, which is sorted by these."""

    PENDING = "PENDING"  # None of its nodes has started yet.
    RUNNING = "RUNNING"  # A node has started, and not all have ended.
    COMPLETED = "COMPLETED"  # All nodes ended, and no failure counts against it.
    FAILED = "FAILED"  # A node failed, or it took longer than it may, or its workflow is gone.
    CANCELLED = "CANCELLED"  # A user cancelled it.

    @property
    def terminal(self) -> bool:
        return self in (InstanceStatus.COMPLETED, InstanceStatus.FAILED, InstanceStatus.CANCELLED)

    @property
    def letter(self) -> str:
        """The letter in the shard's list: the first of the word, except for CANCELLED."""
        return "X" if self is InstanceStatus.CANCELLED else self.value[0]
