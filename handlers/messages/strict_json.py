"""JSON that every part of the way can read: EventBridge, Step Functions, Lambda, DynamoDB.

Python alone would take more: NaN, numbers beyond a double, half a surrogate pair, any depth. The
others stop at those, and Step Functions stops the whole execution, uncaught.
"""

import json
import math
from typing import Any, NoReturn

from handlers.messages.errors import MalformedMessageError

MAX_DEPTH = 100  # Lambda's own runtime reads about ten times as deep


def parse(text: str) -> Any:
    """The value that a JSON text stands for; MalformedMessageError says what is wrong with it."""
    try:
        value = json.loads(text, parse_constant=_refuse, parse_int=_integer)
    except RecursionError:
        raise MalformedMessageError(_TOO_DEEP) from None
    except ValueError as error:
        raise MalformedMessageError(f"It is not JSON: {error}.") from None
    if _deeper_than(MAX_DEPTH, value):
        raise MalformedMessageError(_TOO_DEEP)
    dump(value)
    return value


def dump(value: Any) -> str:
    """The shortest JSON text of a value."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except UnicodeEncodeError:
        raise MalformedMessageError("It has half of a surrogate pair in it.") from None
    except ValueError:
        raise MalformedMessageError(_TOO_LARGE) from None
    return text


_TOO_DEEP = f"It is nested more than {MAX_DEPTH} levels deep."
_TOO_LARGE = "It has a number in it that no double can hold."


def _integer(digits: str) -> int:
    """An integer of any size is one for Python; for Step Functions every number is a double."""
    if math.isinf(float(digits)):
        raise MalformedMessageError(_TOO_LARGE)
    return int(digits)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _deeper_than(limit: int, value: Any) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            item
            for container in level
            if isinstance(container, (dict, list))
            for item in (container.values() if isinstance(container, dict) else container)
        ]
        if not level:
            return False
    return any(isinstance(item, (dict, list)) for item in level)
