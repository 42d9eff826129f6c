"""Every path of the cookies machine, on moto's engine."""

import json
from typing import Any

import pytest

from tests.support import catalogue
from tests.support.engine import Run, Task, fails, in_turn, refused, run, times_out

NAMES = ["Ann Lee", "Ann Lee", 'O\'Neil "Q" / 😀 ..']
ATE = {"Ann Lee": 3, NAMES[2]: 0}
REPORT = {"bucketName": "cookies", "objectKey": "one/0-cookies.json"}
GET, SINGLE, ALL = "task.get.multiple", "task.process.single", "task.process.all"
HAPPY_PATH = ["Get Multiple", "Process Multiple", *["Process Single"] * 3, "Post Process All"]
FAILED = ["Report Failure", "Is It A Reserved Error?"]


def listed(names: list[str]) -> Task:
    # A result is a whole event's detail: what the machine did not ask for must not stay.
    return lambda detail: envelope(detail) | {"names": names}


def processed(detail: dict[str, Any]) -> Any:
    eaten = {"n": detail["n"], "numberOfCookiesConsumed": ATE[detail["name"]]}
    return envelope(detail) | eaten


def reported(detail: dict[str, Any]) -> Any:
    people = [person for person in detail["people"] if "error" not in person]
    failed = len(detail["people"]) - len(people)
    return envelope(detail) | {
        "names": [detail["names"][person["n"]] for person in people],
        "numberOfPeople": len(people),
        "totalCookiesConsumed": sum(person["numberOfCookiesConsumed"] for person in people),
        "numberOfFailed": failed,
        "tooManyFailed": failed > 0,
        "report": REPORT,
    }


def envelope(detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "execution": detail["execution"],
        "stateName": detail["stateName"],
        "TaskToken": None,
        "meta": {"fn": "a function"},
    }


def cookies(input_: dict[str, Any] | None = None, **tasks: Task) -> Run:
    """Run the machine with default tasks, except `tasks`, by the last word of their detail-type."""
    defaults = {GET: listed(NAMES), SINGLE: processed, ALL: reported}
    others = {name: tasks[name.rpartition(".")[2]] for name in defaults if last(name) in tasks}
    return run("cookies", input_ or {}, defaults | others)


def last(name: str) -> str:
    return name.rpartition(".")[2]


def only_for(name: str, task: Task, otherwise: Task = processed) -> Task:
    return lambda detail: (task if detail["name"] == name else otherwise)(detail)


# -- Success --------------------------------------------------------------------------------------


def test_names_are_listed_and_all_cookies_are_added_up() -> None:
    result = cookies()

    assert result.status == "SUCCEEDED"
    assert sorted(result.visited) == sorted([*HAPPY_PATH, "Too Many Failed?", "Success"])
    assert result.output == {
        "names": NAMES,
        "numberOfPeople": 3,
        "totalCookiesConsumed": 6,
        "numberOfFailed": 0,
        "tooManyFailed": False,
        "report": REPORT,
    }


def test_a_list_without_names_has_a_report() -> None:
    result = cookies(multiple=listed([]))

    assert result.status == "SUCCEEDED"
    assert result.output["totalCookiesConsumed"] == 0
    assert result.events_of(ALL)[0]["people"] == []
    assert not result.events_of(SINGLE)


def test_every_event_names_its_state_and_conforms_to_its_schema() -> None:
    result = cookies(multiple=fails("TooManyNamesError"))
    result.calls += cookies().calls

    assert {detail["stateName"] for _, detail in result.calls} == {
        "Get Multiple",
        "Process Single",
        "Post Process All",
        "Report Failure",
    }
    for detail_type, detail in result.calls:
        catalogue.validate("project", detail_type, detail)
    tokens = [detail["TaskToken"] for _, detail in result.calls]
    assert len(set(tokens)) == len(tokens)


def test_the_request_for_names_has_the_executions_input() -> None:
    result = cookies({"count": 3, "seed": 7})

    assert result.events_of(GET)[0]["input"] == {"count": 3, "seed": 7}


def test_people_are_numbered_in_the_order_of_their_names() -> None:
    result = cookies()

    requested = sorted((detail["n"], detail["name"]) for detail in result.events_of(SINGLE))
    assert requested == list(enumerate(NAMES))
    assert result.events_of(ALL)[0]["people"] == [
        {"n": n, "numberOfCookiesConsumed": ATE[name]} for n, name in enumerate(NAMES)
    ]


def test_no_result_leaves_a_token_in_the_state() -> None:
    result = cookies()

    tokens = {detail["TaskToken"] for _, detail in result.calls}
    assert not any(token in json.dumps(result.output) for token in tokens)
    assert "TaskToken" not in json.dumps(result.events_of(ALL)[0]["people"])


# -- A person fails -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failing", "error"),
    [
        pytest.param(fails("ProfileUnavailableError"), "ProfileUnavailableError", id="a-failure"),
        pytest.param(times_out, "TaskNotCompletedError", id="timeout"),
    ],
)
def test_one_person_who_fails_does_not_lose_the_others(failing: Task, error: str) -> None:
    result = cookies(single=only_for(NAMES[2], failing))

    detail = result.events_of(ALL)[0]
    assert detail["names"] == NAMES
    assert detail["people"] == [
        {"n": 0, "numberOfCookiesConsumed": 3},
        {"n": 1, "numberOfCookiesConsumed": 3},
        {"n": 2, "error": error},
    ]


def test_too_many_failures_fail_the_execution_after_the_report() -> None:
    result = cookies(single=only_for(NAMES[2], fails("ProfileUnavailableError")))

    assert (result.status, result.error) == ("FAILED", "PeopleNotProcessedError")
    assert result.cause == "1 people failed, 2 were processed; see one/0-cookies.json."
    assert result.visited[-2:] == ["Too Many Failed?", "People Not Processed"]


def test_a_tolerated_share_of_failures_does_not_fail_the_execution() -> None:
    tolerant = {"tooManyFailed": False}
    result = cookies(
        single=only_for(NAMES[2], fails("ProfileUnavailableError")),
        all=lambda detail: reported(detail) | tolerant,
    )

    assert result.status == "SUCCEEDED"
    assert result.output["numberOfFailed"] == 1
    assert result.output["totalCookiesConsumed"] == 6


# -- A step fails ---------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["multiple", "all"])
def test_a_step_that_fails_is_reported_and_fails_the_execution(step: str) -> None:
    broken = fails("TooManyNamesError", "why")
    task = broken if step == "multiple" else in_turn(broken, reported)

    result = cookies(**{step: task})

    assert (result.status, result.error, result.cause) == ("FAILED", "TooManyNamesError", "why")
    assert result.visited[-3:] == [*FAILED, "Cookies Not Counted"]
    detail = result.events_of(ALL)[-1]
    assert (detail["names"], detail["people"]) == ([], [])
    assert detail["failure"] == {"Error": "TooManyNamesError", "Cause": "why"}


@pytest.mark.parametrize("step", ["multiple", "all"])
def test_a_step_that_times_out_is_reported_and_fails_the_execution(step: str) -> None:
    task = times_out if step == "multiple" else in_turn(times_out, reported)

    result = cookies(**{step: task})

    # No execution may end with a name that begins with `States.`: AWS keeps them for itself.
    assert (result.status, result.error) == ("FAILED", "TaskNotCompletedError")
    assert json.loads(result.cause or "")["Error"] == "States.Timeout"
    assert result.visited[-3:] == [*FAILED, "Task Not Completed"]
    assert result.events_of(ALL)[-1]["failure"]["Error"] == "States.Timeout"


@pytest.mark.parametrize(
    "failing", [fails("AwsUnavailableError"), times_out], ids=["a-failure", "timeout"]
)
def test_the_first_error_stays_when_reporting_it_fails(failing: Task) -> None:
    result = cookies(multiple=fails("TooManyNamesError", "why"), all=failing)

    assert (result.status, result.error, result.cause) == ("FAILED", "TooManyNamesError", "why")
    assert result.visited[-3:] == [*FAILED, "Cookies Not Counted"]


# -- EventBridge fails ----------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["multiple", "single", "all"])
def test_a_refused_event_is_put_again(step: str) -> None:
    defaults: dict[str, Task] = {"multiple": listed(NAMES), "single": processed, "all": reported}

    result = cookies(**{step: in_turn(refused, refused, defaults[step])})

    assert result.status == "SUCCEEDED"
    assert len(result.retries) == 2


def test_an_error_of_a_function_is_not_retried() -> None:
    result = cookies(multiple=fails("AwsUnavailableError"))

    assert result.error == "AwsUnavailableError"
    assert len(result.events_of(GET)) == 1
    assert not result.retries
