"""The hops of a run's events, of an event log in memory, and the bars they become."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.definition import parse
from console.event_catalogue import Catalogue
from console.events import Entry
from console.history import History
from console.hops import Hops
from console.logs import Invocation, Line, RunLog
from console.timeline import FUNCTIONS, OUTSIDE, Hop, build
from console.topology import Topology

RUN = "shop-orders:one"
START = 1_800_000_000_000
LATER = START + 60_000
TOKEN = "token:0123456789abcdef"
ASKING = {
    "StartAt": "Ask",
    "States": {
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::events:putEvents.waitForTaskToken",
            "Parameters": {"Entries": [{"Source": "shop", "DetailType": "price.asked"}]},
            "End": True,
        }
    },
}
DEFINITION = parse(json.dumps(ASKING))
ASKED = {"TaskToken": TOKEN, "stateName": "Ask", "n": 7}
ANSWERED = {"TaskToken": TOKEN, "n": 7, "meta": {"fn": "tellPrice", "incoming": "price.asked"}}
CATALOGUE = """
events:
  - {source: shop, detail-type: price.asked, producers: [state orders/Ask],
     consumers: [function tellPrice]}
  - {source: shop, detail-type: price.told, producers: [function tellPrice],
     consumers: [machine finisher]}
"""


def entry(kind: str, after: int, detail: dict[str, Any], job: str = RUN) -> Entry:
    second = "2027-01-15T08:00:00.000Z"
    order = f"{second}#{kind}"
    at, text = START + after, json.dumps(detail)
    return Entry(kind, job, order, at, "shop", kind, text, None, False, None, second)


def rule(kind: str, *targets: str) -> Any:
    pattern = json.dumps({"detail-type": [kind]})
    arns = tuple({"Arn": f"arn:aws:{one}"} for one in targets)
    return SimpleNamespace(enabled=True, pattern=pattern, targets=arns)


RULES = [
    rule("price.asked", "lambda:eu-west-1:1:function:shop-tellPrice"),
    rule("price.asked", "lambda:eu-west-1:1:function:shop-trackEvent"),
    rule("price.told", "states:eu-west-1:1:stateMachine:shop-finisher"),
]


def hops(
    entries: list[Entry],
    *invocations: Invocation,
    catalogue: Path | None = None,
    status: str = "RUNNING",
) -> list[Hop]:
    machines = {"shop-finisher": SimpleNamespace(title="finisher")}
    inventory = SimpleNamespace(
        machine=machines.get,
        title=lambda _, name: name.removeprefix("shop-"),
        of_kind=lambda _: [SimpleNamespace(name="shop-tellPrice", title="tellPrice")],
    )
    console: Any = SimpleNamespace(inventory=inventory)
    run: Any = SimpleNamespace(id=RUN, status=status)
    found = RunLog(invocations=list(invocations))
    return Hops(Catalogue.read(catalogue)).of(
        console, run, DEFINITION, found, Topology(rules=RULES), entries
    )


def invocation(start: int, end: int, **fields: Any) -> Invocation:
    line = Line(START + start, "shop-tellPrice", "s", "{}", "told", fields=fields)
    request = f"request-{start}"
    return Invocation("shop-tellPrice", request, START + start, START + end, lines=[line])


def bars(found: list[Hop], *invocations: Invocation) -> dict[str, list[tuple[Any, ...]]]:
    titles = {"shop-tellPrice": "tellPrice"}
    drawn = build(History(DEFINITION), list(invocations), titles, LATER, found)
    return {
        row["label"]: [
            (bar["kind"], bar["status"], bar["start"] - START, bar["end"] and bar["end"] - START)
            for bar in row["bars"]
        ]
        for row in drawn["rows"]
        if row["group"] in (FUNCTIONS, OUTSIDE)
    }


@pytest.fixture(params=["catalogue", "rules"])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Where who consumes what is known from."""
    if request.param == "rules":
        return None
    path = tmp_path / "catalogue.yml"
    path.write_text(CATALOGUE)
    return path


def test_a_hop_leads_from_the_event_taken_to_the_one_given(catalogue: Path | None) -> None:
    entries = [entry("price.asked", 100, ASKED), entry("price.told", 900, ANSWERED)]

    found = hops(entries, catalogue=catalogue)

    assert [(one.consumer, one.label, one.link) for one in found] == [
        ("tellPrice", "price.asked → price.told", "events/price.asked")
    ]
    assert bars(found) == {"tellPrice": [("hop", "succeeded", 100, 900)]}


def test_the_queue_is_told_from_work_where_the_log_has_the_invocation(
    catalogue: Path | None,
) -> None:
    entries = [entry("price.asked", 100, ASKED), entry("price.told", 900, ANSWERED)]
    mine, other = invocation(600, 950, n=7), invocation(500, 940, n=8)

    found = hops(entries, mine, other, catalogue=catalogue)

    assert bars(found, mine, other) == {
        "tellPrice": [
            ("queue", "succeeded", 100, 600),
            ("work", "succeeded", 500, 940),
            ("work", "succeeded", 600, 950),
        ]
    }


def test_an_event_that_nothing_has_come_of_waits(catalogue: Path | None, tmp_path: Path) -> None:
    entries = [entry("price.asked", 100, ASKED)]
    if catalogue is None:
        # That the function gives an event at all is known from another one that it gave.
        answered = ANSWERED | {"TaskToken": "token:ffffffffffffffff", "n": 8}
        entries.append(entry("price.told", 50, answered))

    found = hops(entries, catalogue=catalogue)

    assert bars(found) == {"tellPrice": [("wait", "waiting", 100, None)]}


def test_an_event_that_nothing_came_of_before_the_end_is_not_answered(tmp_path: Path) -> None:
    (tmp_path / "catalogue.yml").write_text(CATALOGUE)
    change = {
        "status": "TIMED_OUT",
        "executionArn": f"arn:aws:states:eu-west-1:1:execution:{RUN}",
        "stateMachineArn": "arn:aws:states:eu-west-1:1:stateMachine:shop-orders",
    }
    moment = "2027-01-15T08:00:09.000Z"
    ended = Entry(
        "ended", RUN, f"{moment}#ended", START + 9000, "aws.states",
        "Step Functions Execution Status Change", json.dumps(change), None, False, None, moment,
    )  # fmt: skip

    found = hops([entry("price.asked", 100, ASKED), ended], catalogue=tmp_path / "catalogue.yml")

    assert [(one.status, one.label) for one in found] == [("unanswered", "price.asked → no event")]


def test_the_way_of_an_event_to_the_start_of_the_run_is_outside() -> None:
    hop = Hop("orders", True, START, None, START + 300, "succeeded", False, "l", None, None)

    assert bars([hop]) == {"Start of the run": [("queue", "succeeded", 0, 300)]}


def test_hops_are_derived_again_only_after_something_new(monkeypatch: pytest.MonkeyPatch) -> None:
    derived: list[int] = []
    entries = [entry("price.asked", 100, ASKED)]
    known = Hops(Catalogue.read(None))
    monkeypatch.setattr(known, "_derived", lambda *_: derived.append(1) or [])
    console: Any = SimpleNamespace()
    run: Any = SimpleNamespace(id=RUN, status="RUNNING")

    for _ in range(3):
        known.of(console, run, DEFINITION, RunLog(), None, entries)
    entries.append(entry("price.told", 900, ANSWERED))
    known.of(console, run, DEFINITION, RunLog(), None, entries)

    assert len(derived) == 2
