"""The report, which is made from the files."""

import threading
from typing import Any

import pytest

from handlers.cookies import report
from handlers.cookies.report import Report, make_report

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

    result = make_report(
        {
            "execution": EXECUTION,
            "names": ["Ann", "Ann", "Bob"],
            # The numbers in the machine's state are not counted.
            "people": [{"n": n, "numberOfCookiesConsumed": 1} for n in range(3)],
        },
        bucket="b",
    )

    assert result.as_dict() == {
        "names": ["Ann", "Ann", "Bob"],
        "numberOfPeople": 3,
        "totalCookiesConsumed": 13,
        "failed": [],
    }


def test_failed_people_are_listed_and_their_files_are_not_read(files: dict[str, Any]) -> None:
    files["one/final-1-bob.json"] = {"numberOfCookiesConsumed": 5}

    result = make_report(
        {
            "execution": EXECUTION,
            "names": ["Ann", "Bob"],
            "people": [{"n": 0, "error": "E"}, {"n": 1, "numberOfCookiesConsumed": 5}],
        },
        bucket="b",
    )

    assert result.as_dict() == {
        "names": ["Bob"],
        "numberOfPeople": 1,
        "totalCookiesConsumed": 5,
        "failed": [{"n": 0, "name": "Ann", "error": "E"}],
    }


def test_a_report_may_contain_only_a_failure() -> None:
    failure = {"Error": "E", "Cause": "c"}

    result = make_report(
        {"execution": EXECUTION, "names": [], "people": [], "failure": failure}, bucket="b"
    )

    # null, not 0: the report does not know who is processed and what they ate.
    assert result.as_dict() == {
        "names": None,
        "numberOfPeople": None,
        "totalCookiesConsumed": None,
        "failed": None,
        "failure": failure,
    }


def test_files_are_read_in_parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = threading.Barrier(20, timeout=10)

    def read(bucket: str, key: str) -> dict[str, int]:
        at_once.wait()  # for nineteen others
        return {"numberOfCookiesConsumed": 1}

    monkeypatch.setattr(report, "read", read)
    people = [{"n": n, "numberOfCookiesConsumed": 1} for n in range(20)]

    result = make_report(
        {"execution": EXECUTION, "names": ["Ann"] * 20, "people": people}, bucket="b"
    )

    assert result.total == 20


@pytest.mark.parametrize(
    ("failed", "people", "share", "too_many"),
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
def test_too_many_is_more_than_a_share(
    failed: int, people: int, share: float, too_many: bool
) -> None:
    result = Report(["Ann"] * (people - failed), 0, [{}] * failed)

    assert result.more_failed_than(share) is too_many
