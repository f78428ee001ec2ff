"""Checks whether the service can work."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from chalicelib.errors import Unavailable
from chalicelib.models import views
from chalicelib.queues.protocol import Queue
from chalicelib.store.protocol import Store
from chalicelib.usecases.admission import Admission

log = logging.getLogger(__name__)


class Health:
    """The use case. `versions` are those of the service and of Python; that of the store is added when it answers."""

    def __init__(self, *, store: Store, queue: Queue, admission: Admission, versions: Mapping[str, str]) -> None:
        self._store = store
        self._queue = queue
        self._admission = admission
        self._versions = versions

    def check(self) -> views.Health:
        """Whether the store and the queue answer, and whether new instances are admitted.

        Refusing new instances is not "degraded": others go on, and a load balancer must not cut off the API.
        """
        store = queue = "ok"
        versions = dict(self._versions)
        # The errors name hosts and ports: they go to the log, not to the client.
        try:
            versions["store"] = self._store.ping()
        except Unavailable as error:
            store = "unreachable"
            log.error("store unreachable", extra={"error": str(error)})
        try:
            self._queue.ping()
        except Unavailable as error:
            queue = "unreachable"
            log.error("queue unreachable", extra={"error": str(error)})
        status = "ok" if store == queue == "ok" else "degraded"
        load = (self._admission.why_not() or "ok") if store == "ok" else "not known"
        return views.Health(status=status, store=store, queue=queue, load=load, versions=versions)
