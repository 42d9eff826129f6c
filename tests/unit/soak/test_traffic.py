"""The soak notices violated invariants: what it looks at is a fake that is wrong in one thing."""

import random
from typing import Any

import pytest

from local import api
from tests.e2e.soak import traffic
from tests.e2e.soak.world import World

BUCKETS = {"SensorSourceBucket": "source", "SensorReadingsTable": "readings", "MessagesTable": "m"}


class Always(random.Random):
    """Every choice is the lowest: dead letters are always read."""

    def random(self) -> float:
        return 0.0


class Fake:
    """A service that has processed one item; attributes say what is to be seen of it."""

    def __init__(self) -> None:
        self.aws: Any = self
        self.outputs = BUCKETS
        self.execution: dict[str, Any] = {"status": "SUCCEEDED"}
        self.places = ["processed/item.csv"]
        self.mail_count = 1
        self.lost_rows = 0
        self.recorded, self.kept = True, False
        self._rows: list[dict[str, Any]] = []

    # The clients of S3 and DynamoDB.
    def client(self, _: str) -> "Fake":
        return self

    def put_object(self, *, Body: bytes, **_: Any) -> None:
        last = {}
        for line in Body.decode().splitlines():
            _sensor, seconds, value = line.split(",")
            last[seconds] = value
        self._rows = [{"timestamp": {"N": k}, "value": {"N": v}} for k, v in last.items()]

    def query(self, **_: Any) -> dict[str, Any]:
        return {"Items": self._rows[self.lost_rows :]}

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {"Item": {}} if self.recorded else {}

    # World.
    def ended(self, machine: str, key: str) -> dict[str, Any]:
        return self.execution

    def objects(self, bucket: str, prefix: str) -> dict[str, bytes]:
        return {prefix: b""} if prefix in self.places else {}

    def mails(self, about: str) -> list[str]:
        return ["mail"] * self.mail_count

    def letter(self, text: str) -> bool:
        return self.kept


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    accepted = api.Response(202, {}, '{"messageId": "m"}')
    monkeypatch.setattr(api, "call", lambda *_, **__: accepted)
    monkeypatch.setattr(traffic, "SECONDS", 0.1)
    return Fake()


def run(workflow: str, fake: Any) -> str:
    world: World = fake
    return traffic.WORKFLOWS[workflow](world, "item", Always(1))


FAILED = {"status": "FAILED", "error": "NoValidReadingsError"}
UNKNOWN_MAIL = {"status": "FAILED", "error": "EmailOutcomeUnknownError"}


@pytest.mark.parametrize(
    ("workflow", "seen", "ending"),
    [
        ("sensor", {}, "SUCCEEDED"),
        ("sensor", {"execution": UNKNOWN_MAIL, "mail_count": 0}, "EmailOutcomeUnknownError"),
        ("sensor", {"execution": FAILED, "places": ["failed/item.csv"]}, "NoValidReadingsError"),
        ("messages", {}, "SUCCEEDED"),
        (
            "messages",
            {"execution": {"status": "FAILED"}, "recorded": False, "kept": True},
            "FAILED",
        ),
    ],
)
def test_what_holds_is_accepted(
    fake: Fake, workflow: str, seen: dict[str, Any], ending: str
) -> None:
    vars(fake).update(seen)

    assert run(workflow, fake) == ending


@pytest.mark.parametrize(
    ("workflow", "seen", "problem"),
    [
        ("sensor", {"places": []}, "is in"),
        ("sensor", {"places": ["item.csv", "processed/item.csv"]}, "is in"),
        ("sensor", {"places": ["failed/item.csv"]}, "is in"),
        ("sensor", {"execution": FAILED}, "after NoValidReadingsError"),
        ("sensor", {"mail_count": 0}, "a mail about"),
        ("sensor", {"mail_count": 2}, "2 mails"),
        ("sensor", {"lost_rows": 1}, "does not have the readings"),
        ("messages", {"kept": True}, "a dead letter: True"),
        ("messages", {"recorded": False}, "SUCCEEDED"),
        (
            "messages",
            {"execution": {"status": "FAILED"}, "recorded": False},
            "a dead letter: False",
        ),
    ],
)
def test_what_is_violated_is_noticed(
    fake: Fake, workflow: str, seen: dict[str, Any], problem: str
) -> None:
    vars(fake).update(seen)

    with pytest.raises(Exception, match=problem):
        run(workflow, fake)
