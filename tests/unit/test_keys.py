"""The names of all keys, letter by letter, since different releases share them (ARCHITECTURE.md, "Versions")."""

from __future__ import annotations

import hashlib

from chalicelib import ids
from chalicelib.store import keys

IN, EX = f"in-{'0' * 28}2a", f"ex-{'1' * 28}3f"


def test_every_key_has_the_name_that_older_releases_know() -> None:
    assert keys.workflow(EX) == f"dag1:{{3f}}:workflow:{EX}"
    assert keys.workflows("07") == "dag1:{07}:workflows"
    assert keys.index("07") == "dag1:{07}:due"
    assert keys.listing("07") == "dag1:{07}:list"
    assert keys.meta(IN) == f"dag1:{{2a}}:{IN}"
    assert keys.results(IN) == f"dag1:{{2a}}:{IN}:results"
    assert keys.done(IN) == f"dag1:{{2a}}:{IN}:done"
    assert keys.history(IN) == f"dag1:{{2a}}:{IN}:history"
    assert keys.archive(IN) == f"dag1:{{2a}}:{IN}:archive"
    parts = ["nodes", "waits", "results", "errors", "due", "done", "history", "archive"]
    assert keys.instance(IN) == (
        f"dag1:{{2a}}:{IN}",
        *(f"dag1:{{2a}}:{IN}:{part}" for part in parts),
        "dag1:{2a}:due",
        "dag1:{2a}:list",
    )


def test_an_idempotency_key_is_hashed_with_its_scope_and_lies_in_one_of_all_shards() -> None:
    digest = hashlib.sha256(b"trigger ex-1\nkey").hexdigest()
    assert keys.idempotency("trigger ex-1", "key") == f"dag1:{{{int(digest[:8], 16) % 64:02x}}}:idempotency:{digest}"
    shards = {keys.idempotency("scope", str(number))[6:8] for number in range(2000)}
    assert shards == set(ids.all_shards())
