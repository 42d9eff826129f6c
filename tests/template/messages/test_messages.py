"""What the messages workflow asks of AWS, in the packaged template."""

from typing import Any

import pytest

from tests.support.packaged import Package, text


def properties(template: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


# -- Bus, rule, machine ---------------------------------------------------------------------------


def test_every_stage_has_a_bus_of_its_own(dev: Package, prod: Package) -> None:
    names = [properties(p.template, "MessagesBus")["Name"] for p in (dev, prod)]

    assert names == ["stepworks-dev-commonbus", "stepworks-prod-commonbus"]


def test_the_rule_matches_one_source_on_that_bus(template: dict[str, Any]) -> None:
    rule = properties(template, "MessagesRule")

    assert rule["EventPattern"] == {"source": ["com.devpost.commonevent"]}
    assert text(rule["EventBusName"]) == "${MessagesBus}"
    assert rule["State"] == "ENABLED"


def test_the_machine_gets_the_whole_event(template: dict[str, Any]) -> None:
    (target,) = properties(template, "MessagesRule")["Targets"]

    assert text(target["Arn"]) == "${MessagesStateMachine}"
    assert not {"Input", "InputPath", "InputTransformer"} & set(target)


def test_the_rule_tries_four_times_then_sends_the_event_to_the_queue(
    template: dict[str, Any],
) -> None:
    (target,) = properties(template, "MessagesRule")["Targets"]

    assert target["RetryPolicy"]["MaximumRetryAttempts"] == 3
    assert text(target["DeadLetterConfig"]["Arn"]) == "${MessagesDeadLetterQueue.Arn}"


def test_only_the_rule_may_send_events_to_the_queue(template: dict[str, Any]) -> None:
    policy = properties(template, "MessagesDeadLetterQueuePolicy")

    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert text(statement["Condition"]["ArnEquals"]["aws:SourceArn"]) == "${MessagesRule.Arn}"


def test_the_rules_role_may_start_this_machine_and_nothing_else(dev: Package) -> None:
    role = properties(dev.template, "MessagesRuleRole")

    (statement,) = dev.statements("MessagesRuleRole")
    assert (statement.actions, statement.resources) == (
        ("states:StartExecution",),
        ("${MessagesStateMachine}",),
    )
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    assert trust["Condition"]["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_the_machine_is_a_standard_one(template: dict[str, Any]) -> None:
    machine = properties(template, "MessagesStateMachine")

    assert machine["StateMachineType"] == "STANDARD"
    assert machine["StateMachineName"] == "stepworks-dev-messages"


def test_the_recorders_task_has_the_agreed_payload(dev: Package) -> None:
    task = dev.machines()["MessagesStateMachine"]["States"]["Record Message"]

    assert task["Resource"] == "arn:${AWS::Partition}:states:::lambda:invoke.waitForTaskToken"
    assert task["TimeoutSeconds"] == 60
    assert task["Parameters"]["Payload"] == {
        "MyTaskToken.$": "$$.Task.Token",
        "Record": {
            "messageId.$": "$.id",
            "createdAt.$": "$.time",
            "event.$": "States.StringToJson($.detail.message)",
        },
    }
    assert task["ResultPath"] == "$.recordResult"


def test_checking_a_message_adds_nothing_to_it(dev: Package) -> None:
    """If a tool dropped the null, the result would replace the state's input."""
    task = dev.machines()["MessagesStateMachine"]["States"]["Check Message"]

    assert "ResultPath" in task
    assert task["ResultPath"] is None


@pytest.mark.parametrize("function", ["CheckMessage", "RecordMessage"])
def test_a_functions_timeout_is_shorter_than_its_tasks(dev: Package, function: str) -> None:
    """Otherwise the machine would see a timeout instead of the function's own error."""
    states = dev.machines()["MessagesStateMachine"]["States"]
    task = states[f"{function.removesuffix('Message')} Message"]
    timeout = properties(dev.template, f"{function}LambdaFunction")["Timeout"]

    assert timeout < task["TimeoutSeconds"]


def test_the_recorder_may_complete_this_machines_tasks_only(dev: Package) -> None:
    role = dev.role_of(properties(dev.template, "RecordMessageLambdaFunction"))
    machine = properties(dev.template, "MessagesStateMachine")["StateMachineName"]

    (statement,) = [s for s in dev.statements(role) if "states:SendTaskSuccess" in s.actions]
    assert set(statement.actions) == {"states:SendTaskFailure", "states:SendTaskSuccess"}
    (resource,) = statement.resources
    assert resource.endswith(f":stateMachine:{machine}")


# -- The table and the API ------------------------------------------------------------------------


def test_records_are_kept_by_message_id(template: dict[str, Any]) -> None:
    table = properties(template, "MessagesTable")

    assert table["KeySchema"] == [{"AttributeName": "messageId", "KeyType": "HASH"}]
    assert table["AttributeDefinitions"] == [{"AttributeName": "messageId", "AttributeType": "S"}]
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}


@pytest.mark.parametrize(
    ("verb", "path", "function"),
    [
        ("POST", "messages", "PublishMessage"),
        ("GET", "messages/{messageId}", "GetMessage"),
    ],
)
def test_a_route_requires_iam_and_calls_its_function(
    dev: Package, verb: str, path: str, function: str
) -> None:
    methods = {
        (method["HttpMethod"], route_of(dev, method)): method
        for method in dev.resources("AWS::ApiGateway::Method").values()
    }

    method = methods[verb, path]
    assert method["AuthorizationType"] == "AWS_IAM"
    assert method["Integration"]["Type"] == "AWS_PROXY"
    assert f"{function}LambdaFunction" in str(method["Integration"]["Uri"])


def route_of(package: Package, method: dict[str, Any]) -> str:
    parts: list[str] = []
    reference = method["ResourceId"]
    while "Ref" in reference:
        resource = properties(package.template, reference["Ref"])
        parts.insert(0, resource["PathPart"])
        reference = resource["ParentId"]
    return "/".join(parts)


def test_outputs_are_complete(template: dict[str, Any]) -> None:
    assert set(template["Outputs"]) >= {
        "MessagesStateMachineArn",
        "MessagesBusName",
        "MessagesTable",
        "MessagesDeadLetterQueueUrl",
        "ApiUrl",
    }
