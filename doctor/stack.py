"""A deployed stack, as CloudFormation describes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from doctor.findings import Finding, broken, ok, warning


@dataclass(frozen=True, kw_only=True)
class Resource:
    logical: str
    physical: str
    type: str
    status: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class StackFacts:
    """`drift`: the result of the last drift detection, which CloudFormation does not start by itself."""

    name: str
    status: str
    reason: str
    drift: str
    outputs: Mapping[str, str]
    resources: tuple[Resource, ...]

    def of_type(self, type: str) -> list[Resource]:
        """The resources that exist: an emulator also lists those that a condition leaves out."""
        return [resource for resource in self.resources if resource.type == type and resource.physical]

    def physical(self, logical: str) -> str:
        """The physical id. Raises LookupError."""
        for resource in self.resources:
            if resource.logical == logical:
                return resource.physical
        raise LookupError(f"the stack {self.name} has no resource {logical}")


def gather(cloudformation: Any, name: str) -> StackFacts:
    """Raises what boto3 raises."""
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    return StackFacts(
        name=name,
        status=stack["StackStatus"],
        reason=stack.get("StackStatusReason", ""),
        drift=stack.get("DriftInformation", {}).get("StackDriftStatus", "NOT_CHECKED"),
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
        resources=tuple(
            Resource(
                logical=one["LogicalResourceId"],
                physical=one.get("PhysicalResourceId", ""),
                type=one["ResourceType"],
                status=one["ResourceStatus"],
                reason=one.get("ResourceStatusReason", ""),
            )
            for page in pages
            for one in page["StackResourceSummaries"]
        ),
    )


def status(facts: StackFacts) -> Finding:
    events = f"aws cloudformation describe-stack-events --stack-name {facts.name} --max-items 50"
    says = f"{facts.name} is {facts.status}" + (f": {facts.reason}" if facts.reason else "")
    if facts.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"):
        return ok("stack", says)
    if facts.status.endswith("IN_PROGRESS"):
        return warning("stack", says, f"wait for it: {events}")
    if facts.status == "UPDATE_ROLLBACK_COMPLETE":
        return warning("stack", f"{says}; the version before it serves", f"docs/operate.md, Failed deploy: {events}")
    if facts.status == "UPDATE_ROLLBACK_FAILED":
        return broken("stack", says, f"aws cloudformation continue-update-rollback --stack-name {facts.name}")
    return broken("stack", says, f"docs/operate.md, Failed deploy: {events}")


def resources(facts: StackFacts) -> Iterator[Finding]:
    bad = [one for one in facts.resources if one.status.endswith("_FAILED")]
    for one in bad:
        events = f"aws cloudformation describe-stack-events --stack-name {facts.name} --max-items 50"
        yield broken("stack resource", f"{one.logical} ({one.type}) is {one.status}: {one.reason}", events)
    if not bad:
        yield ok("stack resources", f"{len(facts.resources)}, none failed")


def drift(facts: StackFacts) -> Finding:
    if facts.drift == "DRIFTED":
        return warning(
            "drift",
            "somebody changed resources past the template; the next deployment may undo that, or trip over it",
            f"aws cloudformation describe-stack-resource-drifts --stack-name {facts.name} "
            "--stack-resource-drift-status-filters MODIFIED DELETED",
        )
    asked = (
        "" if facts.drift != "NOT_CHECKED" else f" (aws cloudformation detect-stack-drift --stack-name {facts.name})"
    )
    return ok("drift", facts.drift.lower().replace("_", " ") + asked)
