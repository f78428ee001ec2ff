"""The functions of a deployed stack, their share of the account's concurrency, and their event source mappings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from doctor.findings import Finding, broken, ok, warning
from doctor.stack import StackFacts

# Lambda keeps at least this concurrency for functions that reserve none.
UNRESERVED = 100


@dataclass(frozen=True, kw_only=True)
class Function:
    """`configuration`: GetFunctionConfiguration's answer. `retention`: in days, None if logs are kept for ever."""

    logical: str
    name: str
    configuration: Mapping[str, Any]
    reserved: int | None
    log_group: str
    retention: int | None


@dataclass(frozen=True, kw_only=True)
class FunctionFacts:
    """`mappings`: GetEventSourceMapping's answers. `limit` and `unreserved`: the account's, in this region."""

    functions: tuple[Function, ...]
    mappings: tuple[Mapping[str, Any], ...]
    limit: int
    unreserved: int


def gather(lambdas: Any, logs: Any, stack: StackFacts) -> FunctionFacts:
    """Raises what boto3 raises."""
    limits = lambdas.get_account_settings()["AccountLimit"]
    return FunctionFacts(
        functions=tuple(
            _function(lambdas, logs, one.logical, one.physical) for one in stack.of_type("AWS::Lambda::Function")
        ),
        mappings=tuple(
            lambdas.get_event_source_mapping(UUID=one.physical)
            for one in stack.of_type("AWS::Lambda::EventSourceMapping")
        ),
        limit=limits["ConcurrentExecutions"],
        unreserved=limits["UnreservedConcurrentExecutions"],
    )


def _function(lambdas: Any, logs: Any, logical: str, name: str) -> Function:
    configuration = lambdas.get_function_configuration(FunctionName=name)
    group = configuration.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{name}")
    found = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    return Function(
        logical=logical,
        name=name,
        configuration=configuration,
        reserved=lambdas.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions"),
        log_group=group,
        retention=next((one.get("retentionInDays") for one in found if one["logGroupName"] == group), None),
    )


def state(facts: FunctionFacts) -> Iterator[Finding]:
    bad = list(_bad_states(facts))
    yield from bad
    if not bad:
        yield ok(
            "functions", f"{', '.join(sorted(one.logical for one in facts.functions))}: active, last update successful"
        )


def _bad_states(facts: FunctionFacts) -> Iterator[Finding]:
    for one in facts.functions:
        has = one.configuration
        for what, wanted in (("State", "Active"), ("LastUpdateStatus", "Successful")):
            if has.get(what, wanted) == wanted:
                continue
            says = f"{one.logical}: {what} is {has[what]} {has.get(what + 'Reason', '')}".rstrip()
            do = f"aws lambda get-function-configuration --function-name {one.name}"
            harmless = has[what] in ("InProgress", "Pending", "Inactive")
            yield warning("functions", says, do) if harmless else broken("functions", says, do)


def concurrency(facts: FunctionFacts) -> Finding:
    reserved = {one.logical: one.reserved for one in facts.functions if one.reserved is not None}
    off = [name for name, number in reserved.items() if number == 0]
    if off:
        names = {one.logical: one.name for one in facts.functions}
        do = f"aws lambda delete-function-concurrency --function-name {names[off[0]]}"
        return broken("concurrency", f"{', '.join(off)}: 0 are reserved, so nothing of it runs", do)
    given = ", ".join(f"{name} {number}" for name, number in reserved.items()) or "nothing"
    says = f"reserved: {given}; {facts.unreserved:,} of the account's {facts.limit:,} are left for all others"
    if facts.unreserved <= UNRESERVED:
        do = "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 "
        return warning("concurrency", says, do + f"--desired-value {max(1000, 2 * facts.limit)}")
    return ok("concurrency", says)


def mappings(facts: FunctionFacts) -> Iterator[Finding]:
    if not facts.mappings:
        yield broken("event source mappings", "none: no function reads a queue", "make deploy STAGE=...")
    for mapping in facts.mappings:
        yield from _mapping(mapping, facts)


def _mapping(mapping: Mapping[str, Any], facts: FunctionFacts) -> Iterator[Finding]:
    function = next((one for one in facts.functions if mapping["FunctionArn"].endswith(f":{one.name}")), None)
    name = f"mapping of {function.logical if function else mapping['FunctionArn']}"
    update = f"aws lambda update-event-source-mapping --uuid {mapping['UUID']}"
    if mapping["State"] not in ("Enabled", "Enabling", "Updating"):
        yield broken(name, f"{mapping['State']}: the queue is not read", f"{update} --enabled")
        return
    if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", ()):
        says = "without ReportBatchItemFailures the answer of the function is not read: failed messages are deleted"
        yield broken(name, says, f"{update} --function-response-types ReportBatchItemFailures")
        return
    most = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
    reserved = function.reserved if function else None
    if most is None and name.endswith("Worker"):
        says = "no MaximumConcurrency: a long backlog takes all of the account's concurrency, the API's included"
        yield warning(name, says, f"{update} --scaling-config MaximumConcurrency=100")
    elif most and reserved is not None and most > reserved:
        says = f"MaximumConcurrency {most} is more than the {reserved} reserved: what is throttled counts as received"
        yield warning(name, says, f"{update} --scaling-config MaximumConcurrency={reserved}")
    else:
        yield ok(name, f"enabled, partial batch responses, at most {most or 'any number'} at once")


def logs(facts: FunctionFacts) -> Iterator[Finding]:
    forever = {one.log_group for one in facts.functions if one.retention is None}
    for group in sorted(forever):
        do = f"aws logs put-retention-policy --log-group-name {group} --retention-in-days 90"
        yield warning("log retention", f"{group}: kept (and paid for) for ever, or not there yet", do)
    if not forever:
        yield ok("log retention", ", ".join(sorted({f"{one.retention} days" for one in facts.functions})))
