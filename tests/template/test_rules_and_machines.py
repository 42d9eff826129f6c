"""What starts a machine, and what a machine leaves behind, in the packaged service."""

import json
import re

from tests.support.packaged import Package, text


def test_every_rule_target_has_a_dead_letter_queue_and_bounded_retries(dev: Package) -> None:
    for name, properties in dev.resources("AWS::Events::Rule").items():
        for target in properties["Targets"]:
            assert target["DeadLetterConfig"]["Arn"], name
            assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0, name


def test_every_dead_letter_queue_accepts_events_from_its_rules(dev: Package) -> None:
    """EventBridge has no role for it: the queue's own policy must let it in."""
    queues = {
        text(target["DeadLetterConfig"]["Arn"])
        for properties in dev.resources("AWS::Events::Rule").values()
        for target in properties["Targets"]
    }
    open_to_events = {
        text(statement["Resource"])
        for properties in dev.resources("AWS::SQS::QueuePolicy").values()
        for statement in properties["PolicyDocument"]["Statement"]
        if statement["Principal"] == {"Service": "events.amazonaws.com"}
    }

    assert queues <= open_to_events


def test_every_queue_that_is_a_target_accepts_events_from_its_rules_alone(dev: Package) -> None:
    senders: dict[str, set[str]] = {}
    for name, properties in dev.resources("AWS::Events::Rule").items():
        for target in properties["Targets"]:
            queue = re.fullmatch(r"\$\{(\w+)\.Arn\}", text(target["Arn"]))
            if queue and queue[1] in dev.resources("AWS::SQS::Queue"):
                senders.setdefault(queue[0], set()).add(f"${{{name}.Arn}}")

    assert senders
    for target_queue, rules in senders.items():
        statements = [
            statement
            for properties in dev.resources("AWS::SQS::QueuePolicy").values()
            for statement in properties["PolicyDocument"]["Statement"]
            if text(statement["Resource"]) == target_queue
        ]
        allowed = {
            text(arn)
            for statement in statements
            for arn in statement["Condition"]["ArnEquals"]["aws:SourceArn"]
        }
        assert {str(one["Principal"]) for one in statements} == {
            str({"Service": "events.amazonaws.com"})
        }
        assert allowed == rules, target_queue


def test_every_queue_that_a_function_reads_gives_it_time_and_keeps_what_it_cannot_process(
    dev: Package,
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""
    queues = dev.resources("AWS::SQS::Queue")
    functions = dev.resources("AWS::Lambda::Function")
    mappings = dev.resources("AWS::Lambda::EventSourceMapping")

    assert mappings
    for name, mapping in mappings.items():
        queue = queues[text(mapping["EventSourceArn"])[2:].removesuffix(".Arn}")]
        function = functions[text(mapping["FunctionName"])[2:].removesuffix(".Arn}")]
        assert queue["VisibilityTimeout"] >= 6 * function["Timeout"], name
        letters = text(queue["RedrivePolicy"]["deadLetterTargetArn"])[2:].removesuffix(".Arn}")
        assert letters in queues, name
        assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5, name


def test_every_rule_names_the_source_it_listens_to(dev: Package) -> None:
    for name, properties in dev.resources("AWS::Events::Rule").items():
        assert properties["EventPattern"]["source"], name


def test_every_machine_is_traced_and_has_a_log_group_with_a_retention(dev: Package) -> None:
    groups = dev.resources("AWS::Logs::LogGroup")
    for name, properties in dev.resources("AWS::StepFunctions::StateMachine").items():
        (destination,) = properties["LoggingConfiguration"]["Destinations"]
        group = destination["CloudWatchLogsLogGroup"]["LogGroupArn"]["Fn::GetAtt"][0]

        assert properties["TracingConfiguration"] == {"Enabled": True}, name
        assert properties["LoggingConfiguration"]["Level"] in ("ERROR", "ALL"), name
        assert groups[group]["RetentionInDays"] > 0, name
        # A longer list of names would not fit the log delivery's resource policy.
        assert groups[group]["LogGroupName"].startswith("/aws/vendedlogs/states/"), name


def test_no_machine_that_has_task_tokens_logs_its_data(dev: Package) -> None:
    """Readers of the log could complete the task. Parameters, inputs and outputs are all data."""
    with_tokens = {
        name
        for name, definition in dev.machines().items()
        if re.search(r"task\.?token", json.dumps(definition), re.IGNORECASE)
    }
    logging_data = {
        name
        for name, properties in dev.resources("AWS::StepFunctions::StateMachine").items()
        if properties["LoggingConfiguration"]["IncludeExecutionData"]
    }

    assert with_tokens
    assert with_tokens & logging_data == set()
