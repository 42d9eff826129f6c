"""Two stages in one account: no rule of one receives an event of the other."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import asl, catalogue
from tests.support.packaged import ChangedPackage, Package
from tests.support.patterns import ENVELOPE, accepts

RULE = "AWS::Events::Rule"
ABSENT = object()
ACCOUNT = {"AWS::AccountId": asl.ACCOUNT, "AWS::Region": asl.REGION, "AWS::Partition": "aws"}


@dataclass(frozen=True)
class Rule:
    """A deployed rule: the bus that it listens to, and its pattern."""

    name: str
    bus: str
    pattern: dict[str, Any]

    def accepts(self, event: dict[str, Any], bus: str) -> bool:
        return bus == self.bus and accepts(self.pattern, event)

    def events(self) -> Iterator[dict[str, Any]]:
        """An event for every way to satisfy the pattern."""
        yield from (ENVELOPE | event for event in satisfying(self.pattern))


class Stage:
    """A package as it is once it is deployed: every reference is a name or an ARN."""

    def __init__(self, package: Package, name: str) -> None:
        self._resources = package.template["Resources"]
        self._name = name
        self.rules = [
            Rule(
                logical_id,
                self._value(rule.get("EventBusName", "default")),
                self._value(rule["EventPattern"]),
            )
            for logical_id, rule in package.resources(RULE).items()
            if "EventPattern" in rule  # a schedule receives no events
        ]
        self.recording = {rule.name for rule in self.rules if rule.name.startswith("Track")}

    def accepting(self, event: dict[str, Any], bus: str = "default") -> list[str]:
        """The rules that accept an event, without those that only record it."""
        return [name for name in self._accepting(event, bus) if name not in self.recording]

    def recorded_by(self, event: dict[str, Any], bus: str = "default") -> list[str]:
        """The rules that accept an event in order to record it."""
        return [name for name in self._accepting(event, bus) if name in self.recording]

    def _accepting(self, event: dict[str, Any], bus: str) -> list[str]:
        return [rule.name for rule in self.rules if rule.accepts(event, bus)]

    def _value(self, value: Any) -> Any:
        match value:
            case {"Ref": str(name)}:
                return ACCOUNT.get(name) or self._physical(name, arn="StateMachine" in name)
            case {"Fn::GetAtt": [str(name), "Arn"]}:
                return self._physical(name, arn=True)
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{(.+?)\}", lambda m: self._value({"Ref": m[1]}), text)
            case {"Fn::Join": [str(glue), list(parts)]}:
                return glue.join(self._value(part) for part in parts)
            case dict():
                assert not any(key == "Ref" or key.startswith("Fn::") for key in value), value
                return {key: self._value(item) for key, item in value.items()}
            case list():
                return [self._value(item) for item in value]
        return value

    def _physical(self, logical_id: str, *, arn: bool) -> str:
        """The name that the template gives, or one as CloudFormation makes it of the stack's."""
        resource = self._resources[logical_id]
        kind = resource["Type"].rpartition("::")[2]
        properties = resource.get("Properties", {})
        explicit_name = properties.get("Name", properties.get(f"{kind}Name"))
        name = (
            self._value(explicit_name)
            if explicit_name
            else f"stepworks-{self._name}-{logical_id}-1A2B3C"
        )
        if not arn:
            return str(name)
        service = "states" if kind == "StateMachine" else "any"
        return f"arn:aws:{service}:{asl.REGION}:{asl.ACCOUNT}:{kind[0].lower()}{kind[1:]}:{name}"


def satisfying(pattern: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every choice of one alternative for each field of a pattern."""
    if "$or" in pattern:
        rest = {name: wanted for name, wanted in pattern.items() if name != "$or"}
        for alternative in pattern["$or"]:
            yield from satisfying({**rest, **alternative})
        return
    fields = [
        [(name, value) for value in alternatives(matchers)] for name, matchers in pattern.items()
    ]
    for choice in itertools.product(*fields):
        yield {name: value for name, value in choice if value is not ABSENT}


def alternatives(matchers: Any) -> Iterator[Any]:
    if isinstance(matchers, dict):
        yield from satisfying(matchers)
        return
    for matcher in matchers:
        match matcher:
            case {"prefix": str(prefix)}:
                yield f"{prefix}x"
            case {"exists": False}:
                yield ABSENT
            case {"anything-but": str(other)}:
                yield f"not {other}"
            case str() | int():
                yield matcher
            case _:
                raise AssertionError(f"Say here what satisfies {matcher}.")


def task_event(detail_type: str, execution: str) -> dict[str, Any]:
    detail = {"execution": execution, "stateName": "S", "TaskToken": "t", "n": 0}
    return ENVELOPE | {"source": "project", "detail-type": detail_type, "detail": detail}


def execution_of(machine: str) -> str:
    return f"arn:aws:states:{asl.REGION}:{asl.ACCOUNT}:execution:{machine}:one"


def start(detail: dict[str, Any]) -> dict[str, Any]:
    return ENVELOPE | {"source": "project", "detail-type": "start", "detail": detail}


@pytest.fixture(scope="module")
def stages(dev: Package, prod: Package) -> dict[str, Stage]:
    return {"dev": Stage(dev, "dev"), "prod": Stage(prod, "prod")}


TASK_EVENTS = [
    event.detail_type
    for event in catalogue.events()
    if event.source == "project" and event.consumers and event.detail_type != "start"
]


# -- Every rule, of today and tomorrow ------------------------------------------------------------


def test_every_rule_accepts_its_own_events(stages: dict[str, Stage]) -> None:
    """Or the next test would prove nothing."""
    for stage in stages.values():
        for rule in stage.rules:
            events = list(rule.events())
            assert events, rule.name
            for event in events:
                assert rule.accepts(event, rule.bus), (rule.name, event)


@pytest.mark.parametrize(("own", "other"), [("dev", "prod"), ("prod", "dev")])
def test_no_rule_accepts_what_is_for_another_stage(
    stages: dict[str, Stage], own: str, other: str
) -> None:
    for rule in stages[other].rules:
        for event in rule.events():
            accepting = stages[own].accepting(event, rule.bus)
            recording = stages[own].recorded_by(event, rule.bus)
            assert accepting + recording == [], (rule.name, event)


# -- Tasks of the cookies machine -----------------------------------------------------------------


@pytest.mark.parametrize("detail_type", TASK_EVENTS)
def test_a_task_event_is_for_the_stage_whose_execution_it_names(
    stages: dict[str, Stage], detail_type: str
) -> None:
    event = task_event(detail_type, execution_of("stepworks-dev-cookies"))

    assert len(stages["dev"].accepting(event)) == 1
    assert stages["prod"].accepting(event) == []


@pytest.mark.parametrize(
    "machine",
    [
        "stepworks-dev-2-cookies",
        "stepworks-dev-cookies-starter",
        "stepworks-dev-cookies-cookies",
        "another-dev-cookies",
    ],
)
@pytest.mark.parametrize("detail_type", TASK_EVENTS)
def test_a_task_event_of_a_machine_with_a_similar_name_matches_no_rule(
    stages: dict[str, Stage], detail_type: str, machine: str
) -> None:
    event = task_event(detail_type, execution_of(machine))

    assert [stage.accepting(event) for stage in stages.values()] == [[], []]


@pytest.mark.parametrize("detail_type", TASK_EVENTS)
def test_a_task_event_without_an_execution_is_refused_by_one_stage(
    stages: dict[str, Stage], detail_type: str
) -> None:
    event = task_event(detail_type, "any")
    del event["detail"]["execution"]

    assert {name for name, stage in stages.items() if stage.accepting(event)} == {"prod"}


# -- `start` --------------------------------------------------------------------------------------


@pytest.mark.parametrize("detail", [{}, {"count": 5}, {"names": ["prod"]}], ids=str)
def test_one_stage_reacts_to_a_start_that_names_none(
    stages: dict[str, Stage], detail: dict[str, Any]
) -> None:
    reacting = {name: stage.accepting(start(detail)) for name, stage in stages.items()}

    assert reacting == {"dev": [], "prod": ["CookiesStartRule"]}


@pytest.mark.parametrize("named", ["dev", "prod"])
def test_a_start_that_names_a_stage_is_for_that_one(stages: dict[str, Stage], named: str) -> None:
    event = start({"stage": named, "count": 5})

    catalogue.validate("project", "start", event["detail"])
    accepting = {name: stage.accepting(event) for name, stage in stages.items()}
    assert accepting == {"dev": [], "prod": [], named: ["CookiesStartRule"]}


def test_a_parameter_selects_the_stage_that_reacts(changed: ChangedPackage) -> None:
    stage = Stage(changed, "dev")

    assert stage.accepting(start({}), bus="another") == ["CookiesStartRule"]
    assert stage.accepting(start({"stage": "dev"}), bus="another") == ["CookiesStartRule"]
    assert stage.accepting(start({"stage": "prod"}), bus="another") == []


def test_this_machine_reacts_to_a_start_that_names_no_stage(package: Any) -> None:
    stage = Stage(package("local"), "local")

    assert stage.accepting(start({})) == ["CookiesStartRule"]


# -- What is recorded -----------------------------------------------------------------------------


@pytest.mark.parametrize("detail_type", [*TASK_EVENTS, "async.complete", "task.new"])
def test_every_event_of_an_execution_is_recorded_by_its_own_stage(
    stages: dict[str, Stage], detail_type: str
) -> None:
    event = task_event(detail_type, execution_of("stepworks-dev-cookies"))

    assert stages["dev"].recorded_by(event) == ["TrackProjectEventsRule"]
    assert stages["prod"].recorded_by(event) == []


@pytest.mark.parametrize("named", ["dev", "prod", None])
def test_a_start_is_recorded_by_the_stage_that_reacts_to_it(
    stages: dict[str, Stage], named: str | None
) -> None:
    event = start({"stage": named} if named else {})
    recording = {name for name, stage in stages.items() if stage.recorded_by(event)}

    assert recording == {name for name, stage in stages.items() if stage.accepting(event)}
    assert recording == {named or "prod"}


def test_child_executions_of_a_distributed_map_are_not_recorded(stages: dict[str, Stage]) -> None:
    """A large file has ten thousand of them. Their machine's ARN ends with the Map's label.

    https://docs.aws.amazon.com/step-functions/latest/dg/concepts-examine-map-run.html
    """
    event = status_change("stepworks-dev-sensor/ProcessSegments", "SUCCEEDED")

    assert [stage.recorded_by(event) for stage in stages.values()] == [[], []]


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
@pytest.mark.parametrize("workflow", ["sensor", "signature", "cookies", "messages", "images"])
def test_a_change_of_status_is_recorded_by_the_stage_of_the_machine(
    stages: dict[str, Stage], workflow: str, status: str
) -> None:
    event = status_change(f"stepworks-dev-{workflow}", status)

    assert stages["dev"].recorded_by(event) == ["TrackExecutionsRule"]
    assert stages["prod"].recorded_by(event) == []


@pytest.mark.parametrize("machine", ["stepworks-dev-2-cookies", "another", "stepworks-dev-x"])
def test_a_change_of_status_of_any_other_machine_is_not_recorded(
    stages: dict[str, Stage], machine: str
) -> None:
    event = status_change(machine, "FAILED")

    assert [stage.recorded_by(event) for stage in stages.values()] == [[], []]


def status_change(machine: str, status: str) -> dict[str, Any]:
    arn = f"arn:aws:states:{asl.REGION}:{asl.ACCOUNT}:stateMachine:{machine}"
    return ENVELOPE | {
        "source": "aws.states",
        "detail-type": "Step Functions Execution Status Change",
        "detail": {"stateMachineArn": arn, "status": status},
    }
