"""A claimed node, and what bounds the work on it."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.core.plan import Plan
from chalicelib.protocols import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds and bytes that bound what a worker does."""

    default_timeout: float
    hop: float
    max_result_bytes: int


@dataclass(slots=True, kw_only=True)
class Job:
    """`results` holds the results that the node needs, as JSON, by node. Times are seconds of the worker's clock."""

    ref: Ref
    plan: Plan
    node: int
    attempt: int
    failures: int
    epoch: int
    owner: str
    params: bytes
    results: dict[int, bytes]
    deadline: float
    hop_until: float


@dataclass(slots=True)
class Ended:
    """A job whose handler yielded a result, still to be committed; `seconds` is how long it took."""

    job: Job
    result: bytes
    seconds: float
