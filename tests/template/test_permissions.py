"""Who may do what in the packaged service: no more than it does."""

import re
from typing import Any

import pytest

from tests.support.packaged import Package, every_statement, text

# Actions that AWS cannot narrow to a resource; everything else names one.
UNNARROWED = {
    # A state machine's log delivery: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
    # X-Ray has no resources to name: https://docs.aws.amazon.com/xray/latest/devguide/security_iam_id-based-policy-examples.html
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
}
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


def test_no_statement_allows_every_action(template: dict[str, Any]) -> None:
    for name, statement in every_statement(template):
        actions = (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
        if statement["Effect"] == "Allow":
            assert not [action for action in actions if "*" in action], name
            assert "NotAction" not in statement


def test_no_statement_allows_every_resource_but_where_aws_knows_no_other(dev: Package) -> None:
    for role in dev.resources("AWS::IAM::Role"):
        for statement in dev.statements(role):
            if "*" in statement.resources:
                assert set(statement.actions) <= UNNARROWED, role


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
        found += [use for value in definition.values() for use in uses(value)]
    elif isinstance(definition, list):
        found = [use for value in definition for use in uses(value)]
    return found


def use_of(task: dict[str, Any]) -> tuple[str, str]:
    resource = str(task["Resource"])
    if not resource.startswith("arn:aws:states:::"):
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


def test_states_roles_are_not_to_be_borrowed_by_other_accounts(dev: Package) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html"""
    for properties in dev.resources("AWS::StepFunctions::StateMachine").values():
        role = dev.template["Resources"][dev.role_of(properties)]["Properties"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]

        assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == {
            "Ref": "AWS::AccountId"
        }


def test_who_may_call_a_function_is_named_by_source(template: dict[str, Any]) -> None:
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Lambda::Permission":
            assert text(resource["Properties"]["SourceArn"]), name


def test_role_names_fit(dev: Package) -> None:
    """64 characters, with the longest region name, for stages of up to eight.

    serverless-iam-roles-per-function leaves its suffix out of a name that would be too long.
    """
    for name, properties in dev.resources("AWS::IAM::Role").items():
        given = text(properties.get("RoleName", "")).replace("${AWS::Region}", "ap-southeast-1")
        longest = given.removesuffix("-lambdaRole").replace("-dev-", "-a1234567-")
        assert len(longest) <= 64, name
