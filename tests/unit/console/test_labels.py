"""What people call a run."""

import json
from typing import Any

import pytest

from console.labels import Labels, texts

UUID = "7abda3e9-5d68-4419-9c82-5321449c1649"


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
    assert Labels().of(texts(json.dumps(given)), "the-name") == shown


def test_a_run_without_a_text_has_its_name_shortened_if_it_is_a_uuid() -> None:
    assert Labels().of((), "nightly-2026") == "nightly-2026"
    assert Labels().of((), UUID) == "7abda3e9"


def test_a_text_that_most_runs_share_is_no_label() -> None:
    labels = Labels()
    runs = [texts(json.dumps({"type": "task.done", "id": f"task-number-{n}"})) for n in range(3)]
    for found in runs:
        labels.add(found)

    assert [labels.of(found, UUID) for found in runs] == [f"task-number-{n}" for n in range(3)]


def test_a_text_that_two_of_many_runs_share_is_a_label() -> None:
    """A run that was started again has the same input."""
    labels = Labels()
    for document in ("contract-1", "contract-1", "contract-2", "contract-3"):
        labels.add([document])

    assert labels.of(["contract-1"], UUID) == "contract-1"
