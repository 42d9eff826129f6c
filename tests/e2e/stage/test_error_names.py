"""The error names of integrations that `statemachines/error-names.yml` takes from documentation.

A role that may not call a service provokes an error without a class of its own: its name is that of
the base class. The local AWS enforces no role of a machine, so there the calls fail differently.
"""

from typing import Any

import pytest

from tests.e2e.stage.conftest import Probe
from tests.support.checks import only_on_aws

IMITATED = "its error names are those of local/gaps, taken from the same documentation"


@pytest.mark.check("error-names-of-eventbridge", only_on_aws=IMITATED)
def test_the_base_class_of_eventbridge(probe: Probe) -> None:
    entry = {"Source": "verify", "DetailType": "verify", "Detail": {}}
    parameters = {"Entries": [entry | {"EventBusName": f"{probe.name}-none"}]}
    error = probe_error(probe, "events:putEvents", parameters)

    assert error in ("EventBridge.AmazonEventBridgeException", "EventBridge.EventBridgeException")


@pytest.mark.check("error-names-of-sqs", only_on_aws=IMITATED)
def test_the_base_class_of_sqs(probe: Probe) -> None:
    aws = probe.aws
    url = aws.outputs["MessagesDeadLetterQueueUrl"]  # this role may not send to it
    if aws.is_local:
        url += "-none"
    error = probe_error(probe, "sqs:sendMessage", {"QueueUrl": url, "MessageBody": probe.name})

    assert error == "SQS.AmazonSQSException"


@pytest.mark.check("error-names-of-sns", only_on_aws=IMITATED)
def test_an_error_of_sns_has_a_class_of_the_first_sdk(probe: Probe) -> None:
    """A refusal has a class of its own, so only its form can be seen, not the base class."""
    topic = probe.aws.outputs["ImagesFailedTopicArn"]
    if probe.aws.is_local:
        topic += "-none"
    error = probe_error(probe, "sns:publish", {"TopicArn": topic, "Message": "verify"})

    assert error in ("SNS.AuthorizationErrorException", "SNS.AmazonSNSException")


@pytest.mark.check("error-names-of-dynamodb", only_on_aws=IMITATED)
def test_the_base_class_of_dynamodb(probe: Probe) -> None:
    table = probe.aws.outputs["MessagesTable"]
    if probe.aws.is_local:
        table += "-none"
    key = {"messageId": {"S": probe.name}}
    error = probe_error(probe, "dynamodb:getItem", {"TableName": table, "Key": key})

    assert error == "DynamoDB.AmazonDynamoDBException"


@pytest.mark.check("error-names-of-the-sdk", only_on_aws=IMITATED)
def test_a_wrong_token_has_its_own_class(probe: Probe) -> None:
    parameters = {"TaskToken": "no token", "Output": "{}"}
    error = probe_error(probe, "aws-sdk:sfn:sendTaskSuccess", parameters)

    assert error == "Sfn.InvalidTokenException"


def probe_error(probe: Probe, integration: str, parameters: dict[str, Any]) -> str:
    error = probe.error(f"arn:aws:states:::{integration}", parameters)
    only_on_aws(probe.aws, IMITATED)
    return error


# -- What Step Functions itself does ---------------------------------------------------------------

NAMED = "every name is allowed there"
CAUGHT = "an error of a function of the language is caught there"


@pytest.mark.check("reserved-error-names", only_on_aws=NAMED)
def test_a_machine_cannot_fail_with_a_reserved_name(probe: Probe) -> None:
    """Decision 0006: so every machine has a name of its own for such errors."""
    name = {"Type": "Pass", "Result": {"name": "States.Timeout"}, "Next": "Fail"}
    ended = probe.run({"Try": name, "Fail": {"Type": "Fail", "ErrorPath": "$.name"}})
    only_on_aws(probe.aws, NAMED)

    assert (ended["status"], ended.get("error")) != ("FAILED", "States.Timeout")


@pytest.mark.check("intrinsic-failures", only_on_aws=CAUGHT)
def test_an_error_of_an_intrinsic_function_is_not_caught(probe: Probe) -> None:
    """Decision 0019: so a function checks a message before the machine parses it."""
    function = probe.function("def handler(event, context): return event")
    ended = probe.run(
        {
            "Try": {
                "Type": "Task",
                "Resource": function,
                "Parameters": {"parsed.$": "States.StringToJson($.name)"},
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}],
                "TimeoutSeconds": 60,
                "End": True,
            },
            "Caught": {"Type": "Succeed"},
        }
    )
    only_on_aws(probe.aws, CAUGHT)

    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")


# -- How Lambda reports a process that it has ended ------------------------------------------------

ENDED = {
    "function-out-of-memory": (
        "def handler(event, context):\n    kept = [bytearray(2**24) for _ in range(64)]",
        {"MemorySize": 128, "Timeout": 30},
        "Runtime.OutOfMemory",
    ),
    "function-exits": (
        "import os\ndef handler(event, context):\n    os._exit(1)",
        {"MemorySize": 128, "Timeout": 30},
        "Runtime.ExitError",
    ),
    "function-times-out": (
        "import time\ndef handler(event, context):\n    time.sleep(10)",
        {"MemorySize": 128, "Timeout": 1},
        "Sandbox.Timedout",
    ),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            "function-out-of-memory",
            marks=pytest.mark.check(
                "function-out-of-memory", only_on_aws="it does not limit a function's memory"
            ),
        ),
        pytest.param(
            "function-exits",
            marks=pytest.mark.check(
                "function-exits", only_on_aws="local/gaps/error_names.py makes the name"
            ),
        ),
        pytest.param(
            "function-times-out",
            marks=pytest.mark.check(
                "function-times-out", only_on_aws="ministack makes the name, not Lambda"
            ),
        ),
    ],
)
def test_the_name_of_an_ended_process(probe: Probe, case: str) -> None:
    code, settings, expected = ENDED[case]
    if case != "function-exits":
        only_on_aws(probe.aws, "a function's memory and time are not those of Lambda")
    function = probe.function(code, **settings)

    assert probe.error(function, {}) == expected
