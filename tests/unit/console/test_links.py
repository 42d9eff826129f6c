"""What runs left behind, and their labels, from inputs and results alone."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from console.links import left_behind, objects
from console.runs import label, run_id
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


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"documentId": "contract-7", "comment": "a much longer text"}, "contract-7"),
        ({"detail-type": "start", "source": "project", "detail": {"name": "nightly"}}, "nightly"),
        ({"url": "http://127.0.0.1:1/", "arn": "arn:aws:s3:::b", "n": 1}, "the-name"),
        ({"taskToken": "short", "id": "longer-than-it"}, "longer-than-it"),
        ({"text": "x" * 5000}, "the-name"),
        ([], "the-name"),
    ],
    ids=str,
)
def test_the_label_is_the_shortest_text_of_a_small_input(given: Any, shown: str) -> None:
    assert label(json.dumps(given), "the-name") == shown


def test_an_id_has_no_slash() -> None:
    prefix = "arn:aws:states:eu-west-1:1:execution"

    assert run_id(f"{prefix}:machine:name") == "machine:name"
    assert run_id(f"{prefix}:machine/label:name") == "machine~label:name"
