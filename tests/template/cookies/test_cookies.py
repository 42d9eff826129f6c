"""The cookies workflow in the packaged template."""

import re
from typing import Any

import pytest

from tests.support import asl
from tests.support.packaged import ChangedPackage, Package, text

RULE, FUNCTION = "AWS::Events::Rule", "AWS::Lambda::Function"
RULES = {
    "CookiesStartRule": ["start"],
    "TaskGetMultipleRule": ["task.get.multiple"],
    "TaskProcessSingleRule": ["task.process.single"],
    "TaskProcessSinglePostRule": ["task.process.single.post"],
    "TaskProcessAllRule": ["task.process.all"],
    "TaskFinishedOrFailedRule": ["task.finished", "task.failed"],
}
WORKERS = ["getMultiple", "processSingle", "postProcessSingle", "postProcessAll"]


def properties(template: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def function(package: Package, key: str) -> dict[str, Any]:
    return properties(package.template, f"{key[0].upper()}{key[1:]}LambdaFunction")


# -- Rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_matches_source_and_detail_type(template: dict[str, Any], rule: str) -> None:
    pattern = properties(template, rule)["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["project"], RULES[rule])
    assert properties(template, rule)["EventBusName"] == "default"


@pytest.mark.parametrize("rule", RULES)
def test_undeliverable_events_are_retried_then_kept(template: dict[str, Any], rule: str) -> None:
    for target in properties(template, rule)["Targets"]:
        assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
        # No longer than a task waits.
        assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] <= 900
        assert text(target["DeadLetterConfig"]["Arn"]) == "${CookiesDeadLetterQueue.Arn}"


def test_the_dead_letter_queue_takes_events_of_these_rules_and_of_no_others(
    template: dict[str, Any],
) -> None:
    policy = properties(template, "CookiesDeadLetterQueuePolicy")["PolicyDocument"]
    (statement,) = policy["Statement"]

    sources = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert {text(source) for source in sources} == {f"${{{rule}.Arn}}" for rule in RULES}
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"


def test_each_function_is_invoked_by_the_rule_that_has_it_as_a_target(dev: Package) -> None:
    allowed = {
        (text(permission["FunctionName"]), text(permission["SourceArn"]))
        for permission in dev.resources("AWS::Lambda::Permission").values()
        if permission["Principal"] == "events.amazonaws.com"
    }
    expected = {
        (text(target["Arn"]), f"${{{rule}.Arn}}")
        for rule in RULES
        for target in properties(dev.template, rule)["Targets"]
        if "LambdaFunction" in text(target["Arn"])
    }

    assert expected <= allowed


def test_rules_start_machines_with_a_role_that_may_start_these(dev: Package) -> None:
    started = [
        target
        for rule in RULES
        for target in properties(dev.template, rule)["Targets"]
        if "StateMachine" in text(target["Arn"])
    ]
    (statement,) = dev.statements("CookiesRulesRole")

    assert {text(target["RoleArn"]) for target in started} == {"${CookiesRulesRole.Arn}"}
    assert statement.actions == ("states:StartExecution",)
    assert set(statement.resources) == {text(target["Arn"]) for target in started}


def test_the_side_effect_gets_neither_token_nor_url(template: dict[str, Any]) -> None:
    targets = properties(template, "TaskProcessSinglePostRule")["Targets"]
    whole, transformed = sorted(targets, key=lambda target: target["Id"])

    assert "InputTransformer" not in whole
    paths = transformed["InputTransformer"]["InputPathsMap"]
    assert set(paths.values()) == {
        *("$.source", "$.detail-type", "$.detail.execution", "$.detail.stateName", "$.detail.n"),
    }
    # No name among them: EventBridge puts values into the template as they are, quotes and all.
    assert set(re.findall("<(.*?)>", transformed["InputTransformer"]["InputTemplate"])) == set(
        paths
    )


# -- Functions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", WORKERS)
def test_a_worker_that_fails_for_good_fails_its_task(dev: Package, key: str) -> None:
    name = f"{key[0].upper()}{key[1:]}LambdaEvConf"
    configuration = properties(dev.template, name)

    destination = configuration["DestinationConfig"]["OnFailure"]["Destination"]
    assert text(destination) == "${CookiesTaskFailureQueue.Arn}"
    assert configuration["MaximumRetryAttempts"] == 2


def test_a_side_effect_that_fails_for_good_fails_no_task(template: dict[str, Any]) -> None:
    configuration = properties(template, "SideEffectLambdaEvConf")

    destination = configuration["DestinationConfig"]["OnFailure"]["Destination"]
    assert text(destination) == "${CookiesDeadLetterQueue.Arn}"


def test_failures_are_reported_in_time_and_kept_if_reporting_fails(dev: Package) -> None:
    queue = properties(dev.template, "CookiesTaskFailureQueue")
    reporter = function(dev, "reportTaskFailure")

    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    assert queue["VisibilityTimeout"] >= 6 * reporter["Timeout"]
    redrive = queue["RedrivePolicy"]
    assert text(redrive["deadLetterTargetArn"]) == "${CookiesDeadLetterQueue.Arn}"
    assert redrive["maxReceiveCount"] >= 5


def test_a_task_outlives_all_attempts_of_its_functions(dev: Package) -> None:
    """Lambda tries again after one minute and after two more; one task has two functions at most.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    longest = max(function(dev, key)["Timeout"] for key in WORKERS)

    for state in asl.states("cookies"):
        if state.waits_for_token:
            assert state.body["TimeoutSeconds"] >= 2 * (3 * longest + 60 + 120)


def test_a_profile_is_read_only_by_its_url(dev: Package) -> None:
    """The URL has the permissions of the role that signed it; the reader needs none."""

    def readable(key: str) -> set[str]:
        statements = dev.statements(dev.role_of(function(dev, key)))
        return {r for s in statements if "s3:GetObject" in s.actions for r in s.resources}

    assert readable("processSingle") == {"${CookiesBucket.Arn}/*/basic-*"}
    assert readable("postProcessSingle") == set()
    assert readable("postProcessAll") == {"${CookiesBucket.Arn}/*/final-*"}


def test_parameters_reach_the_machine_and_its_functions(dev: Package) -> None:
    machine = dev.machines()["CookiesStateMachine"]["States"]

    assert machine["Process Multiple"]["MaxConcurrency"] == 2
    variables = function(dev, "postProcessAll")["Environment"]["Variables"]
    assert str(variables["TOLERATED_FAILURE_SHARE"]) == "0"


def test_parameters_can_be_set_on_the_command_line(changed: ChangedPackage) -> None:
    states = changed.machines()["CookiesStateMachine"]["States"]
    variables = function(changed, "postProcessAll")["Environment"]["Variables"]
    assert states["Process Multiple"]["MaxConcurrency"] == 5
    assert states["Get Multiple"]["TimeoutSeconds"] == 1200
    assert variables["TOLERATED_FAILURE_SHARE"] == "0.1"
    # Events are put on that bus, roles allow it, and rules listen on it.
    assert states["Get Multiple"]["Parameters"]["Entries"][0]["EventBusName"] == "another"
    assert variables["EVENT_BUS_NAME"] == "another"
    assert {properties(changed.template, rule)["EventBusName"] for rule in RULES} == {"another"}
    for role in ("CookiesStateMachineRole", changed.role_of(function(changed, "postProcessAll"))):
        (put,) = [s for s in changed.statements(role) if "events:PutEvents" in s.actions]
        assert [bus.rpartition(":")[2] for bus in put.resources] == ["event-bus/another"]


# -- Machines -------------------------------------------------------------------------------------


def test_finisher_and_starter_are_express_and_end_within_its_time_limit(dev: Package) -> None:
    """Five minutes: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html"""
    machines = dev.resources("AWS::StepFunctions::StateMachine")
    for name in ("TaskFinisherStateMachine", "CookiesStarterStateMachine"):
        assert machines[name]["StateMachineType"] == "EXPRESS"
        assert dev.machines()[name]["TimeoutSeconds"] <= 300
    assert machines["CookiesStateMachine"]["StateMachineType"] == "STANDARD"


@pytest.mark.parametrize("machine", ["CookiesStateMachine", "TaskFinisherStateMachine"])
def test_logs_hold_no_task_token(template: dict[str, Any], machine: str) -> None:
    assert properties(template, machine)["LoggingConfiguration"]["IncludeExecutionData"] is False


def test_every_task_of_the_machine_is_an_event_that_waits() -> None:
    tasks = [state for state in asl.states("cookies") if state.kind == "Task"]

    assert len(tasks) == 4
    for task in tasks:
        assert task.body["Resource"] == "arn:aws:states:::events:putEvents.waitForTaskToken"
        (entry,) = task.body["Parameters"]["Entries"]
        assert entry["Source"] == "project"
        assert {
            "execution.$": "$$.Execution.Id",
            "stateName.$": "$$.State.Name",
            "TaskToken.$": "$$.Task.Token",
        }.items() <= entry["Detail"].items()
