"""The small parts of a deployed stack: the sweep's schedule, the cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from doctor.findings import Finding, broken, ok, warning
from doctor.stack import StackFacts


@dataclass(frozen=True, kw_only=True)
class PartFacts:
    """`rules`: DescribeRule's answers. `caches`: name -> status; none where the stack was given a REDIS_URL."""

    rules: tuple[Mapping[str, Any], ...]
    caches: Mapping[str, str]


def gather(events: Any, elasticache: Any, stack: StackFacts) -> PartFacts:
    """Raises what boto3 raises."""
    names = [one.physical for one in stack.of_type("AWS::ElastiCache::ServerlessCache")]
    caches = {}
    for name in names:
        found = elasticache.describe_serverless_caches(ServerlessCacheName=name)["ServerlessCaches"]
        caches[name] = found[0]["Status"]
    rules = tuple(events.describe_rule(Name=one.physical) for one in stack.of_type("AWS::Events::Rule"))
    return PartFacts(rules=rules, caches=caches)


def schedule(facts: PartFacts) -> Iterator[Finding]:
    scheduled = [rule for rule in facts.rules if rule.get("ScheduleExpression")]
    if not scheduled:
        yield broken("sweep schedule", "no rule invokes the sweep", "make deploy STAGE=...")
    for rule in scheduled:
        says = f"{rule['ScheduleExpression']}, {rule['State'].lower()}"
        if rule["State"] != "ENABLED":
            yield broken("sweep schedule", says, f"aws events enable-rule --name {rule['Name']}")
        else:
            yield ok("sweep schedule", says)


def cache(facts: PartFacts) -> Iterator[Finding]:
    if not facts.caches:
        yield ok("cache", "none of this stack: the store is the REDIS_URL that it was given")
    for name, status in facts.caches.items():
        do = f"aws elasticache describe-serverless-caches --serverless-cache-name {name}"
        if status == "available":
            yield ok("cache", f"{name} is available")
        else:
            yield (warning if status == "modifying" else broken)("cache", f"{name} is {status}", do)
