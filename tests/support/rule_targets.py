"""What a target of an EventBridge rule receives."""

import json
from typing import Any


def transformed(target: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    """The event, or what the target's input transformer makes of it.

    Only for templates whose placeholders stand for whole JSON values. A path that is missing is ""
    (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html).
    """
    transformer = target.get("InputTransformer")
    if transformer is None:
        return event
    text = transformer["InputTemplate"]
    for name, path in transformer["InputPathsMap"].items():
        value: Any = event
        for part in path.removeprefix("$.").split("."):
            value = value.get(part, "")
        text = text.replace(f"<{name}>", json.dumps(value))
    result: dict[str, Any] = json.loads(text)
    return result
