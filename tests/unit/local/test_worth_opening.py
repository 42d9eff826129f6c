"""The run that the demo names at its end."""

from datetime import UTC, datetime
from typing import Any

from local.demo.worth_opening import choose

CONSOLE = "http://127.0.0.1:4566/console/"
ARN = "arn:aws:states:us-east-1:000000000000:execution"


def execution(machine: str, name: str, status: str, minute: int) -> dict[str, Any]:
    return {
        "executionArn": f"{ARN}:stepworks-local-{machine}:{name}",
        "status": status,
        "startDate": datetime(2026, 1, 1, 12, minute, tzinfo=UTC),
    }


def test_one_that_waits_comes_first() -> None:
    worth = choose(
        [
            execution("sensor", "failed", "FAILED", 9),
            execution("signature", "old", "RUNNING", 1),
            execution("signature", "yours", "RUNNING", 2),
        ],
        CONSOLE,
    )

    assert str(worth) == (
        "A run worth opening: signature yours waits.\n"
        "http://127.0.0.1:4566/console/runs/stepworks-local-signature:yours"
    )


def test_else_the_newest_that_failed() -> None:
    worth = choose(
        [
            execution("sensor", "ok", "SUCCEEDED", 9),
            execution("sensor", "empty.csv", "FAILED", 2),
            execution("images", "late", "TIMED_OUT", 3),
        ],
        CONSOLE,
    )

    assert worth is not None
    assert (worth.name, worth.matter) == ("images late", "timed out")


def test_none_if_all_went_well() -> None:
    assert choose([execution("sensor", "ok", "SUCCEEDED", 1)], CONSOLE) is None
