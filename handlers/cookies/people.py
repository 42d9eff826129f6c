"""Generated people: their names and profiles.

The same seed gives the same people, so that an event that is delivered twice has one result.
"""

import json
import random
from collections.abc import Mapping
from typing import Any

from faker import Faker

from handlers.cookies.errors import InvalidRequestError, TooManyNamesError
from handlers.shared.text import is_utf8

MAX_GENERATED = 19  # unless the request has a `count`
# The output of every state has the names and the outcome for each: 32 KiB at most.
MAX_NAMES = 350
MAX_NAMES_BYTES = 14 * 1024


def names_for(request: Mapping[str, Any], *, execution: str) -> list[str]:
    """The names of the people whose cookies are counted.

    `names` are used as they are. Without `names`, `count` people are generated from `seed`. The
    default of `count` is a number from 0 to 19 that depends on the seed; that of `seed` is the
    execution.
    """
    if not isinstance(request, Mapping):
        raise InvalidRequestError("The input must be an object.")
    names = (
        _requested_names(request) if "names" in request else _generated_names(request, execution)
    )
    size = len(json.dumps(names, ensure_ascii=False).encode())
    if len(names) > MAX_NAMES or size > MAX_NAMES_BYTES:
        raise TooManyNamesError(
            f"{len(names)} names in {size} bytes: a report has at most {MAX_NAMES} names "
            f"and {MAX_NAMES_BYTES} bytes of them."
        )
    return names


def profile_of(n: int, name: str) -> dict[str, str]:
    """The profile of the n-th person."""
    fake = _faker(f"{n}/{name}")
    return {"name": name, "company": fake.company(), "city": fake.city()}


def _requested_names(request: Mapping[str, Any]) -> list[str]:
    names = request["names"]
    if not isinstance(names, list) or not all(_is_text(name) for name in names):
        raise InvalidRequestError("`names` must be a list of strings that UTF-8 can encode.")
    return names


def _generated_names(request: Mapping[str, Any], execution: str) -> list[str]:
    seed, count = request.get("seed", execution), request.get("count")
    if type(seed) is not int and not _is_text(seed):
        raise InvalidRequestError(
            "`seed` must be a whole number or a string that UTF-8 can encode."
        )
    if count is None:
        count = random.Random(f"{seed}").randint(0, MAX_GENERATED)
    if type(count) is not int or count < 0:
        raise InvalidRequestError("`count` must be a whole number, 0 or more.")
    if count > MAX_NAMES:
        raise TooManyNamesError(f"{count} names: a report has at most {MAX_NAMES}.")
    fake = _faker(f"{seed}")
    return [fake.name() for _ in range(count)]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and is_utf8(value)


def _faker(seed: str) -> Faker:
    fake = Faker("en_US")
    fake.seed_instance(seed)
    return fake
