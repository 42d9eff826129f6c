"""What AWS documents of an action: the resources it acts on, the condition keys it knows."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from tests.support import asl
from tests.support.packaged import Package

TABLES = Path(__file__).with_name("service-authorization.json")
# Names that have slashes or colons in them; others end at the next one.
LONG_NAMES = {"ObjectName", "RoleNameWithPath", "LogGroupName"}
SHORT, LONG = "\x01", "\x02"
# What a reference to a resource of the template becomes: its ARN, or a part of one.
ARNS = {
    "AWS::DynamoDB::Table": "dynamodb:{region}:{account}:table/{name}",
    "AWS::Events::EventBus": "events:{region}:{account}:event-bus/{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::Lambda::Function": "lambda:{region}:{account}:function:{name}",
    "AWS::S3::Bucket": "s3:::{name}",
    "AWS::SNS::Topic": "sns:{region}:{account}:{name}",
    "AWS::SQS::Queue": "sqs:{region}:{account}:{name}",
    "AWS::StepFunctions::StateMachine": "states:{region}:{account}:stateMachine:{name}",
}
REFERENCES_ARE_ARNS = {"AWS::SNS::Topic", "AWS::StepFunctions::StateMachine"}


@cache
def action(name: str) -> dict[str, Any] | None:
    """The types of resources (by name, with their ARN) and condition keys of `service:Action`."""
    service, _, verb = name.partition(":")
    table = _tables().get(service)
    if table is None or verb not in table["actions"]:
        return None
    row = table["actions"][verb]
    arns = {kind: table["resources"][kind] for kind in row["resources"]}
    return {"resources": arns, "conditions": set(row["conditions"])}


@cache
def _tables() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(TABLES.read_text())
    return loaded


def resolved(package: Package, resource: str) -> str:
    """A policy's resource with ARNs in the place of references."""
    for name, value in asl.PSEUDO_PARAMETERS.items():
        resource = resource.replace(f"${{{name}}}", value)
    return re.sub(r"\$\{(\w+)(\.Arn)?\}", lambda match: _arn(package, *match.groups()), resource)


def _arn(package: Package, logical_id: str, attribute: str | None) -> str:
    kind = package.template["Resources"][logical_id]["Type"]
    if not attribute and kind not in REFERENCES_ARE_ARNS:
        return logical_id
    rest = ARNS[kind].format(region=asl.REGION, account=asl.ACCOUNT, name=logical_id)
    return f"arn:{asl.PARTITION}:{rest}"


def acts_on(name: str, resource: str) -> bool:
    """Whether there is a resource of a type that the action acts on and that the ARN allows."""
    known = action(name)
    return known is not None and any(
        _overlap(resource, _pattern(arn)) for arn in known["resources"].values()
    )


def _pattern(arn: str) -> str:
    return re.sub(r"\$\{(\w+)\}", lambda match: LONG if match[1] in LONG_NAMES else SHORT, arn)


@cache
def _overlap(pattern: str, arn: str) -> bool:
    """Whether a text matches both: a resource of ours, with `*`, and AWS's ARN, with open names."""
    if pattern.startswith("*"):
        return _overlap(pattern[1:], arn) or (arn != "" and _overlap(pattern, arn[1:]))
    if arn.startswith((SHORT, LONG)):
        fits = pattern != "" and (arn[0] == LONG or pattern[0] not in "/:")
        return _overlap(pattern, arn[1:]) or (fits and _overlap(pattern[1:], arn))
    if not pattern or not arn:
        return pattern == arn
    return pattern[0] == arn[0] and _overlap(pattern[1:], arn[1:])
