"""Settings and event fields that are missing are named."""

import pytest

from handlers.shared.errors import ConfigurationError, InvalidEventError
from handlers.shared.events import field
from handlers.shared.settings import required


def test_a_variable_is_read_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("READINGS_TABLE", "readings")
    assert required("READINGS_TABLE") == "readings"


@pytest.mark.parametrize("value", [None, ""], ids=["unset", "empty"])
def test_a_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv("READINGS_TABLE", raising=False)
    else:
        monkeypatch.setenv("READINGS_TABLE", value)
    with pytest.raises(ConfigurationError, match="READINGS_TABLE"):
        required("READINGS_TABLE")


def test_a_field_is_given() -> None:
    assert field({"source": {"a": 1}}, "source") == {"a": 1}


@pytest.mark.parametrize("event", [{}, {"source": None}, []], ids=["missing", "null", "no-object"])
def test_a_missing_field_is_named(event: dict[str, object]) -> None:
    with pytest.raises(InvalidEventError, match="source"):
        field(event, "source")
