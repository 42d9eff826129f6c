"""Settings: environment variables, read and checked on use.

Each function returns a variable's value as one type. If the variable is not set or its value is
invalid, ConfigurationError names the variable, the value and what was expected.
"""

import math
import os
from collections.abc import Callable
from typing import TypeVar

from handlers.shared.errors import ConfigurationError

N = TypeVar("N", int, float)


def text(name: str) -> str:
    """The value of a variable. It must not be empty."""
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(f"The environment variable {name} is not set.")
    return value


def integer(name: str, *, minimum: float = -math.inf, maximum: float = math.inf) -> int:
    """The value of a variable as a whole number within the bounds, inclusive."""
    return _converted(
        name, int, f"a whole number{_bounds_text(minimum, maximum)}", minimum, maximum
    )


def number(name: str, *, minimum: float = -math.inf, maximum: float = math.inf) -> float:
    """The value of a variable as a finite number within the bounds, inclusive."""
    return _converted(name, float, f"a number{_bounds_text(minimum, maximum)}", minimum, maximum)


def flag(name: str) -> bool:
    """Whether the value of a variable is `true`. It must be `true` or `false`."""
    value = text(name)
    if value not in ("true", "false"):
        raise _invalid_value(name, value, "true or false")
    return value == "true"


def _converted(
    name: str, convert: Callable[[str], N], expected: str, minimum: float, maximum: float
) -> N:
    value = text(name)
    try:
        converted = convert(value)
    except ValueError:
        raise _invalid_value(name, value, expected) from None
    if not (math.isfinite(converted) and minimum <= converted <= maximum):
        raise _invalid_value(name, value, expected)
    return converted


def _bounds_text(minimum: float, maximum: float) -> str:
    match math.isfinite(minimum), math.isfinite(maximum):
        case True, True:
            return f" from {minimum:g} to {maximum:g}"
        case True, False:
            return f" of at least {minimum:g}"
        case False, True:
            return f" of at most {maximum:g}"
    return ""


def _invalid_value(name: str, value: str, expected: str) -> ConfigurationError:
    return ConfigurationError(
        f"The environment variable {name} is {value!r}. It must be {expected}."
    )
