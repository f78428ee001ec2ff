"""Activity as CloudWatch counted it: errors, throttles, sweeps, ages, and alarms."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from doctor.findings import Finding, broken, ok, warning
from doctor.stack import StackFacts

HOUR, RECENTLY = 3600, 300
NAMESPACE = "dag-service"
# The sweep runs every minute: an instance that is overdue by several minutes is not reached.
LATE_MS = 180_000


@dataclass(frozen=True, kw_only=True)
class Question:
    """A metric of `who`: its values in the last `seconds`, newest first."""

    who: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    stat: str = "Sum"
    seconds: int = HOUR


@dataclass(frozen=True, kw_only=True)
class ActivityFacts:
    """`functions`: logical -> physical name. `values`: by (who, metric). `alarms`: name -> (state, reason)."""

    stack: str
    functions: Mapping[str, str]
    values: Mapping[tuple[str, str], Sequence[float]]
    alarms: Mapping[str, tuple[str, str]]

    def total(self, who: str, metric: str) -> float:
        return sum(self.values.get((who, metric), ()))

    def most(self, who: str, metric: str) -> float | None:
        return max(self.values.get((who, metric), ()), default=None)


def questions(stack: StackFacts) -> list[Question]:
    asked = []
    for one in stack.of_type("AWS::Lambda::Function"):
        of = {"FunctionName": one.physical}
        asked += [
            Question(who=one.logical, namespace="AWS/Lambda", metric=metric, dimensions=of)
            for metric in ("Errors", "Throttles")
        ]
        if one.logical == "Sweep":
            asked.append(
                Question(who="Sweep", namespace="AWS/Lambda", metric="Invocations", dimensions=of, seconds=RECENTLY)
            )
    for queue in ("Queue", "DeadLetterQueue"):
        of = {"QueueName": stack.physical(queue).rsplit("/", 1)[-1]}
        asked.append(
            Question(
                who=queue,
                namespace="AWS/SQS",
                metric="ApproximateAgeOfOldestMessage",
                dimensions=of,
                stat="Maximum",
                seconds=RECENTLY,
            )
        )
    for cache in stack.of_type("AWS::ElastiCache::ServerlessCache"):
        asked += [
            Question(who="Cache", namespace="AWS/ElastiCache", metric=metric, dimensions={"clusterId": cache.physical})
            for metric in ("ThrottledCmds", "Evictions")
        ]
    own = {"service": stack.name}
    for metric, stat in (("SweepLag", "Maximum"), ("SweepFailures", "Sum"), ("DeadLetters", "Sum"), ("Refused", "Sum")):
        asked.append(Question(who="service", namespace=NAMESPACE, metric=metric, dimensions=own, stat=stat))
    return asked


def gather(cloudwatch: Any, stack: StackFacts, now: datetime.datetime) -> ActivityFacts:
    """Raises what boto3 raises."""
    asked = questions(stack)
    values: dict[tuple[str, str], Sequence[float]] = {}
    for seconds in (HOUR, RECENTLY):
        group = [one for one in asked if one.seconds == seconds]
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=[_query(f"q{number}", one) for number, one in enumerate(group)],
            StartTime=now - datetime.timedelta(seconds=seconds),
            EndTime=now,
        )
        found = {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}
        values |= {(one.who, one.metric): found.get(f"q{number}", []) for number, one in enumerate(group)}
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{stack.name} ")
    alarms = {
        alarm["AlarmName"]: (alarm["StateValue"], alarm.get("StateReason", ""))
        for page in pages
        for alarm in page["MetricAlarms"]
    }
    names = {one.logical: one.physical for one in stack.of_type("AWS::Lambda::Function")}
    return ActivityFacts(stack=stack.name, functions=names, values=values, alarms=alarms)


def _query(id: str, one: Question) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in one.dimensions.items()]
    metric = {"Namespace": one.namespace, "MetricName": one.metric, "Dimensions": dimensions}
    return {"Id": id, "MetricStat": {"Metric": metric, "Period": 60, "Stat": one.stat}}


def errors(facts: ActivityFacts) -> Iterator[Finding]:
    bad = [(who, facts.total(who, "Errors")) for who in facts.functions if facts.total(who, "Errors")]
    for who, count in bad:
        do = f"aws logs tail /aws/lambda/{facts.functions[who]} --since 1h --filter-pattern ERROR"
        yield warning("errors", f"{who}: {count:,.0f} invocations failed in the last hour", do)
    if not bad:
        yield ok("errors", "no invocation failed in the last hour")


def throttles(facts: ActivityFacts) -> Iterator[Finding]:
    bad = [(who, facts.total(who, "Throttles")) for who in facts.functions if facts.total(who, "Throttles")]
    for who, count in bad:
        yield warning(
            "throttles",
            f"{who}: {count:,.0f} invocations were refused in the last hour",
            "docs/operate.md, Throttled Lambda: raise its reserved concurrency, or lower MaximumConcurrency",
        )
    if not bad:
        yield ok("throttles", "none in the last hour")


def sweeps(facts: ActivityFacts) -> Finding:
    count = facts.total("Sweep", "Invocations")
    if not count:
        do = f"aws events list-rules --name-prefix {facts.stack}; then aws events enable-rule --name RULE"
        return broken("sweeps", "none in the last 5 minutes: what is lost stays lost", do)
    return ok("sweeps", f"{count:.0f} in the last 5 minutes")


def sweep_lag(facts: ActivityFacts) -> Iterator[Finding]:
    failures, late = facts.total("service", "SweepFailures"), facts.most("service", "SweepLag")
    do = "docs/operate.md, Stuck instance: the sweep's log names the instances"
    if failures:
        yield warning("sweep failures", f"{failures:,.0f} instances could not be handled in the last hour", do)
    if late is not None:
        says = f"at most {late / 1000:,.1f} s overdue in the last hour"
        yield warning("sweep lag", says, do) if late > LATE_MS else ok("sweep lag", says)


def refusals(facts: ActivityFacts) -> Finding | None:
    refused = facts.total("service", "Refused")
    if not refused:
        return None
    return warning(
        "admission", f"{refused:,.0f} requests got 503 in the last hour: overload", "docs/operate.md, Hot queue"
    )


def cache(facts: ActivityFacts) -> Iterator[Finding]:
    if ("Cache", "Evictions") not in facts.values:
        return
    evicted, throttled = facts.total("Cache", "Evictions"), facts.total("Cache", "ThrottledCmds")
    if evicted:
        yield broken(
            "cache evictions", f"{evicted:,.0f} keys in the last hour: it is full", "docs/operate.md, Redis full"
        )
    if throttled:
        do = "docs/capacity.md, Redis: one slot, or a load that doubled within minutes; set a minimum of ECPUs"
        yield warning("cache throttles", f"{throttled:,.0f} commands in the last hour", do)
    if not evicted and not throttled:
        yield ok("cache load", "nothing evicted or throttled in the last hour")


def alarms(facts: ActivityFacts) -> Iterator[Finding]:
    if not facts.alarms:
        do = "make deploy STAGE=...: the template has some"
        yield warning("alarms", f"there are none whose name begins with {facts.stack}", do)
        return
    ringing = [(name, why) for name, (state, why) in facts.alarms.items() if state == "ALARM"]
    for name, why in ringing:
        yield broken("alarm", f"{name}: {why}", "docs/operate.md has a section for each")
    if not ringing:
        yield ok("alarms", f"{len(facts.alarms)}, none rings")
