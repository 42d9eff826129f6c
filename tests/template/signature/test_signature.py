"""What the signature workflow asks of AWS, in the packaged template."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from handlers.signature.withdraw_signature_request import REASONS
from tests.support import asl
from tests.support.packaged import Package, text

STAGES = ("dev", "prod", "local")
TABLE = "SignatureRequestsTable"
MACHINE = "stateMachine:stepworks-dev-signature"


def properties(template: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def allowed(dev: Package, function: str) -> dict[str, list[str]]:
    """Resources by action, of a function's own role; traces and logs aside."""
    logical_id = f"{function[0].upper()}{function[1:]}LambdaFunction"
    found: dict[str, list[str]] = {}
    for statement in dev.statements(dev.role_of(properties(dev.template, logical_id))):
        for action in statement.actions:
            if not action.startswith(("logs:", "xray:")):
                found.setdefault(action, []).extend(statement.resources)
    return found


# -- Who may do what ------------------------------------------------------------------------------


def test_the_page_function_has_read_access_only(dev: Package) -> None:
    assert set(allowed(dev, "showSignatureRequest")) == {"dynamodb:GetItem"}


def test_the_list_function_may_query_one_index_only(dev: Package) -> None:
    (resource,) = allowed(dev, "listSignatureRequests")["dynamodb:Query"]

    assert set(allowed(dev, "listSignatureRequests")) == {"dynamodb:Query"}
    assert resource == f"${{{TABLE}.Arn}}/index/byStatus"


def test_alices_function_has_no_permissions(dev: Package) -> None:
    assert allowed(dev, "signDocument") == {}


@pytest.mark.parametrize(
    "function",
    [
        "requestDocumentSignature",
        "cancelSignatureRequest",
        "completeSignatureRequest",
        "decideSignatureRequest",
    ],
)
def test_callbacks_go_to_this_machine_only(dev: Package, function: str) -> None:
    for action, resources in allowed(dev, function).items():
        if action.startswith("states:"):
            assert all(resource.endswith(MACHINE) for resource in resources)


def test_policies_use_the_machines_name(template: dict[str, Any]) -> None:
    machine = properties(template, "SignatureStateMachine")

    assert MACHINE.endswith(machine["StateMachineName"])


def test_the_cancel_function_cannot_complete_a_task_with_a_signature(dev: Package) -> None:
    assert "states:SendTaskSuccess" not in allowed(dev, "cancelSignatureRequest")


def test_reminders_are_scheduled_in_their_own_group_for_their_own_role(dev: Package) -> None:
    granted = allowed(dev, "requestDocumentSignature")

    assert granted["scheduler:CreateSchedule"][0].endswith("schedule/${SignatureReminders}/*")
    assert granted["iam:PassRole"] == ["${SignatureReminderRole.Arn}"]
    statements = dev.statements("SignatureReminderRole")
    assert {(action, *one.resources) for one in statements for action in one.actions} == {
        ("lambda:InvokeFunction", "${RemindSignerLambdaFunction.Arn}"),
        ("sqs:SendMessage", "${SignatureReminderFailureQueue.Arn}"),
    }


@pytest.mark.parametrize("function", ["deliverDecisions", "remindSigner"])
def test_functions_that_deliver_decisions_may_complete_tasks(dev: Package, function: str) -> None:
    granted = allowed(dev, function)

    for action in ("states:SendTaskSuccess", "states:SendTaskFailure"):
        assert [resource.rpartition(":")[2] for resource in granted[action]] == [
            "stepworks-dev-signature"
        ]


def test_deliver_decisions_queries_an_index_of_undelivered_decisions_only(dev: Package) -> None:
    granted = allowed(dev, "deliverDecisions")

    assert granted["dynamodb:Query"] == [f"${{{TABLE}.Arn}}/index/undelivered"]
    assert set(granted) == {
        *("dynamodb:Query", "dynamodb:GetItem", "dynamodb:UpdateItem"),
        *("states:SendTaskSuccess", "states:SendTaskFailure"),
    }


def test_withdraw_signature_request_may_not_complete_tasks(dev: Package) -> None:
    assert allowed(dev, "withdrawSignatureRequest") == {
        "dynamodb:UpdateItem": [f"${{{TABLE}.Arn}}"],
        "sqs:SendMessage": ["${SignatureWithdrawalFailureQueue.Arn}"],
    }


# -- What calls functions by itself ---------------------------------------------------------------


def test_decisions_are_delivered_every_few_minutes_on_every_stage(
    package: Callable[..., Package],
) -> None:
    for stage in ("dev", "prod"):
        schedule = properties(package(stage).template, "SignatureDeliveries")
        match = re.fullmatch(r"rate\((\d+) minutes?\)", schedule["ScheduleExpression"])

        assert match
        assert 1 <= int(match[1]) <= 5
        assert schedule.get("State", "ENABLED") == "ENABLED"
        assert text(schedule["Target"]["Arn"]) == "${DeliverDecisionsLambdaFunction.Arn}"


def test_the_delivery_schedule_may_call_its_function_only(dev: Package) -> None:
    schedule = properties(dev.template, "SignatureDeliveries")
    (statement,) = dev.statements(schedule["Target"]["RoleArn"]["Fn::GetAtt"][0])

    assert statement.actions == ("lambda:InvokeFunction",)
    assert statement.resources == ("${DeliverDecisionsLambdaFunction.Arn}",)


def test_requests_are_withdrawn_when_executions_of_this_stages_own_machine_end(
    dev: Package,
) -> None:
    rule = properties(dev.template, "SignatureExecutionEndedRule")
    (target,) = rule["Targets"]

    assert "EventBusName" not in rule  # Step Functions' events are on the default bus alone
    assert rule["EventPattern"] == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "stateMachineArn": [{"Ref": "SignatureStateMachine"}],
            "status": sorted(REASONS),
        },
    }
    assert text(target["Arn"]) == "${WithdrawSignatureRequestLambdaFunction.Arn}"
    assert text(target["DeadLetterConfig"]["Arn"]) == "${SignatureWithdrawalFailureQueue.Arn}"
    assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0


# -- What is kept ---------------------------------------------------------------------------------


def test_indexes_hold_no_secrets(template: dict[str, Any]) -> None:
    for index in properties(template, TABLE)["GlobalSecondaryIndexes"]:
        projection = index["Projection"]
        assert projection["ProjectionType"] in ("INCLUDE", "KEYS_ONLY")
        assert not {"taskToken", "codeHashes", "pageUrl"} & set(
            projection.get("NonKeyAttributes", [])
        )


def test_requests_have_a_time_to_live(template: dict[str, Any]) -> None:
    assert properties(template, TABLE)["TimeToLiveSpecification"] == {
        "AttributeName": "expiration",
        "Enabled": True,
    }


def test_the_machines_log_has_no_data_and_so_no_tokens(template: dict[str, Any]) -> None:
    logging = properties(template, "SignatureStateMachine")["LoggingConfiguration"]

    assert logging["IncludeExecutionData"] is False
    assert logging["Level"] == "ERROR"


# -- How long -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_the_machine_times_out_a_day_after_bobs_task(stage: str) -> None:
    definition = asl.definition("signature", stage)
    (bob,) = (state for state in asl.states("signature", stage) if state.waits_for_token)

    assert bob.body["TimeoutSeconds"] == bob.body["Parameters"]["Payload"]["timeoutSeconds"]
    assert definition["TimeoutSeconds"] >= bob.body["TimeoutSeconds"] + 24 * 3600


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_bob_has_seven_days(stage: str) -> None:
    (bob,) = (state for state in asl.states("signature", stage) if state.waits_for_token)

    assert bob.body["TimeoutSeconds"] == 7 * 24 * 3600


def test_bobs_task_has_the_url_of_the_api(dev: Package) -> None:
    branches = dev.machines()["SignatureStateMachine"]["States"]["Gather Signatures"]["Branches"]
    payload = branches[1]["States"]["Bob Signature"]["Parameters"]["Payload"]

    assert payload["apiUrl"] == text(dev.template["Outputs"]["ApiUrl"]["Value"])


def test_outputs_name_the_machine_the_table_and_the_api(template: dict[str, Any]) -> None:
    assert template["Outputs"].keys() >= {
        "SignatureStateMachineArn",
        "SignatureRequestsTable",
        "ApiUrl",
    }


# -- What API Gateway lets through ----------------------------------------------------------------


def test_the_schema_accepts_only_a_document_id_that_is_a_string_or_an_integer(
    template: dict[str, Any],
) -> None:
    method = properties(template, "ApiGatewayMethodDocumentsPost")
    model = method["RequestModels"]["application/json"]["Ref"]
    schema = properties(template, model)["Schema"]

    assert schema["required"] == ["documentId"]
    assert schema["additionalProperties"] is False
    assert schema["properties"].keys() == {"documentId"}
    assert schema["properties"]["documentId"]["type"] == ["string", "integer"]
    assert schema["properties"]["documentId"]["pattern"] == r"^[A-Za-z0-9_.:-]{1,128}(?![\s\S])"


def test_the_apis_role_may_only_start_this_machine(dev: Package) -> None:
    method = properties(dev.template, "ApiGatewayMethodDocumentsPost")
    (template,) = method["Integration"]["RequestTemplates"].values()
    (statement,) = dev.statements("SignatureApiRole")

    assert method["Integration"]["Credentials"] == {"Fn::GetAtt": ["SignatureApiRole", "Arn"]}
    assert "${SignatureStateMachine}" in text(template)
    assert (statement.actions, statement.resources) == (
        ("states:StartExecution",),
        ("${SignatureStateMachine}",),
    )


@pytest.mark.parametrize(
    ("method", "authorization"),
    [
        ("ApiGatewayMethodDocumentsPost", "AWS_IAM"),
        ("ApiGatewayMethodSignaturesGet", "AWS_IAM"),
        ("ApiGatewayMethodSignaturesRequestidVarGet", "NONE"),  # the code in the link is the key
        ("ApiGatewayMethodSignaturesRequestidVarPost", "NONE"),
    ],
)
def test_only_bobs_page_is_public(
    template: dict[str, Any], method: str, authorization: str
) -> None:
    assert properties(template, method)["AuthorizationType"] == authorization


def test_functions_time_out_before_api_gateway(template: dict[str, Any]) -> None:
    """29 seconds: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
    for name in ("Show", "Decide"):
        assert properties(template, f"{name}SignatureRequestLambdaFunction")["Timeout"] < 29
    assert properties(template, "ListSignatureRequestsLambdaFunction")["Timeout"] < 29
