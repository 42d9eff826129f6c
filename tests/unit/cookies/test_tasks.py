"""Which events a function works on, and which it refuses."""

from typing import Any

import pytest

from handlers.cookies.tasks import notice, task
from handlers.shared.errors import InvalidEventError

DETAIL = {"execution": "arn", "stateName": "A State", "TaskToken": "s3cret", "n": 0}
EVENT = {"id": "an id", "source": "project", "detail-type": "task.process.single", "detail": DETAIL}


def test_a_task_has_what_it_needs() -> None:
    assert task(EVENT, "n") == DETAIL


def test_a_notice_needs_no_token() -> None:
    told = {"execution": "arn", "n": 0}

    assert notice(EVENT | {"detail": told}, "n") == told


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        pytest.param({}, "no source", id="nothing"),
        pytest.param({"source": "another"}, "source is not project", id="another-source"),
        pytest.param({"source": "project"}, "no detail", id="no-detail"),
        pytest.param({**EVENT, "detail": []}, "no execution", id="a-list"),
        pytest.param({**EVENT, "detail": {**DETAIL, "execution": None}}, "no execution", id="null"),
        pytest.param({**EVENT, "detail": {"execution": "arn"}}, "no TaskToken", id="no-token"),
        pytest.param({**EVENT, "detail": {**DETAIL, "n": None}}, "no n", id="nothing-to-do"),
        pytest.param([], "no source", id="no-event"),
    ],
)
def test_what_is_refused_is_logged_with_the_reason_and_without_the_token(
    event: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InvalidEventError, match=reason):
        task(event, "n")

    (line,) = caplog.records
    assert (line.levelname, line.getMessage()) == ("ERROR", "event refused")
    assert reason in vars(line)["reason"]
    assert "s3cret" not in str(vars(line))
