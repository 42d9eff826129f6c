"""What runs left behind, and their labels, from inputs and results alone."""

from types import SimpleNamespace
from typing import Any

import pytest

from console.aws import NotAllowedError
from console.links import Link, left_behind, objects, trigger
from console.logs import RunLog
from console.runs import run_id
from console.topology import Topology
from tests.unit.console.recorded import recorded


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"bucketName": "b", "objectKey": "k"}, [("b", "k")]),
        ({"detail": {"bucket": {"name": "b"}, "object": {"key": "k"}}}, [("b", "k")]),
        ({"Records": [{"s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}]}, [("b", "k")]),
        ({"a": ["s3://b/c/d", "s3://b"]}, [("b", "c/d")]),
        ({"Bucket": "b"}, []),
        ({"bucket": 1, "key": None}, []),
        (None, []),
    ],
    ids=str,
)
def test_objects_are_found_in_all_spellings(value: Any, found: list[tuple[str, str]]) -> None:
    assert list(objects(value)) == found


def kinds(name: str) -> set[str]:
    console: Any = SimpleNamespace(inventory=SimpleNamespace(machine=lambda _: None))
    return {link.kind for link in left_behind(console, recorded(name).history)}


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("sensor-succeeded", {"object", "mail"}),
        ("images-failed", {"object", "message"}),
        ("messages-refused", {"message"}),
        ("looping", set()),
    ],
)
def test_what_a_run_left_behind(name: str, left: set[str]) -> None:
    assert kinds(name) == left


def test_an_id_has_no_slash() -> None:
    prefix = "arn:aws:states:eu-west-1:1:execution"

    assert run_id(f"{prefix}:machine:name") == "machine:name"
    assert run_id(f"{prefix}:machine/label:name") == "machine~label:name"


# -- What set it off ------------------------------------------------------------------------------

DESCRIBED = {
    "executionArn": "arn:aws:states:eu-west-1:123456789012:execution:shop-orders:x",
    "stateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:shop-orders",
    "input": '{"count": 3}',
}


def set_off(log: Any, given: str = DESCRIBED["input"]) -> list[Link]:
    console: Any = SimpleNamespace(
        event_log=lambda: log, api_methods=list, inventory=SimpleNamespace(event_log=None)
    )
    return trigger(console, DESCRIBED | {"input": given}, RunLog(), Topology())


class Log:
    def starting(self, run: str) -> Any:
        known = SimpleNamespace(id="e1", source="shop", type="ordered", at=7)
        return known if run == "shop-orders:x" else None


class Refused:
    def starting(self, run: str) -> Any:
        raise NotAllowedError("No permission.")


def test_the_event_that_started_a_run_by_way_of_another_machine_is_named() -> None:
    event = Link("event", "shop · ordered", "events/e1", 7)

    assert set_off(Log()) == [event]
    assert set_off(Log(), '{"bucket": "b", "key": "k"}') == [Link("object", "s3://b/k"), event]


@pytest.mark.parametrize(
    "log",
    [None, SimpleNamespace(starting=lambda _: None), Refused()],
    ids=["no log", "not known", "no permission"],
)
def test_what_set_a_run_off_may_be_unknown(log: Any) -> None:
    assert set_off(log) == [Link("unknown", "StartExecution")]
