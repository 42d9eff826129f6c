"""Generated people, the same for the same seed."""

import json
from typing import Any

import pytest

from handlers.cookies.errors import InvalidRequestError, TooManyNamesError
from handlers.cookies.people import MAX_NAMES, MAX_NAMES_BYTES, names_for, profile_of

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:cookies:one"


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([], id="no-names"),
        pytest.param(["Ann", "Ann"], id="twice"),
        pytest.param(["", "a/b", '"', "😀", ".."], id="any-text"),
    ],
)
def test_requested_names_are_used_unchanged(names: list[str]) -> None:
    assert names_for({"names": names}, execution=EXECUTION) == names


def test_names_take_precedence_over_a_count() -> None:
    assert names_for({"names": ["Ann"], "count": 3}, execution=EXECUTION) == ["Ann"]


@pytest.mark.parametrize("count", [0, 1, 19, 200, MAX_NAMES])
def test_the_requested_number_is_generated(count: int) -> None:
    names = names_for({"count": count, "seed": 1}, execution=EXECUTION)

    assert len(names) == count
    assert all(names)


def test_without_a_count_there_are_0_to_19() -> None:
    counts = {len(names_for({"seed": seed}, execution=EXECUTION)) for seed in range(300)}

    assert counts == set(range(20))


@pytest.mark.parametrize("seed", [7, "seven"])
def test_the_same_seed_generates_the_same_people(seed: int | str) -> None:
    request = {"count": 5, "seed": seed}

    assert names_for(request, execution="one") == names_for(request, execution="another")
    assert names_for(request, execution="one") != names_for({"count": 5}, execution="one")


def test_without_a_seed_an_execution_has_its_own_people() -> None:
    first, again, other = (names_for({"count": 9}, execution=name) for name in ("a", "a", "b"))

    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"names": None}, id="no-list"),
        pytest.param({"names": "Ann"}, id="a-text"),
        pytest.param({"names": ["Ann", 7]}, id="a-number-among-them"),
        pytest.param({"count": -1}, id="fewer-than-none"),
        pytest.param({"count": 1.5}, id="one-and-a-half"),
        pytest.param({"count": True}, id="a-truth"),
        pytest.param({"count": "3"}, id="a-number-as-text"),
        pytest.param({"seed": [1]}, id="a-list-as-seed"),
        pytest.param({"seed": None}, id="no-seed"),
        pytest.param({"names": ["Ann", "\ud800"]}, id="half-a-character"),
        pytest.param({"seed": "\ud800"}, id="half-a-character-as-seed"),
        pytest.param([], id="no-object"),
        pytest.param("names", id="a-text-for-an-object"),
    ],
)
def test_an_invalid_request_is_refused(request_: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"must be"):
        names_for(request_, execution=EXECUTION)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"names": ["A"] * (MAX_NAMES + 1)}, id="many"),
        pytest.param({"names": ["A" * MAX_NAMES_BYTES]}, id="long"),
        pytest.param({"names": ["😀" * (MAX_NAMES_BYTES // 4)]}, id="long-in-bytes"),
        pytest.param({"count": MAX_NAMES + 1}, id="count"),
        pytest.param({"count": 10**9}, id="a-great-count"),
    ],
)
def test_more_names_than_fit_into_a_state_are_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(TooManyNamesError, match=r"at most 350"):
        names_for(request_, execution=EXECUTION)


def test_a_state_with_the_maximum_of_names_stays_below_32_kib() -> None:
    """A person who failed takes more of it than one who ate."""
    error = "ProfileUnavailableError"  # the longest name of an error that one person may have here
    state = {
        "names": ["n" * (MAX_NAMES_BYTES // MAX_NAMES - 4)] * MAX_NAMES,
        "people": [{"n": n, "error": error} for n in range(MAX_NAMES)],
    }
    names_for({"names": state["names"]}, execution=EXECUTION)

    assert len(json.dumps(state)) < 32 * 1024


def test_a_person_has_one_profile() -> None:
    profile = profile_of(3, 'Ann "A" Lee')

    assert profile == profile_of(3, 'Ann "A" Lee')
    assert set(profile) == {"name", "company", "city"}
    assert profile["name"] == 'Ann "A" Lee'
    assert profile["company"]
    assert profile["city"]


def test_two_people_with_the_same_name_have_different_profiles() -> None:
    assert profile_of(0, "Ann") != profile_of(1, "Ann")
