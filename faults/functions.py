"""Invokes functions as Lambda does: at once with a result, or later with retries."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from faults import stack
from faults.network import Network
from faults.process import TIMED_OUT, Process
from faults.virtual_time import Timeline

# An asynchronous invocation is tried again after one and after two more minutes.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
_PAUSES = (60.0, 120.0)


@dataclass(frozen=True)
class Result:
    """What Lambda responds: the function's result, or the name and message of its error."""

    payload: Any = None
    error: str | None = None
    message: str = ""

    @property
    def failure(self) -> dict[str, str]:
        """The payload of a response about an error."""
        return {"errorType": self.error or "", "errorMessage": self.message}


class Functions:
    """The functions of the stack."""

    def __init__(
        self, timeline: Timeline, network: Network, send: Callable[[str, str], None]
    ) -> None:
        self._timeline = timeline
        self._network = network
        self._send = send  # a message to a queue
        self._numbers: Counter[str] = Counter()
        self.environment: Mapping[str, str] = {}  # beside that of functions.yml
        self.results: list[tuple[str, Any, Result]] = []  # function, event, result

    def invoke(self, key: str, event: Any) -> Result:
        function = stack.functions()[key]
        self._numbers[key] += 1
        process = Process(
            self._timeline,
            key,
            self._numbers[key],
            function.seconds,
            {**function.environment, **self.environment},
        )
        module = import_module(function.module)
        _forget_what_an_instance_keeps(module)
        handler = module.handler
        sent = json.loads(json.dumps(event))
        with process.running():
            try:
                result = Result(json.loads(json.dumps(handler(sent, process.context))))
            except Exception as error:
                result = Result(error=type(error).__name__, message=str(error))
            process.end()
        if process.death:
            result = Result(error=process.death, message=_last_words(process.death, function))
        self.results.append((key, event, result))
        return result

    def invoke_later(self, key: str, event: Any, attempt: int = 1) -> None:
        """Invoke asynchronously: up to the last attempt, then the failure destination gets it."""
        function = stack.functions()[key]
        result = self.invoke(key, event)
        if result.error is None:
            return
        if attempt < function.attempts:
            self._timeline.after(
                _PAUSES[attempt - 1], lambda: self.invoke_later(key, event, attempt + 1)
            )
        elif function.failure_queue:
            self._send(function.failure_queue, json.dumps(_failure_record(event, attempt, result)))


def _forget_what_an_instance_keeps(module: ModuleType) -> None:
    """Each invocation is the first one of an instance: what the last one has read may be wrong."""
    for kept in vars(module).values():
        if getattr(kept, "__module__", None) == module.__name__ and hasattr(kept, "cache_clear"):
            kept.cache_clear()


def _last_words(death: str, function: stack.Function) -> str:
    if death == TIMED_OUT:
        return f"2026-11-21T10:00:00Z r Task timed out after {function.seconds:.2f} seconds"
    return "RequestId: r Error: Runtime exited with error: signal: killed"


def _failure_record(event: Any, attempts: int, result: Result) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html"""
    failure = result.failure
    if result.error == TIMED_OUT:
        del failure["errorType"]  # only the message says that it was a timeout
    return {
        "requestContext": {
            "condition": "RetriesExhausted",
            "approximateInvokeCount": attempts,
        },
        "requestPayload": event,
        "responsePayload": failure,
    }
