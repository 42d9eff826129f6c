"""Event patterns, judged by EventBridge's TestEventPattern as ministack has it."""

import json
from typing import Any

from ministack.services import eventbridge

from tests.support import asl

# What EventBridge adds to an event, and TestEventPattern asks for.
ENVELOPE = {
    "id": "12345678-1234-1234-1234-123456789012",
    "account": asl.ACCOUNT,
    "region": asl.REGION,
    "time": "2025-01-01T00:00:00Z",
    "source": "any",
    "detail-type": "any",
    "resources": [],
    "detail": {},
}


def accepts(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    """Whether a rule with this pattern receives the event; AssertionError if it is no pattern."""
    status, _, body = eventbridge._test_event_pattern(
        {"EventPattern": json.dumps(pattern), "Event": json.dumps(ENVELOPE | event)}
    )
    assert status == 200, body
    return bool(json.loads(body)["Result"])
