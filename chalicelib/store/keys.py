"""Every key in Redis and its type. `dag1` is the layout of all keys together, `{..}` the hash tag.

The `schema` of an instance or a workflow says which code may touch it (ARCHITECTURE.md, "Versions").

| key                            | type   | holds |
|--------------------------------|--------|-------|
| dag1:{shard}:workflow:<id>     | hash   | name, document (JSON), nodes, created_at, latest (its newest instance) |
| dag1:{shard}:idempotency:<sha> | string | JSON {fingerprint, id} of an Idempotency-Key |
| dag1:{shard}:workflows         | zset   | workflows by id, whose first digits are its time (score 0) |
| dag1:{shard}:due               | zset   | instances by the time at which they must be looked at (the index) |
| dag1:{shard}:list              | zset   | instances by status and id: one letter and the id (score 0) |
| dag1:{shard}:<instance>        | hash   | meta: status, counters, params, times |
| dag1:{shard}:<instance>:nodes  | hash   | node index -> record (lua/lib/record.lua) |
| dag1:{shard}:<instance>:waits  | hash   | node index -> how many parents have completed, until all have |
| dag1:{shard}:<instance>:results| hash   | node index -> result (JSON), or a reference to it (values/reference.py) |
| dag1:{shard}:<instance>:errors | hash   | node index -> error of its newest failed attempt (JSON) |
| dag1:{shard}:<instance>:due    | zset   | live nodes by the time at which they must be looked at |
| dag1:{shard}:<instance>:done   | list   | one entry once it is terminal, on which waiting clients block |
| dag1:{shard}:<instance>:history| list   | events that the records do not show (lua/lib/history.lua; JSON) |
| dag1:{shard}:<instance>:archive| hash   | epoch:node index -> record, newline, result of nodes run again; stowed |
"""

from __future__ import annotations

import functools
import hashlib

from chalicelib import ids

PREFIX = "dag1"
# The newest schema that this code knows; lua/lib/instance.lua has the same number, and what each one stands for.
SCHEMA = 3


def _tagged(shard: str, rest: str) -> str:
    return f"{PREFIX}:{{{shard}}}:{rest}"


def workflow(execution_id: str) -> str:
    return _tagged(ids.shard(execution_id), f"workflow:{execution_id}")


def idempotency(scope: str, key: str) -> str:
    digest = hashlib.sha256(f"{scope}\n{key}".encode()).hexdigest()
    shard = f"{int(digest[:8], 16) % ids.SHARDS:02x}"
    return _tagged(shard, f"idempotency:{digest}")


def index(shard: str) -> str:
    return _tagged(shard, "due")


def workflows(shard: str) -> str:
    return _tagged(shard, "workflows")


def listing(shard: str) -> str:
    return _tagged(shard, "list")


@functools.lru_cache(maxsize=1024)
def instance(instance_id: str) -> tuple[str, ...]:
    """META NODES WAITS RESULTS ERRORS DUE DONE HISTORY ARCHIVE INDEX LIST: KEYS of every transition, in this order."""
    shard = ids.shard(instance_id)
    meta = _tagged(shard, instance_id)
    parts = ("nodes", "waits", "results", "errors", "due", "done", "history", "archive")
    return (meta, *(f"{meta}:{part}" for part in parts), index(shard), listing(shard))


def meta(instance_id: str) -> str:
    return _tagged(ids.shard(instance_id), instance_id)


def results(instance_id: str) -> str:
    return f"{meta(instance_id)}:results"


def done(instance_id: str) -> str:
    return f"{meta(instance_id)}:done"


def history(instance_id: str) -> str:
    return f"{meta(instance_id)}:history"


def archive(instance_id: str) -> str:
    return f"{meta(instance_id)}:archive"
