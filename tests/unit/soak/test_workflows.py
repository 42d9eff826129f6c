"""Signature, cookies and images: each violated invariant is noticed, and nothing else."""

import json
import random
from types import SimpleNamespace
from typing import Any

import pytest

from local import api
from local.errors import LocalError
from tests.e2e.soak import traffic
from tests.e2e.soak.world import World

SUCCEEDED = {"status": "SUCCEEDED"}
DECLINED = {"status": "FAILED", "error": "SignatureDeclinedError"}
EXPIRED = {"status": "FAILED", "error": "SignaturesNotCollectedError"}
SITE = "http://127.0.0.1:1"
ARN = "arn:aws:states:us-east-1:000000000000:execution:machine:run"


class Chance(random.Random):
    """Every choice is this one: of signature, whether Bob signs; of images, what is missing."""

    def __init__(self, chance: float) -> None:
        super().__init__(1)
        self.chance = chance

    def random(self) -> float:
        return self.chance

    def getrandbits(self, k: int, /) -> int:
        """Whole numbers do not depend on the chance."""
        return super().getrandbits(k)


class Fake:
    """A service that has worked on one item; attributes say what is to be seen of it."""

    def __init__(self) -> None:
        self.aws: Any = self
        self.signing: Any = self
        self.outputs = dict.fromkeys(
            ("SignatureRequestsTable", "CookiesBucket", "ImagesTable", "ImagesBucket"), "name"
        )
        self.execution: dict[str, Any] = SUCCEEDED
        self.items: list[dict[str, Any]] = []  # of the table
        self.stored: dict[str, bytes] = {}  # objects
        # Signature.
        self.mails_to_bob, self.mails_to_owner = 1, 0
        self.announcement = "sent"
        self.completed: list[str] = []  # decisions that an operator has sent
        # Images.
        self.web = SimpleNamespace(url=SITE, routes={})
        self.messages: list[str] = []

    # The clients of DynamoDB and EventBridge.
    def client(self, _: str) -> "Fake":
        return self

    def get_paginator(self, _: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: [{"Items": self.items}])

    def put_events(self, **_: Any) -> dict[str, Any]:
        return {"Entries": [{"EventId": "event"}]}

    # The local AWS and the signature workflow.
    def start(self, _: str) -> str:
        return ARN

    def links(self, _: str) -> list[str]:
        return ["link"]

    def decide(self, _link: str, _decision: str) -> api.Response:
        return api.Response(200, {}, "")

    def invoke(self, _: str, event: dict[str, Any]) -> None:
        self.completed.append(event["decision"])

    def history(self, _: str) -> list[dict[str, Any]]:
        output = json.dumps({"announcement": {"status": self.announcement}})
        details = {"name": "Announce Unsigned Document", "output": output}
        return [{"stateExitedEventDetails": details}]

    # World.
    def executions(self, _machine: str, _key: str) -> list[dict[str, Any]]:
        return [{"status": "RUNNING"}]

    def ended(self, _machine: str, _key: str) -> dict[str, Any]:
        return self.execution

    def objects(self, _bucket: str, prefix: str) -> dict[str, bytes]:
        return {key: body for key, body in self.stored.items() if key.startswith(prefix)}

    def mails(self, about: str) -> list[dict[str, Any]]:
        if "was" in about:
            return [{"Subject": about}] * self.mails_to_owner
        return [{"Subject": f"Please sign document {about}"}] * self.mails_to_bob

    def announced(self, text: str) -> bool:
        return text in self.messages


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setattr(traffic, "SECONDS", 0.05)
    monkeypatch.setattr(traffic, "INTERVAL_SECONDS", 0)
    started = api.Response(200, {}, json.dumps({"executionArn": ARN}))
    monkeypatch.setattr(api, "call", lambda *_, **__: started)
    return Fake()


def run(workflow: str, fake: Any, chance: float) -> str:
    world: World = fake
    return traffic.WORKFLOWS[workflow](world, "item", Chance(chance))


# -- Signature -------------------------------------------------------------------------------------

SIGNS, DECLINES = 0.0, 0.9


def request(status: str) -> dict[str, Any]:
    return {"status": {"S": status}}


@pytest.mark.parametrize(
    ("decision", "seen", "ending"),
    [
        (SIGNS, {"items": [request("SIGNED")]}, "SUCCEEDED"),
        (
            DECLINES,
            {"execution": DECLINED, "items": [request("DECLINED")], "mails_to_owner": 1},
            "SignatureDeclinedError",
        ),
        (
            SIGNS,
            {"execution": EXPIRED, "items": [request("EXPIRED")], "announcement": "unknown"},
            "SignaturesNotCollectedError",
        ),
        (SIGNS, {"items": [request("SIGNED")], "mails_to_bob": 0}, "SUCCEEDED"),
    ],
    ids=["signed", "declined", "mail to the owner unknown", "no mail to Bob"],
)
def test_a_signature_that_holds_is_accepted(
    fake: Fake, decision: float, seen: dict[str, Any], ending: str
) -> None:
    vars(fake).update(seen)

    assert run("signature", fake, decision) == ending


def test_an_operator_decides_if_bob_has_no_mail(fake: Fake) -> None:
    fake.items, fake.mails_to_bob = [request("SIGNED")], 0

    run("signature", fake, SIGNS)

    assert fake.completed == ["sign"]


@pytest.mark.parametrize(
    ("decision", "seen", "problem"),
    [
        (DECLINES, {"items": [request("SIGNED")]}, "although Bob declined"),
        (SIGNS, {"items": [request("DECLINED")]}, "succeeded and is DECLINED"),
        (SIGNS, {"items": []}, "succeeded and is None"),
        (SIGNS, {"items": [request("SIGNED")] * 2}, "2 requests"),
        (SIGNS, {"items": [request("SIGNED")], "mails_to_owner": 1}, "the owner has a mail"),
        (SIGNS, {"items": [request("SIGNED")], "mails_to_bob": 2}, "2 mails to Bob"),
        (
            SIGNS,
            {"execution": DECLINED, "items": [request("DECLINED")], "mails_to_owner": 1},
            "declined and is DECLINED",
        ),
        (
            DECLINES,
            {"execution": DECLINED, "items": [request("SIGNED")], "mails_to_owner": 1},
            "declined and is SIGNED",
        ),
        (DECLINES, {"execution": DECLINED, "items": [request("DECLINED")]}, "0 mails to the owner"),
        (
            SIGNS,
            {
                "execution": EXPIRED,
                "items": [request("EXPIRED")],
                "announcement": "unknown",
                "mails_to_owner": 2,
            },
            "2 mails to the owner",
        ),
    ],
)
def test_a_violated_signature_is_noticed(
    fake: Fake, decision: float, seen: dict[str, Any], problem: str
) -> None:
    vars(fake).update(seen)

    with pytest.raises(AssertionError, match=problem):
        run("signature", fake, decision)


# -- Cookies ---------------------------------------------------------------------------------------


def files(count: int, **more: Any) -> dict[str, bytes]:
    """The files of an execution with so many people, each of whom has eaten three cookies."""
    report = {"numberOfPeople": count, "totalCookiesConsumed": 3 * count} | more
    contents = {f"final-{n}-person.json": {"numberOfCookiesConsumed": 3} for n in range(count)}
    contents["0-cookies.json"] = report
    return {f"event/{name}": json.dumps(content).encode() for name, content in contents.items()}


def people() -> int:
    """How many the item asks for."""
    return Chance(0).randint(1, 3)


def test_a_report_that_holds_is_accepted(fake: Fake) -> None:
    fake.stored = files(people())

    assert run("cookies", fake, 0) == "SUCCEEDED"


def test_an_execution_that_failed_claims_no_report(fake: Fake) -> None:
    fake.execution = {"status": "FAILED", "error": "PeopleNotProcessedError"}

    assert run("cookies", fake, 0) == "PeopleNotProcessedError"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda stored: stored.pop("event/0-cookies.json"), "has no report"),
        (lambda stored: stored.pop("event/final-0-person.json"), "event: "),
        (lambda stored: stored.update(files(people(), totalCookiesConsumed=1)), "Consumed': 1"),
        (lambda stored: stored.update(files(people(), numberOfPeople=9)), "event: "),
        (  # the same person twice, under another name
            lambda stored: stored.update({"event/final-0-again.json": _eaten(3)}),
            "final-0-again",
        ),
        (lambda stored: stored.update({"event/final-0-person.json": _eaten(4)}), "Consumed"),
    ],
    ids=["no report", "a file lost", "wrong sum", "wrong number", "a person twice", "not the sum"],
)
def test_a_violated_report_is_noticed(fake: Fake, change: Any, problem: str) -> None:
    fake.stored = files(people())
    change(fake.stored)

    with pytest.raises(AssertionError, match=problem):
        run("cookies", fake, 0)


def _eaten(cookies: int) -> bytes:
    return json.dumps({"numberOfCookiesConsumed": cookies}).encode()


# -- Images ----------------------------------------------------------------------------------------

ALL_THERE, ALL_MISSING = 0.9, 0.0
FAILED = {"status": "FAILED", "error": "DownloadsFailedError"}


def paths() -> list[str]:
    """The paths that the item asks for."""
    return [f"item/{number}.png" for number in range(Chance(0).randint(5, 40))]


def downloaded(fake: Fake) -> None:
    """Every path is an object, an item, and a success in the report."""
    host = SITE.removeprefix("http://")
    outcomes = [{"url": f"{SITE}/{path}", "filename": path} for path in paths()]
    fake.stored = {f"{host}/{path}": f"image {path}".encode() for path in paths()}
    fake.stored["run/report.json"] = json.dumps(outcomes).encode()
    fake.items = [{"url": {"S": outcome["url"]}} for outcome in outcomes]


def missing(fake: Fake) -> None:
    """Every path is a failure in the report, and announced."""
    fake.execution = FAILED
    outcomes = [{"url": f"{SITE}/{path}", "message": "404"} for path in paths()]
    fake.stored = {"run/report.json": json.dumps(outcomes).encode()}
    fake.messages = [outcome["url"] for outcome in outcomes]


def test_downloads_that_hold_are_accepted(fake: Fake) -> None:
    downloaded(fake)

    assert run("images", fake, ALL_THERE) == "SUCCEEDED"


def test_announced_failures_are_accepted(fake: Fake) -> None:
    missing(fake)

    assert run("images", fake, ALL_MISSING) == "DownloadsFailedError"


def test_a_run_that_failed_as_a_whole_needs_no_report(fake: Fake) -> None:
    fake.execution = {"status": "FAILED", "error": "AwsUnavailableError"}

    assert run("images", fake, ALL_THERE) == "AwsUnavailableError"


def without_report(fake: Fake) -> None:
    del fake.stored["run/report.json"]


def without_path(fake: Fake) -> None:
    outcomes = json.loads(fake.stored["run/report.json"])
    fake.stored["run/report.json"] = json.dumps(outcomes[1:]).encode()


def without_object(fake: Fake) -> None:
    fake.stored = {k: v for k, v in fake.stored.items() if not k.endswith("item/0.png")}


def with_other_content(fake: Fake) -> None:
    fake.stored |= {k: b"other" for k in fake.stored if k.endswith("item/0.png")}


def without_item(fake: Fake) -> None:
    fake.items.pop()


def with_a_failure(fake: Fake) -> None:
    """A path has failed and is announced, and the execution has succeeded."""
    outcomes = json.loads(fake.stored["run/report.json"])
    del outcomes[0]["filename"]
    fake.stored["run/report.json"] = json.dumps(outcomes).encode()
    fake.messages = [outcomes[0]["url"]]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (without_report, "has no report"),
        (without_path, "run"),
        (without_object, "is not stored"),
        (with_other_content, "is not stored"),
        (without_item, "table and report"),
        (with_a_failure, "without all its images"),
    ],
)
def test_a_violated_download_is_noticed(fake: Fake, change: Any, problem: str) -> None:
    downloaded(fake)
    change(fake)

    with pytest.raises(AssertionError, match=problem):
        run("images", fake, ALL_THERE)


def test_a_failure_that_nobody_announces_is_noticed(fake: Fake) -> None:
    missing(fake)
    fake.messages.pop()

    with pytest.raises(LocalError, match="the announcement of"):
        run("images", fake, ALL_MISSING)
