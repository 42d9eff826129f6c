"""Refusing messages that the machine cannot parse."""

from io import StringIO

import pytest

from handlers.messages.check_message import handler
from handlers.messages.errors import MalformedMessageError
from tests.unit.fakes import FakeContext

EVENT = {"id": "e1", "time": "2025-01-01T00:00:00Z", "detail": {"message": '{"secret": "s3cret"}'}}


def test_a_valid_message_passes(context: FakeContext) -> None:
    assert handler({"execution": "arn", "event": EVENT}, context) == {"messageId": "e1"}


def test_a_malformed_message_is_refused(context: FakeContext) -> None:
    with pytest.raises(MalformedMessageError, match="not JSON"):
        handler({"execution": "arn", "event": EVENT | {"detail": {"message": "{"}}}, context)


def test_the_execution_is_logged_and_the_message_is_not(
    context: FakeContext, logged: StringIO
) -> None:
    handler({"execution": "arn:of:the:execution", "event": EVENT}, context)

    lines = logged.getvalue()
    assert "arn:of:the:execution" in lines
    assert "s3cret" not in lines
