"""What a report says, by the files that are there."""

import threading
from typing import Any

import pytest

from handlers.cookies import report
from handlers.cookies.report import Report, report_on

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:cookies:one"


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Files by key; reading one that is missing is a KeyError."""
    found: dict[str, Any] = {}
    monkeypatch.setattr(report, "read", lambda bucket, key: found[key])
    return found


def test_cookies_are_those_of_the_files(files: dict[str, Any]) -> None:
    files["one/final-0-ann.json"] = {"numberOfCookiesConsumed": 4}
    files["one/final-1-ann.json"] = {"numberOfCookiesConsumed": 0}
    files["one/final-2-bob.json"] = {"numberOfCookiesConsumed": 9}

    made = report_on(
        {
            "execution": EXECUTION,
            "names": ["Ann", "Ann", "Bob"],
            # What the machine carries is not what is counted.
            "people": [{"n": n, "numberOfCookiesConsumed": 1} for n in range(3)],
        },
        bucket="b",
    )

    assert made.as_dict() == {
        "names": ["Ann", "Ann", "Bob"],
        "numberOfPeople": 3,
        "totalCookiesConsumed": 13,
        "failed": [],
    }


def test_who_failed_is_listed_and_not_looked_for(files: dict[str, Any]) -> None:
    files["one/final-1-bob.json"] = {"numberOfCookiesConsumed": 5}

    made = report_on(
        {
            "execution": EXECUTION,
            "names": ["Ann", "Bob"],
            "people": [{"n": 0, "error": "E"}, {"n": 1, "numberOfCookiesConsumed": 5}],
        },
        bucket="b",
    )

    assert made.as_dict() == {
        "names": ["Bob"],
        "numberOfPeople": 1,
        "totalCookiesConsumed": 5,
        "failed": [{"n": 0, "name": "Ann", "error": "E"}],
    }


def test_a_failure_stands_in_the_report() -> None:
    failure = {"Error": "E", "Cause": "c"}

    made = report_on(
        {"execution": EXECUTION, "names": [], "people": [], "failure": failure}, bucket="b"
    )

    # Not "nobody" and "no cookies": who is processed, and what they ate, is not known here.
    assert made.as_dict() == {
        "names": None,
        "numberOfPeople": None,
        "totalCookiesConsumed": None,
        "failed": None,
        "failure": failure,
    }


def test_files_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = threading.Barrier(20, timeout=10)

    def read(bucket: str, key: str) -> dict[str, int]:
        at_once.wait()  # for nineteen others
        return {"numberOfCookiesConsumed": 1}

    monkeypatch.setattr(report, "read", read)
    people = [{"n": n, "numberOfCookiesConsumed": 1} for n in range(20)]

    made = report_on({"execution": EXECUTION, "names": ["Ann"] * 20, "people": people}, bucket="b")

    assert made.total == 20


@pytest.mark.parametrize(
    ("failed", "of", "share", "too_many"),
    [
        (0, 0, 0, False),
        (0, 5, 0, False),
        (1, 5, 0, True),
        (1, 5, 0.2, False),
        (1, 5, 0.19, True),
        (5, 5, 0.99, True),
        (5, 5, 1, False),
    ],
)
def test_too_many_is_more_than_a_share(failed: int, of: int, share: float, too_many: bool) -> None:
    made = Report(["Ann"] * (of - failed), 0, [{}] * failed)

    assert made.more_failed_than(share) is too_many
