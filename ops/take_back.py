"""`python -m ops take-back …`: make a new stack from what a removed stack retained.

CloudFormation imports the buckets and tables (a change set of type IMPORT). A deployment then
updates this stack and creates the rest. On the local AWS or, with `--stage prod`, in your account.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources.html
"""

import argparse
import json
import re
from typing import Any

from rich.console import Console

from ops.account import Account, add_stage_argument
from ops.errors import OpsError

SUMMARY = "make a stack from the buckets and tables that a removed stack retained"

# What is imported, and the property with its name.
IDENTIFIERS = {"AWS::S3::Bucket": "BucketName", "AWS::DynamoDB::Table": "TableName"}
CHANGE_SET = "take-back"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_stage_argument(parser)
    parser.add_argument(
        "--resource",
        action="append",
        default=[],
        metavar="ID=NAME",
        help="the name of a bucket or table, if CloudFormation does not know it; may be repeated",
    )


def run(account: Account, options: argparse.Namespace, console: Console) -> bool:
    names = dict(pair.partition("=")[::2] for pair in options.resource)
    imported = take_back(account.clients("cloudformation"), account.stack, names)
    for logical_id, name in sorted(imported.items()):
        console.print(f"{logical_id}  {name}", soft_wrap=True, highlight=False)
    console.print(f"The stack {account.stack} now has these resources. Deploy to create the rest.")
    return True


def take_back(cloudformation: Any, stack: str, names: dict[str, str]) -> dict[str, str]:
    """Make a stack from what the last removed stack of this name retained.

    Returns the names by logical id. `names` adds to the names that CloudFormation knows.
    """
    resources, names = retained_resources(cloudformation, stack, names)
    cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=CHANGE_SET,
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps({"Resources": without_references(resources)}),
        ResourcesToImport=[
            {
                "ResourceType": resource["Type"],
                "LogicalResourceId": logical_id,
                "ResourceIdentifier": {IDENTIFIERS[resource["Type"]]: names[logical_id]},
            }
            for logical_id, resource in resources.items()
        ],
    )
    change_set = {"StackName": stack, "ChangeSetName": CHANGE_SET}
    waiter_config = {"Delay": 1, "MaxAttempts": 120}
    cloudformation.get_waiter("change_set_create_complete").wait(
        **change_set, WaiterConfig=waiter_config
    )
    cloudformation.execute_change_set(**change_set)
    cloudformation.get_waiter("stack_import_complete").wait(
        StackName=stack, WaiterConfig=waiter_config
    )
    return {logical_id: names[logical_id] for logical_id in resources}


def retained_resources(
    cloudformation: Any, stack: str, names: dict[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Retained resources of a removed stack, as in its template, and their names.

    The newest removed stack that retained any: a later one may be a failed attempt without any.
    """
    stacks = removed_stacks(cloudformation, stack)
    if not stacks:
        raise OpsError(
            f"CloudFormation knows no removed stack {stack}; it remembers one for 90 days."
            " Import the retained resources by hand, or deploy another stage."
        )
    for removed in stacks:
        known = skipped(cloudformation, removed) | names
        template = cloudformation.get_template(StackName=removed)["TemplateBody"]
        resources = {
            logical_id: resource
            for logical_id, resource in template["Resources"].items()
            if logical_id in known and resource["Type"] in IDENTIFIERS
        }
        if resources:
            return resources, known
    raise OpsError(
        f"CloudFormation knows no bucket or table that the removed stack {stack} retained."
        " Name each one: --resource SensorTargetBucket=<name>."
    )


def removed_stacks(cloudformation: Any, stack: str) -> list[str]:
    """Ids of the removed stacks with this name, newest first."""
    pages = cloudformation.get_paginator("list_stacks")
    removed = [
        (summary["CreationTime"], summary["StackId"])
        for page in pages.paginate(StackStatusFilter=["DELETE_COMPLETE"])
        for summary in page["StackSummaries"]
        if summary["StackName"] == stack
    ]
    return [stack_id for _, stack_id in sorted(removed, reverse=True)]


def skipped(cloudformation: Any, removed: str) -> dict[str, str]:
    """Names, by logical id, of resources that were not deleted with the stack."""
    pages = cloudformation.get_paginator("list_stack_resources")
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages.paginate(StackName=removed)
        for resource in page["StackResourceSummaries"]
        if resource["ResourceStatus"] == "DELETE_SKIPPED"
    }


def without_references(resources: dict[str, Any]) -> dict[str, Any]:
    """The resources without references to others, which do not exist yet: deploying adds them."""
    return {
        logical_id: {
            **{
                key: value
                for key, value in resource.items()
                if key not in ("DependsOn", "Condition")
            },
            "Properties": {
                name: value
                for name, value in resource.get("Properties", {}).items()
                if _references(value) <= resources.keys()
            },
        }
        for logical_id, resource in resources.items()
    }


def _references(value: Any) -> set[str]:
    """Logical ids that a value refers to, without pseudo parameters (`AWS::Region`)."""
    if isinstance(value, list):
        return {found for item in value for found in _references(item)}
    if not isinstance(value, dict):
        return set()
    found = {found for item in value.values() for found in _references(item)}
    if "Ref" in value:
        found.add(value["Ref"])
    if "Fn::GetAtt" in value:
        target = value["Fn::GetAtt"]
        found.add(target.partition(".")[0] if isinstance(target, str) else target[0])
    if "Fn::Sub" in value:
        pattern = value["Fn::Sub"] if isinstance(value["Fn::Sub"], str) else value["Fn::Sub"][0]
        found |= {name.partition(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", pattern)}
    return {name for name in found if not name.startswith("AWS::")}
