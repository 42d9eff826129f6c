"""Asynchronous invocations wait as events in a queue; a throttled event stays in it.

ministack 1.5.33 starts a thread for every event at once, and counts a throttled attempt as a
failed one: after the third the event is a dead letter. On AWS, Lambda keeps the event and retries
for hours with exponential backoff. Throttled attempts do not count as the attempts that a failing
function has: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html

Here a function has as many threads for events as it may have workers. The age of an event counts
from its first attempt, so an event never becomes a dead letter only because it waited.
"""

import contextvars
import logging
import threading
import time
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from ministack.services import lambda_svc

from local.gaps import lambda_workers

MAX_AGE_SECONDS = 6 * 3600
MAX_RETRIES = 2
_log = logging.getLogger("lambda")


@dataclass
class Event:
    """One asynchronous invocation of a function."""

    function: dict[str, Any]
    payload: Any
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    failures: int = 0
    throttles: int = 0
    first_attempt: float = 0.0

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.function.get("config") or self.function
        return config

    @property
    def settings(self) -> dict[str, Any]:
        """The function's EventInvokeConfig."""
        return (
            self.function.get("event_invoke_config")
            or (self.function.get("event_invoke_configs") or {}).get("$LATEST")
            or {}
        )

    def attempt(self) -> float | None:
        """Invoke the function. Returns seconds until the next attempt, None if there is none."""
        self.first_attempt = self.first_attempt or time.monotonic()
        result = lambda_svc._execute_function_with_config_scope(self.function, self.payload)
        if output := result.get("log"):
            name = self.config.get("FunctionName")
            _log.info("Lambda %s async output (attempt %d):\n%s", name, self.failures + 1, output)
        if not result.get("error"):
            return None
        pause = self._pause_after(bool(result.get("throttle")))
        if pause is None:
            self._send_to_destination(result)
        return pause

    def _pause_after(self, throttled: bool) -> float | None:
        base = lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS
        if throttled:
            self.throttles += 1
            pause = base * 2.0 ** min(self.throttles - 1, 16)
        else:
            self.failures += 1
            pause = base * 2.0 ** (self.failures - 1)
            retries = self.settings.get("MaximumRetryAttempts")
            if self.failures > int(MAX_RETRIES if retries is None else retries):
                return None
        pause = min(pause, lambda_svc._LAMBDA_ASYNC_RETRY_MAX_SECONDS)
        age = time.monotonic() - self.first_attempt + pause
        max_age = int(self.settings.get("MaximumEventAgeInSeconds") or MAX_AGE_SECONDS)
        return pause if age <= max_age else None

    def _send_to_destination(self, result: dict[str, Any]) -> None:
        destinations = self.settings.get("DestinationConfig") or {}
        target = (destinations.get("OnFailure") or {}).get("Destination") or (
            self.config.get("DeadLetterConfig") or {}
        ).get("TargetArn")
        if target:
            lambda_svc._run_with_function_config_scope(
                self.config,
                lambda_svc._route_async_failure,
                target,
                self.config.get("FunctionName", "unknown"),
                self.payload,
                result,
            )


class EventQueue:
    """The events of each function, first in first out, and the threads that process them."""

    def __init__(self, threads: int) -> None:
        self._max_threads = threads
        self._events: dict[Hashable, deque[Event]] = {}
        self._threads: dict[Hashable, int] = {}
        self._lock = threading.Lock()

    def put(self, key: Hashable, event: Event) -> None:
        with self._lock:
            self._events.setdefault(key, deque()).append(event)
            if self._threads.get(key, 0) >= self._max_threads:
                return
            self._threads[key] = self._threads.get(key, 0) + 1
        threading.Thread(target=self._work, args=(key,), daemon=True).start()

    def _work(self, key: Hashable) -> None:
        while (event := self._next(key)) is not None:
            try:
                pause = event.context.run(event.attempt)
            except Exception:
                _log.exception("An event of %s was lost", key)
                continue
            if pause is not None:
                timer = threading.Timer(pause, self.put, args=(key, event))
                timer.daemon = True
                timer.start()

    def _next(self, key: Hashable) -> Event | None:
        """The next event, or None to end the calling thread."""
        with self._lock:
            if events := self._events.get(key):
                return events.popleft()
            self._threads[key] -= 1
            if not self._threads[key]:
                del self._threads[key], self._events[key]
            return None


_queue = EventQueue(lambda_workers.WORKERS)


def invoke_async_with_retry(function: dict[str, Any], payload: Any) -> None:
    event = Event(function, payload)
    _queue.put(lambda_workers.queue_key(event.config), event)


def install() -> None:
    lambda_svc.invoke_async_with_retry = invoke_async_with_retry
