"""A deployment, as far as it is decided without asking AWS: names, parameters, and what must not be replaced."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from chalicelib.errors import BadSettings
from chalicelib.settings import Settings
from local import check

Template = dict[str, Any]
# The resources that hold instances in flight: replacing one loses them.
STATE = frozenset({"Cache", "Queue", "DeadLetterQueue", "Values"})
# Patterns of the reasons that CloudFormation gives, for failures with one well-known remedy.
REMEDIES = {
    r"UnreservedConcurrentExecution": "The account allows too few functions at once to reserve any: "
    "PARAMS=ReserveConcurrency=no, or have its limit raised.",
    r"subnet.*(availability zone|not supported)": "Name other subnets: PARAMS='VpcId=... SubnetIds=...'.",
    r"ConnectionType|public endpoint": "This region has no public endpoints for ElastiCache Serverless yet: "
    "PARAMS='VpcId=... SubnetIds=...', or an existing store by RedisUrl.",
}


class NotDeployed(Exception):
    """Nothing was deployed, or not all of it. The message says why, and what to do."""


def stack_name(stage: str) -> str:
    """dag-service-STAGE. Raises NotDeployed if AWS would refuse one of the names that contain the stage."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,19}", stage):
        raise NotDeployed(f"`{stage}` is no name for a stage: a letter, then letters, digits and hyphens, at most 20")
    return f"dag-service-{stage}"


def check_settings(config: Mapping[str, Any], stage: str) -> list[str]:
    """Check what .chalice/config.json sets for the stage's functions. Returns a line for each name that may be a typo.

    Raises BadSettings with every fault: with any of them a function would refuse to start.
    """
    of_stage = config.get("stages", {}).get(stage, {})
    shared = {**config.get("environment_variables", {}), **of_stage.get("environment_variables", {})}
    names = {*config.get("lambda_functions", {}), *of_stage.get("lambda_functions", {})}
    own = [place.get("lambda_functions", {}).get(name, {}) for place in (config, of_stage) for name in names]
    every = [shared, *({**shared, **one["environment_variables"]} for one in own if "environment_variables" in one)]
    faults, slips = dict[str, None](), dict[str, None]()
    for variables in every:
        slips |= dict.fromkeys(check.slips(variables))
        try:
            Settings.from_environment(variables)
        except BadSettings as error:
            faults |= dict.fromkeys(error.faults)
    if faults:
        raise BadSettings(faults)
    return list(slips)


def parameters(
    template: Template, stage: Mapping[str, str], given: Mapping[str, str], existing: Collection[str]
) -> list[dict[str, Any]]:
    """CloudFormation's Parameters: those given, else what the stage sets, else what the stack has, else the default.

    Raises NotDeployed for names that the template does not have, and values that do not go together.
    """
    known = template.get("Parameters", {})
    if unknown := sorted(set(given) - set(known)):
        raise NotDeployed(f"there is no parameter {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    values = {**stage, **given}
    if values.get("VpcId") and not (values.get("SubnetIds") or "SubnetIds" in existing):
        raise NotDeployed("VpcId needs SubnetIds: two or three of its subnets, in different zones, with commas between")
    kept = [name for name in known if name in existing and name not in values]
    return [
        *({"ParameterKey": name, "ParameterValue": value} for name, value in values.items()),
        *({"ParameterKey": name, "UsePreviousValue": True} for name in kept),
    ]


def located(template: Template, bucket: str, key: str) -> Template:
    """The template with the functions' code in the bucket, instead of in a file next to it."""
    moved = copy.deepcopy(template)
    for resource in moved["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": key}
    return moved


def state_at_risk(changes: Iterable[Mapping[str, Any]]) -> list[str]:
    """The resources of STATE that a change set's ResourceChanges would replace or remove."""
    return sorted(
        change["LogicalResourceId"]
        for change in changes
        if change["LogicalResourceId"] in STATE
        and (change["Action"] == "Remove" or change.get("Replacement", "False") != "False")
    )


def remedy(reason: str) -> str | None:
    return next((text for pattern, text in REMEDIES.items() if re.search(pattern, reason, re.I)), None)
