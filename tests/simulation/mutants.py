"""`python -m tests.simulation.mutants` breaks one line of the engine at a time, and counts seeds until a failure."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local.processes import ROOT

LUA = "chalicelib/store/lua"


@dataclass(frozen=True, slots=True)
class Mutant:
    """An edit by which `old`, which must be in `file` exactly once, becomes `new`."""

    what: str
    file: str
    old: str
    new: str


MUTANTS = [
    Mutant(
        "complete: no attempt check",
        f"{LUA}/complete.lua",
        "record.status ~= 'R' or record.attempt ~= attempt",
        "record.status ~= 'R'",
    ),
    Mutant(
        "complete: commit what is committed",
        f"{LUA}/complete.lua",
        "not record or record.status ~= 'R' or",
        "not record or",
    ),
    Mutant("complete: leave the due entry", f"{LUA}/complete.lua", "if #done > 0 then", "if false then"),
    Mutant("complete: forget the second of a group", f"{LUA}/complete.lua", "  i = after\n", "  i = #ARGV + 1\n"),
    Mutant("claim: no attempt check", f"{LUA}/claim.lua", "record and record.attempt == attempt", "record"),
    Mutant(
        "claim: give a held lease away",
        f"{LUA}/claim.lua",
        "record.owner == owner and 'CLAIMED' or 'RUNNING'",
        "'CLAIMED'",
    ),
    Mutant(
        "take_due: forget the re-send",
        f"{LUA}/take_due.lua",
        "record.sends = record.sends + 1\n    hand_out(record.lost > 0 and 'ALONE' or 'SEND', node, record.attempt)",
        "record.sends = record.sends + 1",
    ),
    Mutant(
        "take_due: same attempt after a lost lease",
        f"{LUA}/lib/lose.lua",
        "record.attempt + 1, tostring(now), 1",
        "record.attempt, tostring(now), 1",
    ),
    Mutant("fail: same attempt for the retry", f"{LUA}/fail.lua", "'Q', record.attempt + 1,", "'Q', record.attempt,"),
    Mutant(
        "fail: no attempt check",
        f"{LUA}/fail.lua",
        "record.status ~= 'R' or record.attempt ~= attempt",
        "record.status ~= 'R'",
    ),
    Mutant(
        "lose: no attempt check",
        f"{LUA}/lose.lua",
        "record.status ~= 'Q' or record.attempt ~= attempt",
        "record.status ~= 'Q'",
    ),
    Mutant("unblock: the first parent is enough", f"{LUA}/lib/unblock.lua", ") == parents[child]", ") >= 1"),
    Mutant("settle: no cursor check", f"{LUA}/settle.lua", "record.cursor ~= start", "false"),
    Mutant("skip: count a node twice", f"{LUA}/lib/unblock.lua", "redis.call('HEXISTS', NODES, ARGV[i]) == 0", "true"),
    Mutant("create: start it again", f"{LUA}/create.lua", "if created then", "if false then"),
    Mutant(
        "close: leave the index entry",
        f"{LUA}/lib/instance.lua",
        "instance.webhook and now or now + instance.retention + 1000, id)",
        "now, id)",
    ),
    Mutant(
        "rerun: attempts begin with 1 again",
        f"{LUA}/rerun.lua",
        "'first', first, 'cancelled'",
        "'first', 1, 'cancelled'",
    ),
    Mutant("pause: nodes begin all the same", f"{LUA}/claim.lua", "record.status == 'Q' and instance.paused", "false"),
    Mutant("resume: forget what was held", f"{LUA}/resume.lua", "'ZADD', DUE, unpack(due)", "'ZCARD', DUE"),
    Mutant(
        "cancel: a late result is taken",
        f"{LUA}/lib/instance.lua",
        "if v[1] ~= 'PENDING' and v[1] ~= 'RUNNING' then",
        "if v[1] ~= 'PENDING' and v[1] ~= 'RUNNING' and v[1] ~= 'CANCELLED' then",
    ),
    Mutant("ignore: skip its children", f"{LUA}/settle.lua", "record.status ~= 'F'", "record.status == 'C'"),
    Mutant(
        "webhook: owe nothing",
        f"{LUA}/lib/instance.lua",
        "if instance.webhook then redis.call('HSET', META, 'owes', 1) end",
        "",
    ),
    Mutant(
        "webhook: clear the outbox before the call is there",
        "chalicelib/usecases/webhooks.py",
        "            self._start(snapshot, plan)\n",
        "            self._store.clear_outbox(instance_id, epoch=snapshot.epoch)\n"
        "            self._start(snapshot, plan)\n",
    ),
    Mutant("hop: a lease of no length", f"{LUA}/lib/unblock.lua", "now + hop.lease_ms", "now"),
    Mutant(
        "worker: the heartbeat does not beat",
        "chalicelib/worker/heartbeat.py",
        "            self._running.add((instance_id, node, attempt))",
        "            pass",
    ),
    Mutant(
        "worker: send before the commit, not after",
        "chalicelib/worker/committer.py",
        "        committed = self._store.complete(",
        "        from chalicelib.core.work import Ready\n"
        "        early = [Ready(child, 1) for one in entries for child in one.items[::2]]\n"
        "        self._dispatch.unblocked(ref, plan, early)\n"
        "        self._dispatch.unblocked = lambda *_: None\n        committed = self._store.complete(",
    ),
    Mutant(
        "worker: run on only with the first child",
        "chalicelib/worker/committer.py",
        "for child in committed.claimed\n        ]",
        "for child in committed.claimed[:1]\n        ]",
    ),
    Mutant(
        "scheduler: settle and forget to send",
        "scheduler/scheduler.py",
        "            self._dispatch.send(ref, plan, done.ready)\n",
        "",
    ),
    Mutant(
        "scheduler: settle only the first slice",
        "scheduler/scheduler.py",
        "            start = cursor\n",
        "            return\n",
    ),
    Mutant(
        "retry: forget the attempt that was to be waited for",
        "chalicelib/worker/run_loop.py",
        "                joins.append(self._spawn(functools.partial(self._run_later, later)))\n",
        "                continue\n",
    ),
    Mutant(
        "retry: claim the attempt that failed",
        "chalicelib/worker/claimer.py",
        "Ready(job.node, job.attempt + 1)",
        "Ready(job.node, job.attempt)",
    ),
    Mutant("first hop: claim and run nothing", "chalicelib/worker/first_hop.py", "self._run_loop().run(jobs)", "pass"),
    Mutant(
        "first hop: forget to send the rest",
        "chalicelib/usecases/triggering.py",
        "        self._dispatch.unblocked(ref, plan, left)\n",
        "",
    ),
    Mutant("first hop: forget what its nodes made ready", "chalicelib/worker/committer.py", "in_place.left +=", "_ ="),
    Mutant("sweep: look at nothing", "scheduler/sweep.py", "done = self._scheduler.run(instance_id)", "continue"),
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument(
        "--seeds", type=int, default=2000, help="give up on a mutant after so many (default %(default)s)"
    )
    parser.add_argument("--only", default="", help="those whose description has this in it")
    arguments = parser.parse_args()
    mutants = [mutant for mutant in MUTANTS if arguments.only in mutant.what]
    survived = 0
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        print("| broken line | seeds | noticed as |\n|---|---|---|")
        for mutant, (seeds, error) in zip(
            mutants, threads.map(lambda one: seeds_to_notice(one, arguments.seeds), mutants), strict=True
        ):
            survived += error is None
            print(
                f"| {mutant.what} | {seeds if error else 'over ' + str(seeds)} | {error or 'not noticed'} |", flush=True
            )
    return 1 if survived else 0


def seeds_to_notice(mutant: Mutant, limit: int) -> tuple[int, str | None]:
    """Return the first seed (from 1) that fails on a copy of the project with this line broken, and its report."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("chalicelib", "scheduler", "local", "tests"):
            shutil.copytree(ROOT / name, Path(folder) / name, ignore=shutil.ignore_patterns("__pycache__"))
        path = Path(folder) / mutant.file
        text = path.read_text("utf-8")
        if text.count(mutant.old) != 1:
            raise SystemExit(
                f"{mutant.what}: `{mutant.old}` is not once in {mutant.file}; mend the table in {__file__}"
            )
        path.write_text(text.replace(mutant.old, mutant.new), "utf-8")
        command = [sys.executable, "-m", "tests.simulation", "--jobs", "1", "--no-shrink", "--seeds", str(limit)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found = re.search(r"^seed (\d+): (.{0,100})", done.stdout, re.M)
    if not found and done.returncode:  # it failed before a seed could notice anything: such a mutant is no survivor
        raise SystemExit(f"{mutant.what}: the simulation does not run: {done.stderr[-500:]}")
    return (int(found[1]), found[2].replace("|", "/")) if found else (limit, None)


if __name__ == "__main__":
    sys.exit(main())
