"""Every machine, function and queue has an alarm, and the dashboard shows all of them."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import asl
from tests.support.asl import ROOT
from tests.support.packaged import Package, text

ALARM = "AWS::CloudWatch::Alarm"
MACHINE, FUNCTION, QUEUE = (
    "AWS::StepFunctions::StateMachine",
    "AWS::Lambda::Function",
    "AWS::SQS::Queue",
)
# https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html
METRICS = {
    MACHINE: {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionThrottled"},
    FUNCTION: {"Errors"},
    QUEUE: {"ApproximateAgeOfOldestMessage"},
}


def watched(package: Package) -> set[tuple[str, str]]:
    """(metric, dimension's value) of every alarm; references as `${LogicalId}`."""
    return {
        (alarm["MetricName"], text(dimension["Value"]))
        for alarm in package.resources(ALARM).values()
        for dimension in alarm.get("Dimensions", [])
    }


@pytest.mark.parametrize("kind", METRICS)
def test_every_resource_has_its_alarms(dev: Package, kind: str) -> None:
    attribute = ".QueueName" if kind == QUEUE else ""
    expected = {
        (metric, f"${{{resource}{attribute}}}")
        for resource in dev.resources(kind)
        for metric in METRICS[kind]
    }

    assert expected
    assert expected <= watched(dev)


def test_every_queue_that_no_function_reads_raises_an_alarm_at_the_first_message(
    dev: Package,
) -> None:
    read = {
        text(mapping["EventSourceArn"]).removesuffix(".Arn}") + "}"
        for mapping in dev.resources("AWS::Lambda::EventSourceMapping").values()
    }
    dead_letters = {f"${{{queue}}}" for queue in dev.resources(QUEUE)} - read
    first_message = {
        value.replace(".QueueName}", "}")
        for metric, value in watched(dev)
        if metric == "ApproximateNumberOfMessagesVisible"
    }

    assert read
    assert first_message == dead_letters


def test_every_machine_that_waits_for_callbacks_has_an_alarm_that_can_be_raised(
    dev: Package,
) -> None:
    """The alarm comes before the task's own timeout."""
    alarms = {
        text(dimension["Value"]): alarm["Threshold"]
        for alarm in dev.resources(ALARM).values()
        if alarm["MetricName"] == "OldestCallbackSeconds"
        for dimension in alarm["Dimensions"]
        if dimension["Name"] == "machine"
    }
    timeouts = {}
    for machine, definition in dev.machines().items():
        waiting = [
            state["TimeoutSeconds"]
            for state in states(definition)
            if state.get("Resource", "").endswith(".waitForTaskToken")
        ]
        if waiting:
            timeouts[f"${{{machine}.Name}}"] = max(waiting)

    assert alarms.keys() == timeouts.keys()
    assert len(alarms) == 3
    for machine, threshold in alarms.items():
        assert 0 < threshold < timeouts[machine], machine


def states(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All states of a machine, those inside a Parallel or a Map too."""
    for state in definition["States"].values():
        yield state
        for nested in asl.nested_machines(state):
            yield from states(nested)


def test_measured_machines_are_those_with_an_alarm(dev: Package) -> None:
    function = dev.template["Resources"]["MeasureCallbacksLambdaFunction"]["Properties"]
    machines = text(function["Environment"]["Variables"]["CALLBACK_MACHINES"]).split()
    names = {
        f"${{{machine}.Name}}": properties["StateMachineName"]
        for machine, properties in dev.resources(MACHINE).items()
    }
    alarms = {value for metric, value in watched(dev) if metric == "OldestCallbackSeconds"}

    assert {machine.rpartition(":")[2] for machine in machines} == {
        names[value] for value in alarms if value in names
    }


def test_every_alarm_notifies_the_topic_and_names_its_section_of_the_operations_page(
    dev: Package,
) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    headings = re.findall(r"^#+ (Alarm: .+)$", page, re.M)
    anchors = {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
    named = set()
    for name, alarm in dev.resources(ALARM).items():
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}], name
        named.add(alarm["AlarmDescription"].rpartition("docs/operations.md#")[2])

    assert named == anchors


def test_alarms_have_names_of_their_stage(dev: Package) -> None:
    """Alarms of two stages in one account have different names."""
    names = [alarm["AlarmName"] for alarm in dev.resources(ALARM).values()]

    assert len(names) == len(set(names))
    assert all(name.startswith("stepworks-dev-") and len(name) <= 255 for name in names)


def test_metrics_of_our_own_are_those_of_the_stage(dev: Package) -> None:
    """Two stages of one account publish into one namespace."""
    own = [alarm for alarm in dev.resources(ALARM).values() if alarm["Namespace"] == "Stepworks"]

    assert own
    for alarm in own:
        assert {"Name": "stage", "Value": "dev"} in alarm["Dimensions"]
    for metric in dashboard_metrics(dev):
        if metric[0] == "Stepworks":
            assert metric[metric.index("stage") + 1] == "dev"


def dashboard_metrics(package: Package) -> list[list[Any]]:
    body = json.loads(
        text(package.template["Resources"]["Dashboard"]["Properties"]["DashboardBody"])
    )
    return [metric for widget in body["widgets"] for metric in widget["properties"]["metrics"]]


@pytest.mark.parametrize("kind", [MACHINE, FUNCTION, QUEUE])
def test_every_resource_is_on_the_dashboard(dev: Package, kind: str) -> None:
    attribute = ".QueueName" if kind == QUEUE else ""
    shown = {metric[3] for metric in dashboard_metrics(dev)}

    assert {f"${{{resource}{attribute}}}" for resource in dev.resources(kind)} <= shown


def test_every_metric_of_our_own_on_the_dashboard_is_published_by_the_code(dev: Package) -> None:
    code = "".join(path.read_text() for path in (ROOT / "handlers").rglob("*.py"))
    published = set(re.findall(r'(?:add_metric|measure)\(\s*"(\w+)"', code))
    shown = {metric[1] for metric in dashboard_metrics(dev) if metric[0] == "Stepworks"}

    assert {"ReadingsStored", "ImagesDownloaded", "MailsSent"} <= shown <= published
