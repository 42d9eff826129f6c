"""Who may do what in the packaged service: no more than it does."""

import re
from typing import Any

import pytest

from tests.support import asl
from tests.support.packaged import Package, as_list, every_statement, text

LOGS_AND_TRACES = ("logs:", "xray:")
# How a service integration calls the IAM action and where its target stands in Parameters.
INTEGRATIONS = {
    "lambda:invoke": ("lambda:InvokeFunction", "FunctionName"),
    "events:putEvents": ("events:PutEvents", "Entries"),
    "dynamodb:getItem": ("dynamodb:GetItem", "TableName"),
    "dynamodb:putItem": ("dynamodb:PutItem", "TableName"),
    "dynamodb:updateItem": ("dynamodb:UpdateItem", "TableName"),
    "sns:publish": ("sns:Publish", "TopicArn"),
    "sqs:sendMessage": ("sqs:SendMessage", "QueueUrl"),
    "aws-sdk:sfn:startExecution": ("states:StartExecution", "StateMachineArn"),
    "aws-sdk:sfn:sendTaskSuccess": ("states:SendTaskSuccess", None),
    "aws-sdk:sfn:sendTaskFailure": ("states:SendTaskFailure", None),
}

# What a distributed Map does itself: it reads its items, and starts and watches child executions of
# its own machine. https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
DISTRIBUTED_MAP = (
    *("states:StartExecution", "states:DescribeExecution", "states:StopExecution"),
    "s3:GetObject",
)

# On what condition a role trusts a service. Without one, another account's resources could borrow
# the role through the service: https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
TRUST = {
    "states.amazonaws.com": THIS_ACCOUNT,
    "events.amazonaws.com": THIS_ACCOUNT,
    "scheduler.amazonaws.com": THIS_ACCOUNT,
    # API Gateway sends no aws:SourceAccount when it assumes an integration's role, so with the
    # condition every request ends with 500. Seen on AWS:
    # https://github.com/aws-solutions-library-samples/accelerated-intelligent-document-processing-on-aws/pull/479
    "apigateway.amazonaws.com": None,
    # A function gets a role by iam:PassRole, which stays within the account.
    "lambda.amazonaws.com": None,
}


def test_no_statement_allows_every_action(template: dict[str, Any]) -> None:
    for name, statement in every_statement(template):
        if statement["Effect"] == "Allow":
            assert not [action for action in as_list(statement["Action"]) if "*" in action], name
            assert "NotAction" not in statement


@pytest.mark.parametrize("direction", ["granted", "used"])
def test_machine_roles_grant_what_their_tasks_use_and_no_more(dev: Package, direction: str) -> None:
    machines = dev.resources("AWS::StepFunctions::StateMachine")
    for name, properties in machines.items():
        used = set(uses(dev.machines()[name]))
        granted = {
            (action, resource)
            for statement in dev.statements(dev.role_of(properties))
            for action in statement.actions
            if not action.startswith(LOGS_AND_TRACES)
            for resource in statement.resources
        }
        if direction == "granted":
            assert [use for use in used if not any(covers(grant, use) for grant in granted)] == []
        else:
            assert [grant for grant in granted if not any(covers(grant, use) for use in used)] == []


def uses(definition: Any) -> list[tuple[str, str]]:
    """Every (action, target) of every Task of a definition; the target may be unknown: ''."""
    found = []
    if isinstance(definition, dict):
        if definition.get("Type") == "Task":
            found.append(use_of(definition))
        if asl.is_distributed(definition):
            found += [(action, "") for action in DISTRIBUTED_MAP]
        found += [use for value in definition.values() for use in uses(value)]
    elif isinstance(definition, list):
        found = [use for value in definition for use in uses(value)]
    return found


def use_of(task: dict[str, Any]) -> tuple[str, str]:
    resource = str(task["Resource"])
    if ":states:::" not in resource:
        return "lambda:InvokeFunction", resource
    integration = re.sub(r"\.(sync|waitForTaskToken)(:2)?$", "", resource.split(":::", 1)[1])
    action, parameter = INTEGRATIONS[integration]
    return action, str(task["Parameters"].get(parameter, "")) if parameter else ""


def covers(grant: tuple[str, str], use: tuple[str, str]) -> bool:
    """The action is the same, and the target is the resource, by its ARN or by its name."""
    (granted, resource), (used, target) = grant, use
    logical_ids = set(re.findall(r"\$\{(\w+)(?:\.Arn)?\}", target))
    return granted == used and (
        not logical_ids or any(logical_id in resource for logical_id in logical_ids)
    )


def test_roles_are_assumed_by_services_of_this_account_only(dev: Package) -> None:
    for name, properties in dev.resources("AWS::IAM::Role").items():
        for statement in properties["AssumeRolePolicyDocument"]["Statement"]:
            assert statement["Action"] in ("sts:AssumeRole", ["sts:AssumeRole"]), name
            assert set(statement["Principal"]) == {"Service"}, name


def test_roles_ask_for_this_account_of_every_service_that_names_it(dev: Package) -> None:
    asked = {}
    for name, properties in dev.resources("AWS::IAM::Role").items():
        (statement,) = properties["AssumeRolePolicyDocument"]["Statement"]
        (service,) = as_list(statement["Principal"]["Service"])
        asked[service] = TRUST[service]
        assert statement.get("Condition") == TRUST[service], name

    assert asked == TRUST


def test_permissions_to_call_a_function_name_the_source(template: dict[str, Any]) -> None:
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Lambda::Permission":
            assert text(resource["Properties"]["SourceArn"]), name


def test_role_names_fit(dev: Package) -> None:
    """64 characters, with the longest region name, for stages of up to eight.

    serverless-iam-roles-per-function leaves its suffix out of a name that would be too long.
    """
    for name, properties in dev.resources("AWS::IAM::Role").items():
        name_pattern = text(properties.get("RoleName", "")).replace(
            "${AWS::Region}", "ap-southeast-1"
        )
        longest = name_pattern.removesuffix("-lambdaRole").replace("-dev-", "-a1234567-")
        assert len(longest) <= 64, name
