"""Makes the forecaster, with the rules of the real engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chalicelib.core.forecast import Engine
from chalicelib.core.rules import Rules
from chalicelib.core.weight import FIRST_HOP_NODES, ROOM, waiting_size
from chalicelib.queues.sqs import MAX_ENTRIES
from chalicelib.usecases.forecaster import Forecaster
from chalicelib.worker.committer import MOST
from chalicelib.worker.worker import DEFAULT_SECONDS, MARGIN_SECONDS
from scheduler.scheduler import LIMIT

if TYPE_CHECKING:
    from chalicelib.core.handler import Handler
    from chalicelib.settings import Settings
    from chalicelib.usecases.request_body import BodyLimits
    from chalicelib.usecases.resolver import Resolver
    from chalicelib.worker.sizing import Requirements


def make(
    settings: Settings,
    *,
    resolver: Resolver,
    handlers: Mapping[str, Handler],
    requirements: Requirements,
    limits: BodyLimits,
) -> Forecaster:
    rules = Rules(
        inline=settings.scheduling == "inline",
        room=ROOM,
        batch_size=MAX_ENTRIES,
        commit_size=MOST,
        take_due_limit=LIMIT,
        hop_seconds=settings.hop_seconds,
        first_hop_seconds=settings.first_hop_seconds,
        first_hop_nodes=FIRST_HOP_NODES,
        function_seconds=DEFAULT_SECONDS - MARGIN_SECONDS,
        lease_seconds=settings.lease_seconds,
    )
    engine = Engine(
        rules=rules,
        needs=requirements.needs,
        instant=requirements.instant,
        longest=requirements.longest,
        waits=lambda name: handler.waits if (handler := handlers.get(name)) else None,
        waiting=waiting_size(settings.waiting_nodes),
    )
    return Forecaster(resolver=resolver, handlers=handlers, engine=engine, limits=limits)
