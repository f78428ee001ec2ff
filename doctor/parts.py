"""The small parts of a deployed stack: the sweep's schedule and the cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from doctor.findings import Finding, broken, ok, warning
from doctor.stack import StackFacts

Rules = Sequence[Mapping[str, Any]]
Caches = Mapping[str, str]


def gather_rules(events: Any, stack: StackFacts) -> Rules:
    """DescribeRule's answers. Raises what boto3 raises."""
    return [events.describe_rule(Name=one.physical) for one in stack.of_type("AWS::Events::Rule")]


def gather_caches(elasticache: Any, stack: StackFacts) -> Caches:
    """Name -> status; empty if the stack was given a REDIS_URL. Raises what boto3 raises."""
    names = [one.physical for one in stack.of_type("AWS::ElastiCache::ServerlessCache")]
    answers = [elasticache.describe_serverless_caches(ServerlessCacheName=name) for name in names]
    return {name: answer["ServerlessCaches"][0]["Status"] for name, answer in zip(names, answers, strict=True)}


def schedule(rules: Rules) -> Iterator[Finding]:
    scheduled = [rule for rule in rules if rule.get("ScheduleExpression")]
    if not scheduled:
        yield broken("sweep schedule", "no rule invokes the sweep", "make deploy STAGE=...")
    for rule in scheduled:
        says = f"{rule['ScheduleExpression']}, {rule['State'].lower()}"
        if rule["State"] != "ENABLED":
            yield broken("sweep schedule", says, f"aws events enable-rule --name {rule['Name']}")
        else:
            yield ok("sweep schedule", says)


def cache(caches: Caches) -> Iterator[Finding]:
    if not caches:
        yield ok("cache", "none of this stack: the store is the REDIS_URL that it was given")
    for name, status in caches.items():
        do = f"aws elasticache describe-serverless-caches --serverless-cache-name {name}"
        if status == "available":
            yield ok("cache", f"{name} is available")
        else:
            yield (warning if status == "modifying" else broken)("cache", f"{name} is {status}", do)
