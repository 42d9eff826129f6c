"""What the list of events shows of a detail."""

import json
from typing import Any

import pytest

from console.events import LOOKED_THROUGH, Entry, preview
from handlers.observability.timeline import REMOVED, STATUS_CHANGE

UUID = "0b5c3f6e-5a3c-4d8f-9f0b-2f6a3a0f0a01"
ARN = f"arn:aws:states:us-east-1:123456789012:execution:shop-orders:{UUID}"


def shown(detail: Any, kind: tuple[str, str] = ("shop", "thing")) -> str:
    return preview(Entry("e1", "event:e1", "", 0, *kind, json.dumps(detail), None, False, None, ""))


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"status": "RUNNING"}, f"shop-orders · {UUID} · RUNNING"),
        ({"status": "FAILED", "error": "NoStock"}, f"shop-orders · {UUID} · FAILED · NoStock"),
    ],
    ids=["running", "failed"],
)
def test_a_change_of_status_says_which_machine_which_execution_and_which_status(
    more: dict[str, str], text: str
) -> None:
    detail = {
        "executionArn": ARN,
        "stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:shop-orders",
        "name": UUID,
        "startDate": 1_800_000_000_000,
        "input": "{}",
    }

    assert shown(detail | more, STATUS_CHANGE) == text


@pytest.mark.parametrize(
    ("detail", "text"),
    [
        ({"execution": ARN, "id": UUID, "n": 3, "paid": True}, "n: 3, paid: true"),
        ({"n": 3, "name": "Ada", "status": "late"}, "status: late, name: Ada, n: 3"),
        ({"names": ["Ada", "Bob"], "people": [{}, {}]}, "names: Ada, Bob, people: 2 items"),
        ({"numbers": [1, 2, 3, 4, 5, 6]}, "numbers: 1, 2, 3, 4, 5 …"),
        ({"message": {"from": "Ada", "deep": {"er": 1}}}, "message.from: Ada"),
        ({"TaskToken": "token:0123456789abcdef", "url": REMOVED, "big": "(left out: 9 bytes)"}, ""),
        ({"name": f"{UUID}_{UUID}", "key": f"{UUID}.csv"}, f"key: {UUID}.csv"),
        ({"input": '{"a": 1}', "nothing": None, "empty": "", "none": []}, ""),
        ({"cause": "first\nsecond"}, "cause: first\nsecond"),
        ({}, ""),
    ],
    ids=str,
)
def test_of_other_events_the_fields_are_shown_that_tell_them_apart(
    detail: dict[str, Any], text: str
) -> None:
    assert shown(detail) == text


def test_a_very_large_detail_is_not_looked_through() -> None:
    assert shown({"name": "x" * LOOKED_THROUGH}) == ""
