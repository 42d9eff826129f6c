"""The parameters of a task in the history: what the machine has sent.

ministack 1.5.33 has no `parameters` in `TaskScheduled`. On AWS they are JSON text, and include the
task token of a task that waits for one. The console shows them, and returns the token with them.

https://docs.aws.amazon.com/step-functions/latest/apireference/API_TaskScheduledEventDetails.html
"""

import contextvars
import json
from collections.abc import Callable
from typing import Any

from ministack.services import stepfunctions as sfn

_apply_parameters_upstream = sfn._apply_parameters
_apply_arguments_upstream = sfn._apply_jsonata_arguments

# What the state that runs in this context has made of its Parameters or Arguments.
_made: contextvars.ContextVar[Any] = contextvars.ContextVar("parameters_of_this_task", default=None)


def apply_parameters(*arguments: Any, **named: Any) -> Any:
    made = _apply_parameters_upstream(*arguments, **named)
    _made.set(made)
    return made


def apply_arguments(*arguments: Any, **named: Any) -> Any:
    made = _apply_arguments_upstream(*arguments, **named)
    _made.set(made)
    return made


def with_parameters(add_event: Callable[..., Any]) -> Callable[..., Any]:
    def add_event_with_parameters(
        execution: dict[str, Any], event_type: str, details: dict[str, Any] | None = None
    ) -> Any:
        if event_type == "TaskScheduled" and details:
            details["taskScheduledEventDetails"]["parameters"] = json.dumps(_made.get())
        return add_event(execution, event_type, details)

    return add_event_with_parameters


def install() -> None:
    sfn._apply_parameters = apply_parameters
    sfn._apply_jsonata_arguments = apply_arguments
    sfn._add_event = with_parameters(sfn._add_event)  # nested_history has replaced it before
