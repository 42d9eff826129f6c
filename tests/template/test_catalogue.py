"""The event catalogue and the service agree: schemas, machines, rules, roles and code."""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support import asl, catalogue
from tests.support.catalogue import CataloguedEvent
from tests.support.packaged import Package, Statement, text

EVENTS = catalogue.events()
SCHEMA_FILES = sorted(path.name for path in catalogue.SCHEMAS.glob("*.json"))
FUNCTION = "AWS::Lambda::Function"
RULE = "AWS::Events::Rule"


def every_event() -> Any:
    return pytest.mark.parametrize("event", EVENTS, ids=str)


def of_kind(kind: str, names: tuple[str, ...]) -> list[str]:
    """`function a` → `a`, of those that are functions."""
    return [name.partition(" ")[2] for name in names if name.partition(" ")[0] == kind]


# -- The catalogue and its schemas ----------------------------------------------------------------


def test_no_event_is_catalogued_twice() -> None:
    assert len({str(event) for event in EVENTS}) == len(EVENTS)


@every_event()
def test_an_event_has_a_description_and_a_producer(event: CataloguedEvent) -> None:
    assert event.description.endswith(".")
    assert event.producers
    for name in (*event.producers, *event.consumers):
        assert re.fullmatch(r"anyone|(function|machine|state) .+", name), name


def test_every_schema_belongs_to_an_event() -> None:
    assert {event.schema for event in EVENTS} == set(SCHEMA_FILES) - {catalogue.COMMON}


@pytest.mark.parametrize("schema", SCHEMA_FILES)
def test_a_schema_is_valid(schema: str) -> None:
    document = json.loads((catalogue.SCHEMAS / schema).read_text())

    Draft202012Validator.check_schema(document)
    assert document["$id"] == schema
    assert document["title"]


# -- The machines put what is catalogued ----------------------------------------------------------


def test_states_put_exactly_the_catalogued_events() -> None:
    put = {
        (entry["Source"], entry["DetailType"], f"state {state.machine}/{state.name}")
        for state, entry in entries_of_states()
    }
    catalogued = {
        (event.source, event.detail_type, producer)
        for event in EVENTS
        for producer in event.producers
        if producer.startswith("state ")
    }

    assert put == catalogued


def test_the_detail_that_a_state_puts_has_exactly_the_fields_of_the_schema() -> None:
    for state, entry in entries_of_states():
        event = catalogue.event(entry["Source"], entry["DetailType"])
        schema = catalogue.validator(event.schema).schema
        fields = {name.removesuffix(".$") for name in entry["Detail"]}

        assert fields >= set(schema["required"]), str(state)
        assert fields <= set(schema["properties"]), str(state)
        assert entry["EventBusName"] == event.bus, str(state)


def entries_of_states() -> list[tuple[asl.State, dict[str, Any]]]:
    return [
        (state, entry)
        for state in asl.all_states()
        if "events:putEvents" in str(state.body.get("Resource"))
        for entry in state.body["Parameters"]["Entries"]
    ]


# -- Rules bring them to their consumers ----------------------------------------------------------


@every_event()
def test_rules_deliver_an_event_to_its_consumers_only(event: CataloguedEvent, dev: Package) -> None:
    targets = sorted(
        consumer_of(target, dev)
        for rule in dev.resources(RULE).values()
        if matches(rule, event)
        for target in rule["Targets"]
    )

    assert targets == sorted([*event.consumers, *catalogue.consumers_of_all()])


def test_no_rule_waits_for_an_event_that_is_not_catalogued(dev: Package) -> None:
    known = {(event.source, event.detail_type) for event in EVENTS}
    for name, rule in dev.resources(RULE).items():
        pattern = rule["EventPattern"]
        for source in pattern["source"]:
            if source.startswith("aws."):
                continue
            for detail_type in pattern.get("detail-type", []):
                assert (source, detail_type) in known, name
            assert any(event.source == source and matches(rule, event) for event in EVENTS), name


def matches(rule: dict[str, Any], event: CataloguedEvent) -> bool:
    pattern = rule["EventPattern"]
    return (
        event.source in pattern["source"]
        and event.detail_type in pattern.get("detail-type", [event.detail_type])
        and text(rule.get("EventBusName", "default")) == event.bus
    )


def consumer_of(target: dict[str, Any], package: Package) -> str:
    (logical_id,) = re.findall(r"^\$\{(\w+)(?:\.Arn)?\}$", text(target["Arn"]))
    assert logical_id in package.template["Resources"]
    if logical_id in package.resources("AWS::SQS::Queue"):  # the function that reads it
        (logical_id,) = (
            mapping["FunctionName"]["Fn::GetAtt"][0]
            for mapping in package.resources("AWS::Lambda::EventSourceMapping").values()
            if mapping["EventSourceArn"] == target["Arn"]
        )
    name = logical_id.removesuffix("LambdaFunction")
    if name != logical_id:
        return f"function {name[0].lower()}{name[1:]}"
    name = logical_id.removesuffix("StateMachine")
    return f"machine {re.sub(r'(?<!^)(?=[A-Z])', '-', name).lower()}"


# -- Roles let producers put what they produce, and nothing else ----------------------------------


def test_functions_may_put_events_of_the_sources_they_produce_and_no_others(dev: Package) -> None:
    produced: dict[str, set[tuple[str, str]]] = {}
    for event in EVENTS:
        for function in of_kind("function", event.producers):
            produced.setdefault(function, set()).add((event.source, event.bus))

    for properties in dev.resources(FUNCTION).values():
        function = properties["FunctionName"].rpartition("-")[2]
        allowed = may_put(dev.statements(dev.role_of(properties)))
        assert allowed == produced.get(function, set()), function
    assert set(produced) <= {
        properties["FunctionName"].rpartition("-")[2]
        for properties in dev.resources(FUNCTION).values()
    }


def test_machines_may_put_events_of_the_sources_they_produce_and_no_others(dev: Package) -> None:
    produced: dict[str, set[tuple[str, str]]] = {}
    for event in EVENTS:
        for state in of_kind("state", event.producers):
            machine = state.partition("/")[0].title().replace("-", "") + "StateMachine"
            produced.setdefault(machine, set()).add((event.source, event.bus))

    for machine, properties in dev.resources("AWS::StepFunctions::StateMachine").items():
        allowed = may_put(dev.statements(dev.role_of(properties)))
        assert allowed == produced.get(machine, set()), machine


def may_put(statements: list[Statement]) -> set[tuple[str, str]]:
    """The (source, bus) pairs of which a role may put events; each statement names one bus."""
    found = set()
    for statement in statements:
        if "events:PutEvents" in statement.actions:
            (bus,) = statement.resources
            sources = statement.conditions["StringEquals"]["events:source"]
            found |= {
                (source, bus.rpartition("event-bus/")[2].replace(".Arn}", "}"))
                for source in ([sources] if isinstance(sources, str) else sources)
            }
    return found
