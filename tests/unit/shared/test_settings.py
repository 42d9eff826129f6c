"""Settings are typed and validated; errors name the variable. Missing event fields are named."""

from collections.abc import Callable

import pytest

from handlers.shared import settings
from handlers.shared.errors import ConfigurationError, InvalidEventError
from handlers.shared.events import field

NAME = "READINGS_TABLE"
Reader = Callable[..., object]


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (settings.text, "readings", "readings"),
        (settings.integer, "12", 12),
        (settings.number, "1.5", 1.5),
        (settings.flag, "true", True),
        (settings.flag, "false", False),
    ],
)
def test_a_variable_is_read_on_use(
    monkeypatch: pytest.MonkeyPatch, read: Reader, value: str, expected: object
) -> None:
    monkeypatch.setenv(NAME, value)
    assert read(NAME) == expected


@pytest.mark.parametrize("read", [settings.text, settings.integer, settings.number, settings.flag])
@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_a_missing_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, read: Reader, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(NAME, raising=False)
    else:
        monkeypatch.setenv(NAME, value)
    with pytest.raises(ConfigurationError, match=f"{NAME} is not set"):
        read(NAME)


@pytest.mark.parametrize(
    ("read", "bounds", "value", "expected"),
    [
        (settings.integer, {}, "1.5", "a whole number"),
        (settings.integer, {"minimum": 1}, "0", "a whole number of at least 1"),
        (settings.number, {}, "much", "a number"),
        (settings.number, {}, "nan", "a number"),
        (settings.number, {}, "inf", "a number"),
        (settings.number, {"maximum": 9}, "9.5", "a number of at most 9"),
        (settings.number, {"minimum": 0, "maximum": 1}, "2", "a number from 0 to 1"),
        (settings.flag, {}, "True", "true or false"),
        (settings.flag, {}, "1", "true or false"),
    ],
)
def test_the_error_names_the_invalid_value_and_the_expected_one(
    monkeypatch: pytest.MonkeyPatch,
    read: Reader,
    bounds: dict[str, float],
    value: str,
    expected: str,
) -> None:
    monkeypatch.setenv(NAME, value)
    with pytest.raises(ConfigurationError) as raised:
        read(NAME, **bounds)
    message = f"The environment variable {NAME} is {value!r}. It must be {expected}."
    assert str(raised.value) == message


@pytest.mark.parametrize("value", [1, 3])
@pytest.mark.parametrize("read", [settings.integer, settings.number])
def test_bounds_are_inclusive(monkeypatch: pytest.MonkeyPatch, read: Reader, value: int) -> None:
    monkeypatch.setenv(NAME, str(value))
    assert read(NAME, minimum=1, maximum=3) == value


def test_a_field_is_returned() -> None:
    assert field({"source": {"a": 1}}, "source") == {"a": 1}


@pytest.mark.parametrize("event", [{}, {"source": None}, []], ids=["missing", "null", "no-object"])
def test_a_missing_field_is_named(event: dict[str, object]) -> None:
    with pytest.raises(InvalidEventError, match="source"):
        field(event, "source")
