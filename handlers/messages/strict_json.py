"""JSON that EventBridge, Step Functions, Lambda and DynamoDB can all read.

Python accepts more: NaN, numbers that do not fit into a double, half of a surrogate pair, and any
depth. The services refuse these. Step Functions fails the whole execution, and no Catch applies.
"""

import json
import math
from typing import Any, NoReturn

from handlers.messages.errors import MalformedMessageError

MAX_DEPTH = 100  # Lambda's runtime can read about ten times this depth
_TOO_DEEP = f"It is nested more than {MAX_DEPTH} levels deep."
_TOO_LARGE = "It contains a number that is too large for a double."


def parse(text: str) -> Any:
    """The value of a JSON text; raises MalformedMessageError, which says what is wrong."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_int=_integer)
    except RecursionError:
        raise MalformedMessageError(_TOO_DEEP) from None
    except ValueError as error:
        raise MalformedMessageError(f"It is not JSON: {error}.") from None
    if _is_deeper_than(MAX_DEPTH, value):
        raise MalformedMessageError(_TOO_DEEP)
    dump(value)
    return value


def dump(value: Any) -> str:
    """The shortest JSON text of a value."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except UnicodeEncodeError:
        raise MalformedMessageError("It contains half of a surrogate pair.") from None
    except ValueError:
        raise MalformedMessageError(_TOO_LARGE) from None
    return text


def _integer(digits: str) -> int:
    """Python reads integers of any size; Step Functions reads every number as a double."""
    if math.isinf(float(digits)):
        raise MalformedMessageError(_TOO_LARGE)
    return int(digits)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _is_deeper_than(limit: int, value: Any) -> bool:
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
