"""One CloudFormation stack: changed by a change set, watched until it is done, deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

from botocore.exceptions import ClientError

from deploy.deployment import NotDeployed, remedy

_DEPLOYED = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
_DELETED = ("DELETE_COMPLETE",)
_STUCK = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED")
_UNCHANGED = ("didn't contain changes", "No updates are to be performed")


class CloudFormationStack:
    """`say` receives each line of progress. CloudFormation rolls back what fails; the exceptions here say why."""

    def __init__(self, cloudformation: Any, name: str, *, say: Callable[[str], None], seconds: float = 3) -> None:
        self._cloudformation = cloudformation
        self.name = name
        self._say = say
        self._seconds = seconds

    def describe(self, id: str | None = None) -> dict[str, Any] | None:
        """DescribeStacks' answer, or None if there is no such stack."""
        try:
            return dict(self._cloudformation.describe_stacks(StackName=id or self.name)["Stacks"][0])
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise

    def parameters(self) -> Collection[str]:
        """The names of the parameters that the stack has values for."""
        stack = self.describe()
        return [one["ParameterKey"] for one in stack.get("Parameters", [])] if stack else []

    def outputs(self) -> dict[str, str]:
        stack = self.describe() or {}
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}

    def propose(self, template_url: str, parameters: list[dict[str, Any]], tags: dict[str, str]) -> ChangeSet | None:
        """Create a change set. None if nothing would change. Raises NotDeployed if CloudFormation refuses it."""
        stack = self.describe()
        status = stack["StackStatus"] if stack else None
        if status in _STUCK:
            raise NotDeployed(f"{self.name} is {status}: it can only be deleted (make destroy), then deployed again")
        if status and status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
            raise NotDeployed(f"{self.name} is {status}: somebody else is deploying, try again when they are done")
        is_new = status in (None, "REVIEW_IN_PROGRESS")
        made = self._cloudformation.create_change_set(
            StackName=self.name,
            ChangeSetName=f"deploy-{time.time_ns():x}",
            ChangeSetType="CREATE" if is_new else "UPDATE",
            TemplateURL=template_url,
            Parameters=parameters,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            # A new stack that fails has nothing to keep, and would be in the way of the next attempt.
            **({"OnStackFailure": "DELETE"} if is_new else {}),
        )
        change_set = ChangeSet(made["Id"], made["StackId"], self._changes(made["Id"]))
        if change_set.changes is None:
            self.withdraw(change_set)
            return None
        return change_set

    def _changes(self, id: str) -> list[dict[str, Any]] | None:
        while True:
            answer = self._cloudformation.describe_change_set(ChangeSetName=id)
            if answer["Status"] == "FAILED":
                reason = answer.get("StatusReason", "")
                if any(words in reason for words in _UNCHANGED):
                    return None
                raise NotDeployed(f"CloudFormation refuses the template or its parameters: {reason}")
            if answer["Status"] == "CREATE_COMPLETE":
                break
            time.sleep(self._seconds)
        changes = list(answer["Changes"])
        while token := answer.get("NextToken"):
            answer = self._cloudformation.describe_change_set(ChangeSetName=id, NextToken=token)
            changes += answer["Changes"]
        return [change["ResourceChange"] for change in changes]

    def withdraw(self, change_set: ChangeSet) -> None:
        """Delete the change set; the stack stays as it is."""
        self._cloudformation.delete_change_set(ChangeSetName=change_set.id)

    def execute(self, change_set: ChangeSet) -> None:
        """Apply the change set and wait. Raises NotDeployed with what failed and why, after the rollback."""
        seen = {event["EventId"] for event in self._events(change_set.stack_id)}
        self._cloudformation.execute_change_set(ChangeSetName=change_set.id)
        self._watch(change_set.stack_id, seen, _DEPLOYED)

    def delete(self) -> bool:
        """Delete the stack and wait; return whether it existed. Raises NotDeployed with what could not be deleted."""
        stack = self.describe()
        if stack is None:
            return False
        seen = {event["EventId"] for event in self._events(stack["StackId"])}
        self._cloudformation.delete_stack(StackName=stack["StackId"])
        self._watch(stack["StackId"], seen, _DELETED)
        return True

    def _watch(self, id: str, seen: set[str], wanted: Collection[str]) -> None:
        failures: list[str] = []
        while True:
            # The status is read before the events: once it is final, no event is missing.
            stack = self.describe(id)
            for event in reversed([event for event in self._events(id) if event["EventId"] not in seen]):
                seen.add(event["EventId"])
                failures += self._tell(event)
            status = stack["StackStatus"] if stack else "DELETE_COMPLETE"
            if not status.endswith("_IN_PROGRESS"):
                break
            time.sleep(self._seconds)
        if status not in wanted:
            why = "\n".join(f"  {line}" for line in failures) or "  CloudFormation gives no reason"
            raise NotDeployed(f"{self.name} is {status}:\n{why}")

    def _tell(self, event: dict[str, Any]) -> Iterator[str]:
        status, name = event["ResourceStatus"], event["LogicalResourceId"]
        reason = event.get("ResourceStatusReason", "")
        if not status.endswith("_IN_PROGRESS"):
            self._say(f"  {event['Timestamp']:%H:%M:%S} {status:<22} {name}")
        # A resource that was cancelled because another one failed gives no reason of its own.
        if status.endswith("_FAILED") and "cancelled" not in reason:
            yield f"{name}: {reason}"
            if todo := remedy(reason):
                yield f"  {todo}"

    def _events(self, id: str) -> list[dict[str, Any]]:
        """The stack's events, newest first."""
        return list(self._cloudformation.describe_stack_events(StackName=id)["StackEvents"])


class ChangeSet:
    """What CloudFormation would do: `changes` are its ResourceChanges, or None if there are none."""

    def __init__(self, id: str, stack_id: str, changes: list[dict[str, Any]] | None) -> None:
        self.id = id
        self.stack_id = stack_id
        self.changes = changes
