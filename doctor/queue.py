"""The queue and its dead-letter queue, local or on AWS: their attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doctor.findings import Finding, broken, ok, warning

# AWS's advice for a queue that a function reads: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
VISIBILITY_FACTOR = 6
FEWEST_RECEIVES = 5
# From here on work arrives faster than it is done; at ten times as much, admission refuses new instances.
LONG_BACKLOG = 10_000
MAX_IN_FLIGHT = 120_000
OLD_SECONDS = 300


@dataclass(frozen=True, kw_only=True)
class QueueFacts:
    """GetQueueAttributes' answers. The visibility timeout must be six times `seconds`; `of` says what these are.

    `oldest` and `dead_oldest`: seconds since the oldest message was sent; None if unknown.
    """

    url: str
    dead_url: str
    attributes: Mapping[str, str]
    dead: Mapping[str, str]
    seconds: float
    of: str
    oldest: float | None = None
    dead_oldest: float | None = None


def attributes(sqs: Any, url: str) -> dict[str, str]:
    """Raises what boto3 raises."""
    found: dict[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found


def redrive(facts: QueueFacts) -> Finding:
    policy = json.loads(facts.attributes.get("RedrivePolicy", "{}"))
    wanted = {"deadLetterTargetArn": facts.dead["QueueArn"], "maxReceiveCount": FEWEST_RECEIVES}
    do = f"aws sqs set-queue-attributes --queue-url {facts.url} --attributes '{_nested(RedrivePolicy=wanted)}'"
    if not policy:
        return broken("redrive policy", "none: a message that no worker can take comes back for ever", do)
    if policy.get("deadLetterTargetArn") != wanted["deadLetterTargetArn"]:
        says = f"it leads to {policy.get('deadLetterTargetArn')}, and nobody reads dead letters there"
        return broken("redrive policy", says, do)
    receives = int(policy["maxReceiveCount"])
    if receives < FEWEST_RECEIVES:
        says = f"after {receives} receives a message is given up; throttled invocations count as receives"
        return warning("redrive policy", says, do)
    return ok("redrive policy", f"to the dead-letter queue after {receives} receives")


def visibility(facts: QueueFacts) -> Finding:
    seconds, least = int(facts.attributes["VisibilityTimeout"]), round(VISIBILITY_FACTOR * facts.seconds)
    if seconds < least:
        return warning(
            "visibility timeout",
            f"{seconds} s: less than {VISIBILITY_FACTOR} times {facts.of} ({facts.seconds:g} s), so messages come "
            "again while they are worked on, and end among the dead letters for it",
            f"aws sqs set-queue-attributes --queue-url {facts.url} --attributes VisibilityTimeout={least}",
        )
    return ok("visibility timeout", f"{seconds} s, at least {VISIBILITY_FACTOR} times {facts.of} ({facts.seconds:g} s)")


def backlog(facts: QueueFacts) -> Finding:
    waiting, held, in_hand = (
        int(facts.attributes[f"ApproximateNumberOfMessages{which}"]) for which in ("", "Delayed", "NotVisible")
    )
    says = f"{waiting:,} messages wait, {in_hand:,} are in hand, {held:,} are retries held back"
    if in_hand > 0.9 * MAX_IN_FLIGHT:
        return broken("backlog", f"{says}: SQS hands out no more than {MAX_IN_FLIGHT:,}", HOT_QUEUE)
    return warning("backlog", says, HOT_QUEUE) if waiting > LONG_BACKLOG else ok("backlog", says)


def age(facts: QueueFacts) -> Finding | None:
    if facts.oldest is None:
        return None
    says = f"the oldest message has waited {facts.oldest:.0f} s"
    return warning("oldest message", says, HOT_QUEUE) if facts.oldest > OLD_SECONDS else ok("oldest message", says)


def dead_letters(facts: QueueFacts) -> Finding:
    """Dead letters are consumed at once: if one stays, the consumer does not run, or cannot reach the store."""
    waiting, in_hand = (int(facts.dead[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible"))
    if not waiting + in_hand:
        return ok("dead letters", "none")
    old = f", the oldest for {facts.dead_oldest:.0f} s" if facts.dead_oldest else ""
    do = "docs/operate.md, Dead letters: mend what keeps `dead_letters` from settling them; they come again"
    says = f"{waiting:,} wait, {in_hand:,} are in hand{old}: their consumer does not keep up, or cannot reach the store"
    if (facts.dead_oldest or 0) > OLD_SECONDS:
        return broken("dead letters", says, do)
    return warning("dead letters", says, do)


def encryption(facts: QueueFacts) -> Finding:
    if facts.attributes.get("SqsManagedSseEnabled") == "true" or facts.attributes.get("KmsMasterKeyId"):
        return ok("queue encryption", "at rest")
    do = f"aws sqs set-queue-attributes --queue-url {facts.url} --attributes SqsManagedSseEnabled=true"
    return warning("queue encryption", "messages are not encrypted at rest", do)


def _nested(**values: Any) -> str:
    """JSON within JSON, as the AWS CLI expects it."""
    return json.dumps({name: json.dumps(value) for name, value in values.items()})


HOT_QUEUE = "docs/operate.md, Hot queue: see who sends, and give the workers more concurrency"
