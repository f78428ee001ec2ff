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
    """What the record of a node says, by its letter. A node that has no record waits for its parents."""

    READY = "Q"  # It can start; a message for it is on the queue, or is about to be sent.
    RUNNING = "R"  # A worker holds a lease on it.
    COMPLETED = "C"  # Its result is committed.
    FAILED = "F"  # It has no attempt left, and what depends on it is skipped.
    IGNORED = "I"  # It has no attempt left, and what depends on it runs all the same (`on_failure: ignore`).
    SKIPPED = "S"  # An ancestor failed.

    @property
    def status(self) -> NodeStatus:
        """The word for it that users see."""
        return _STATUS[self]

    @property
    def live(self) -> bool:
        """Whether it is still to end."""
        return self in (NodeState.READY, NodeState.RUNNING)

    @property
    def satisfies(self) -> bool:
        """Whether it ended in a way that lets what depends on it run."""
        return self in (NodeState.COMPLETED, NodeState.IGNORED)


_STATUS = {
    NodeState.READY: NodeStatus.PENDING,
    NodeState.RUNNING: NodeStatus.RUNNING,
    NodeState.COMPLETED: NodeStatus.COMPLETED,
    NodeState.FAILED: NodeStatus.FAILED,
    NodeState.IGNORED: NodeStatus.FAILED,
    NodeState.SKIPPED: NodeStatus.SKIPPED,
}
# Looking a letter up takes a tenth of the time that calling the enum does, and a picture may have 10,000 nodes.
NODE_STATES = {state.value: state for state in NodeState}


class InstanceStatus(StrEnum):
    """The status of an instance; the list in Redis has it by its letter."""

    PENDING = "PENDING"  # None of its nodes has started yet.
    RUNNING = "RUNNING"  # A node has started, and not all have ended.
    COMPLETED = "COMPLETED"  # All nodes ended, and no failure counts against it.
    FAILED = "FAILED"  # A node failed, or it took longer than it may, or its workflow is gone.
    CANCELLED = "CANCELLED"  # Somebody ended it.

    @property
    def terminal(self) -> bool:
        return self in (InstanceStatus.COMPLETED, InstanceStatus.FAILED, InstanceStatus.CANCELLED)

    @property
    def letter(self) -> str:
        """The letter that it has in the list: its first one, save for CANCELLED."""
        return "X" if self is InstanceStatus.CANCELLED else self.value[0]
