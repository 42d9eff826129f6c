"""What is recorded in the event log, by whom, and who may read it."""

from typing import Any

import pytest

from tests.support import catalogue
from tests.support.packaged import Package, Statement, text

RULE = "AWS::Events::Rule"
TABLE = "${EventLogTable.Arn}"
QUEUE = "${EventLogQueue.Arn}"


def recording(dev: Package) -> dict[str, dict[str, Any]]:
    """The rules that bring events to the event log."""
    return {
        name: rule
        for name, rule in dev.resources(RULE).items()
        if [text(target["Arn"]) for target in rule["Targets"]] == [QUEUE]
    }


def statements(dev: Package, function: str) -> list[Statement]:
    """What a function may do beside writing logs and traces."""
    properties = dev.template["Resources"][f"{function}LambdaFunction"]["Properties"]
    return [
        statement
        for statement in dev.statements(dev.role_of(properties))
        if not statement.actions[0].startswith(("xray:", "logs:"))
    ]


def test_every_source_of_the_catalogue_is_recorded_by_one_rule_of_its_bus(dev: Package) -> None:
    recorded = sorted(
        (text(rule.get("EventBusName", "default")), source)
        for rule in recording(dev).values()
        for source in rule["EventPattern"]["source"]
        if not source.startswith("aws.")
    )

    assert recorded == sorted({(event.bus, event.source) for event in catalogue.events()})


def test_changes_of_status_of_every_standard_machine_are_recorded(dev: Package) -> None:
    (rule,) = (
        rule for rule in recording(dev).values() if rule["EventPattern"]["source"] == ["aws.states"]
    )
    standard = {
        f"${{{name}}}"
        for name, properties in dev.resources("AWS::StepFunctions::StateMachine").items()
        if properties["StateMachineType"] == "STANDARD"
    }

    assert rule.get("EventBusName", "default") == "default"
    assert {text(arn) for arn in rule["EventPattern"]["detail"]["stateMachineArn"]} == standard
    assert "status" not in rule["EventPattern"]["detail"]


@pytest.mark.parametrize("queue", ["EventLogQueue", "EventLogDeadLetterQueue"])
def test_only_the_rules_of_the_event_log_send_to_its_queues(dev: Package, queue: str) -> None:
    (statement,) = (
        statement
        for properties in dev.resources("AWS::SQS::QueuePolicy").values()
        if properties["Queues"] == [{"Ref": queue}]
        for statement in properties["PolicyDocument"]["Statement"]
    )

    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sqs:SendMessage")
    assert text(statement["Resource"]) == f"${{{queue}.Arn}}"
    assert {text(arn) for arn in statement["Condition"]["ArnEquals"]["aws:SourceArn"]} == {
        f"${{{name}.Arn}}" for name in recording(dev)
    }


def test_what_cannot_be_recorded_is_kept(dev: Package) -> None:
    letters = {"Fn::GetAtt": ["EventLogDeadLetterQueue", "Arn"]}
    redrive = dev.resources("AWS::SQS::Queue")["EventLogQueue"]["RedrivePolicy"]

    assert redrive["deadLetterTargetArn"] == letters
    for rule in recording(dev).values():
        assert rule["Targets"][0]["DeadLetterConfig"] == {"Arn": letters}


def test_events_of_a_quiet_stage_do_not_wait_for_others(dev: Package) -> None:
    """With a batching window, Lambda may wait 20 seconds, however short the window is."""
    (mapping,) = (
        properties
        for properties in dev.resources("AWS::Lambda::EventSourceMapping").values()
        if text(properties["EventSourceArn"]) == QUEUE
    )

    assert mapping["BatchSize"] == 10
    assert not mapping.get("MaximumBatchingWindowInSeconds")
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 5}
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_index_of_recording_has_keys_only(dev: Package) -> None:
    indexes = dev.resources("AWS::DynamoDB::Table")["EventLogTable"]["GlobalSecondaryIndexes"]
    (index,) = (index for index in indexes if index["IndexName"] == "byRecording")

    assert [key["AttributeName"] for key in index["KeySchema"]] == ["recordedHour", "recordedAt"]
    assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


@pytest.mark.parametrize(
    ("function", "allowed"),
    [
        (
            "TrackEvent",
            {
                ("dynamodb:BatchWriteItem", TABLE),
                ("dynamodb:GetItem", TABLE),
                ("dynamodb:PutItem", TABLE),
                ("dynamodb:UpdateItem", TABLE),
                ("sqs:ReceiveMessage", QUEUE),
                ("sqs:DeleteMessage", QUEUE),
                ("sqs:GetQueueAttributes", QUEUE),
            },
        ),
        ("ListJobs", {("dynamodb:Query", f"{TABLE}/index/byStatus")}),
        ("GetJob", {("dynamodb:GetItem", TABLE), ("dynamodb:Query", TABLE)}),
    ],
)
def test_a_function_of_the_event_log_may_do_its_work_and_no_more(
    dev: Package, function: str, allowed: set[tuple[str, str]]
) -> None:
    assert {
        (action, resource)
        for statement in statements(dev, function)
        for action in statement.actions
        for resource in statement.resources
    } == allowed


@pytest.mark.parametrize("method", ["JobsGet", "JobsIdVarGet"])
def test_only_signed_requests_read_the_event_log(dev: Package, method: str) -> None:
    resource = dev.template["Resources"][f"ApiGatewayMethod{method}"]

    assert resource["Properties"]["AuthorizationType"] == "AWS_IAM"


def test_what_is_recorded_is_deleted_in_time(dev: Package) -> None:
    table = dev.resources("AWS::DynamoDB::Table")["EventLogTable"]
    function = dev.template["Resources"]["TrackEventLambdaFunction"]["Properties"]

    assert table.get("TimeToLiveSpecification") == {"AttributeName": "expiration", "Enabled": True}
    assert int(function["Environment"]["Variables"]["EVENT_LOG_DAYS"]) == 14
