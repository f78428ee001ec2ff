"""The doctor's findings from given facts. Each case changes one fact of a healthy stack."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import doctor
from doctor import activity, findings, functions, machine, parts, processes, queue, service, stack, store
from doctor.__main__ import as_json, as_text
from doctor.findings import Finding, Level
from doctor.section import Section, examine
from tests.support import aws_cli

ATTRIBUTES = {
    "QueueArn": "arn:aws:sqs:us-east-1:1:q",
    "RedrivePolicy": json.dumps({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:1:q-dead", "maxReceiveCount": 5}),
    "VisibilityTimeout": "5400",
    "SqsManagedSseEnabled": "true",
    "ApproximateNumberOfMessages": "3",
    "ApproximateNumberOfMessagesDelayed": "0",
    "ApproximateNumberOfMessagesNotVisible": "2",
}
DEAD = {**ATTRIBUTES, "QueueArn": "arn:aws:sqs:us-east-1:1:q-dead"}
DEAD |= {"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesNotVisible": "0"}
QUEUE = queue.QueueFacts(
    url="http://q", dead_url="http://q-dead", attributes=ATTRIBUTES, dead=DEAD, seconds=900, of="the timeout", oldest=2
)
NODE = {
    "valkey_version": "8.1.0",
    "redis_version": "7.2.4",
    "role": "master",
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "maxmemory": 1000,
    "used_memory": 100,
    "maxmemory_policy": "noeviction",
}
STORE = store.StoreFacts(nodes=(NODE,), live=4, overdue=1, late_ms=900, most_overdue="in-1", sweep_seconds=1, share=0.9)
WORKER = functions.Function(
    logical="Worker",
    name="s-Worker-1",
    configuration={"State": "Active", "LastUpdateStatus": "Successful", "Timeout": 900},
    reserved=200,
    log_group="/aws/lambda/s",
    retention=90,
)
MAPPING = {
    "UUID": "u",
    "FunctionArn": "arn:aws:lambda:us-east-1:1:function:s-Worker-1",
    "State": "Enabled",
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "ScalingConfig": {"MaximumConcurrency": 200},
}
FUNCTIONS = functions.FunctionFacts(functions=(WORKER,), mappings=(MAPPING,), limit=1000, unreserved=746)
VALUES = {("Worker", "Errors"): [0.0], ("Worker", "Throttles"): [], ("Sweep", "Invocations"): [1.0] * 5}
VALUES |= {("service", "SweepLag"): [40_000.0], ("Cache", "Evictions"): [], ("Cache", "ThrottledCmds"): []}
ACTIVITY = activity.ActivityFacts(
    stack="s", functions={"Worker": "s-Worker-1"}, values=VALUES, alarms={"s sweep is behind": ("OK", "")}
)
STACK = stack.StackFacts(name="s", status="UPDATE_COMPLETE", reason="", drift="IN_SYNC", outputs={}, resources=())
RULE = {"Name": "r", "ScheduleExpression": "rate(1 minute)", "State": "ENABLED"}
MACHINE = machine.MachineFacts(python=(3, 11, 7), packages={"redis": ("8.1.0", "8.1.0")})
RUNNING = Counter({"local.worker": 2, "local.poller": 1, "local.server": 1})
PROCESSES = processes.ProcessFacts(data_dir=Path("data"), children=RUNNING, ports={})
SERVICE = service.ServiceFacts(url="http://h", status=200, body={"load": "ok", "versions": {}})


def judged(check: Any, facts: Any) -> list[Finding]:
    return list(examine([Section("x", lambda: facts, (check,), "")]))


def queue_with(**attributes: str) -> queue.QueueFacts:
    return replace(QUEUE, attributes={**ATTRIBUTES, **attributes})


def dead_with(count: str, age: float | None) -> queue.QueueFacts:
    return replace(QUEUE, dead={**DEAD, "ApproximateNumberOfMessages": count}, dead_oldest=age)


def store_with(**info: Any) -> store.StoreFacts:
    return replace(STORE, nodes=({**NODE, **info},))


def function_with(**changes: Any) -> functions.FunctionFacts:
    return replace(FUNCTIONS, functions=(replace(WORKER, **changes),))


def mapping_with(**changes: Any) -> functions.FunctionFacts:
    return replace(FUNCTIONS, mappings=({**MAPPING, **changes},))


def activity_with(who: str, metric: str, *values: float) -> activity.ActivityFacts:
    return replace(ACTIVITY, values={**VALUES, (who, metric): list(values)})


WELL: list[tuple[Any, Any]] = [
    *((check, QUEUE) for check in (queue.redrive, queue.visibility, queue.encryption, queue.backlog, queue.age)),
    (queue.dead_letters, QUEUE),
    *((check, STORE) for check in (store.version, store.eviction, store.persistence, store.memory, store.refused)),
    (store.sweep, STORE),
    *((check, FUNCTIONS) for check in (functions.state, functions.concurrency, functions.mappings, functions.logs)),
    *((check, ACTIVITY) for check in (activity.errors, activity.throttles, activity.sweeps, activity.sweep_lag)),
    *((check, ACTIVITY) for check in (activity.cache, activity.alarms)),
    *((check, STACK) for check in (stack.status, stack.resources, stack.drift)),
    (parts.schedule, [RULE]),
    (parts.cache, {"s": "available"}),
    (parts.cache, {}),
    *((check, MACHINE) for check in (machine.python, machine.requirements)),
    *((check, PROCESSES) for check in (processes.running, processes.workers, processes.poller)),
    *((check, SERVICE) for check in (service.health, service.load)),
]


@pytest.mark.parametrize(("check", "facts"), WELL, ids=lambda value: getattr(value, "__name__", ""))
def test_a_stack_that_is_well(check: Any, facts: Any) -> None:
    found = judged(check, facts)
    assert found and all(finding.level is Level.OK and not finding.do for finding in found), found


REDRIVE = json.dumps({"deadLetterTargetArn": "arn:other", "maxReceiveCount": 5})
HASTY = json.dumps({"deadLetterTargetArn": DEAD["QueueArn"], "maxReceiveCount": 1})
OFF = {"State": "DISABLED", "Name": "r", "ScheduleExpression": "rate(1 minute)"}
FAILED = stack.Resource(logical="Cache", physical="", type="T", status="CREATE_FAILED", reason="no quota")
ILL: list[tuple[Any, Any, Level, str, str]] = [
    (queue.redrive, queue_with(RedrivePolicy="{}"), Level.BROKEN, "for ever", "aws sqs set-queue-attributes"),
    (queue.redrive, queue_with(RedrivePolicy=REDRIVE), Level.BROKEN, "arn:other", "aws sqs set-queue-attributes"),
    (queue.redrive, queue_with(RedrivePolicy=HASTY), Level.WARNING, "after 1 receives", "set-queue-attributes"),
    (queue.visibility, queue_with(VisibilityTimeout="900"), Level.WARNING, "less than 6", "VisibilityTimeout=5400"),
    (queue.encryption, queue_with(SqsManagedSseEnabled="false"), Level.WARNING, "not encrypted", "SqsManaged"),
    (
        queue.backlog,
        queue_with(ApproximateNumberOfMessages="20000"),
        Level.WARNING,
        "20,000 messages wait",
        "Hot queue",
    ),
    (queue.backlog, queue_with(ApproximateNumberOfMessagesNotVisible="119000"), Level.BROKEN, "120,000", "Hot queue"),
    (queue.age, replace(QUEUE, oldest=400.0), Level.WARNING, "400 s", "Hot queue"),
    (queue.dead_letters, dead_with("7", None), Level.WARNING, "7 wait", "Dead letters"),
    (queue.dead_letters, dead_with("7", 400), Level.BROKEN, "for 400 s", "Dead letters"),
    (store.version, store_with(valkey_version="7.1.0"), Level.BROKEN, "nothing older than 7.2", "upgrade"),
    (store.role, store_with(role="slave"), Level.BROKEN, "replica", "REDIS_URL"),
    (store.eviction, store_with(maxmemory_policy="allkeys-lru"), Level.WARNING, "throws away", "noeviction"),
    (store.persistence, store_with(aof_enabled=0), Level.WARNING, "no append-only file", "appendonly"),
    (store.persistence, store_with(aof_last_write_status="err"), Level.BROKEN, "is err", "df"),
    (store.memory, store_with(used_memory=800), Level.WARNING, "80%", "Redis full"),
    (store.memory, store_with(used_memory=950), Level.BROKEN, "refused from 90%", "Redis full"),
    (store.memory, store_with(used_memory=1010), Level.BROKEN, "nothing can be written", "Redis full"),
    (store.refused, store_with(errorstat_OOM={"count": 12}), Level.WARNING, "OOM: 12", "Redis full"),
    (store.refused, store_with(evicted_keys=3), Level.WARNING, "evicted keys: 3", "Redis full"),
    (store.sweep, replace(STORE, late_ms=9_000), Level.WARNING, "in-1 by 9.0 s", "Stuck instance"),
    (store.sweep, replace(STORE, late_ms=90_000), Level.BROKEN, "in-1 by 90.0 s", "Stuck instance"),
    (
        functions.state,
        function_with(configuration={"State": "Failed", "StateReason": "no role"}),
        Level.BROKEN,
        "State is Failed no role",
        "aws lambda get-function-configuration --function-name s-Worker-1",
    ),
    (
        functions.state,
        function_with(configuration={"LastUpdateStatus": "InProgress"}),
        Level.WARNING,
        "InProgress",
        "aws lambda",
    ),
    (
        functions.concurrency,
        function_with(reserved=0),
        Level.BROKEN,
        "nothing of it runs",
        "delete-function-concurrency",
    ),
    (
        functions.concurrency,
        replace(FUNCTIONS, unreserved=100),
        Level.WARNING,
        "100 of the account's",
        "aws service-quotas",
    ),
    (functions.mappings, replace(FUNCTIONS, mappings=()), Level.BROKEN, "no function reads", "make deploy"),
    (functions.mappings, mapping_with(State="Disabled"), Level.BROKEN, "not read", "--uuid u --enabled"),
    (functions.mappings, mapping_with(FunctionResponseTypes=[]), Level.BROKEN, "deleted", "ReportBatchItemFailures"),
    (functions.mappings, mapping_with(ScalingConfig={}), Level.WARNING, "no MaximumConcurrency", "MaximumConcurrency"),
    (functions.mappings, function_with(reserved=50), Level.WARNING, "more than the 50", "MaximumConcurrency=50"),
    (functions.logs, function_with(retention=None), Level.WARNING, "for ever", "aws logs put-retention-policy"),
    (activity.errors, activity_with("Worker", "Errors", 2, 1), Level.WARNING, "Worker: 3", "/aws/lambda/s-Worker-1"),
    (activity.throttles, activity_with("Worker", "Throttles", 9), Level.WARNING, "Worker: 9", "Throttled Lambda"),
    (activity.sweeps, activity_with("Sweep", "Invocations"), Level.BROKEN, "none in the last 5", "aws events"),
    (activity.sweep_lag, activity_with("service", "SweepLag", 400_000), Level.WARNING, "400.0 s", "Stuck instance"),
    (activity.refusals, activity_with("service", "Refused", 4), Level.WARNING, "4 requests got 503", "Hot queue"),
    (activity.cache, activity_with("Cache", "Evictions", 5), Level.BROKEN, "it is full", "Redis full"),
    (activity.cache, activity_with("Cache", "ThrottledCmds", 5), Level.WARNING, "5 commands", "capacity"),
    (activity.alarms, replace(ACTIVITY, alarms={"s x": ("ALARM", "5 > 0")}), Level.BROKEN, "s x: 5 > 0", "operate"),
    (activity.alarms, replace(ACTIVITY, alarms={}), Level.WARNING, "none", "make deploy"),
    (stack.status, replace(STACK, status="UPDATE_IN_PROGRESS"), Level.WARNING, "UPDATE_IN_PROGRESS", "wait"),
    (
        stack.status,
        replace(STACK, status="UPDATE_ROLLBACK_COMPLETE"),
        Level.WARNING,
        "before it serves",
        "Failed deploy",
    ),
    (stack.status, replace(STACK, status="UPDATE_ROLLBACK_FAILED"), Level.BROKEN, "FAILED", "continue-update-rollback"),
    (stack.status, replace(STACK, status="ROLLBACK_COMPLETE"), Level.BROKEN, "ROLLBACK", "Failed deploy"),
    (
        stack.resources,
        replace(STACK, resources=(FAILED,)),
        Level.BROKEN,
        "Cache (T) is CREATE_FAILED: no quota",
        "events",
    ),
    (stack.drift, replace(STACK, drift="DRIFTED"), Level.WARNING, "past the template", "drifts"),
    (parts.schedule, [OFF], Level.BROKEN, "disabled", "aws events enable-rule --name r"),
    (parts.schedule, [], Level.BROKEN, "no rule", "make deploy"),
    (parts.cache, {"s": "create-failed"}, Level.BROKEN, "create-failed", "aws elasticache"),
    (machine.python, replace(MACHINE, python=(3, 10, 1)), Level.BROKEN, "3.11 or newer", "make"),
    (
        machine.requirements,
        replace(MACHINE, packages={"redis": ("8.1.0", None)}),
        Level.BROKEN,
        "redis",
        "make install",
    ),
    (machine.requirements, replace(MACHINE, packages={"redis": ("8.1.0", "7.0")}), Level.WARNING, "redis 7.0", "make"),
    (processes.running, replace(PROCESSES, children=None), Level.BROKEN, "nothing runs", "make run"),
    (processes.workers, replace(PROCESSES, children=Counter()), Level.BROKEN, "none runs", "WORKERS"),
    (processes.poller, replace(PROCESSES, children=Counter()), Level.BROKEN, "nobody sweeps", "supervisor"),
    (processes.ports, replace(PROCESSES, ports={"PORT": (8000, False)}), Level.WARNING, "8000 is in use", "PORT=..."),
    (service.health, replace(SERVICE, status=503, body={"queue": "no"}), Level.BROKEN, "queue: no", "store and queue"),
    (service.health, replace(SERVICE, status=404), Level.BROKEN, "404", "another program"),
    (service.load, replace(SERVICE, body={"load": "full"}), Level.WARNING, "refused: full", "operate"),
]


@pytest.mark.parametrize(
    ("check", "facts", "level", "says", "do"), ILL, ids=lambda value: getattr(value, "__name__", "")
)
def test_one_thing_is_wrong(check: Any, facts: Any, level: Level, says: str, do: str) -> None:
    """The finding names the fault and the remedy."""
    (found,) = judged(check, facts)
    assert found.level is level and says in found.says and do in found.do, found
    for words in aws_cli.commands(found.do):
        aws_cli.parse(words)  # raises if AWS has no such command


def test_what_cannot_be_gathered_is_broken_and_keeps_nobody_else() -> None:
    def refuse() -> None:
        raise ConnectionError("no route")

    well = Section("b", lambda: 1, (lambda facts: findings.ok("b", str(facts)),), "")
    found = list(examine([Section("a", refuse, (), "plug it in"), well]))
    assert found == [findings.broken("a", "cannot be looked at: no route", "plug it in"), findings.ok("b", "1")]
    assert len(list(examine([Section("a", refuse, (), "plug it in", vital=True), well]))) == 1


def test_exit_codes_and_answers() -> None:
    found = [findings.ok("a", "fine"), findings.warning("b", "hm", "look"), findings.broken("c", "no", "mend")]
    assert [doctor.exit_code(found[:count]) for count in range(4)] == [0, 0, 1, 2]
    assert as_text(found).splitlines()[-3:] == ["            -> mend", "", "1 ok, 1 warnings, 1 broken"]
    answer = json.loads(as_json(found))
    assert answer["level"] == "broken"
    assert answer["findings"][1] == {"check": "b", "level": "warning", "says": "hm", "do": "look"}
