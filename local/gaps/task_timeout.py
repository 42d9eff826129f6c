"""A Task's `TimeoutSeconds` begin when its function begins, not while it waits for its turn.

ministack 1.5.33 counts from when the task is scheduled. On AWS that is nearly the same moment;
here an invocation may wait for minutes until it is its turn (`lambda_workers`), and the seconds are
real ones. The start of the function's process does not count either: here many share a processor.
"""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ministack.services import stepfunctions as sfn

_timed_upstream = sfn._invoke_resource_with_timeout

_seconds: contextvars.ContextVar[float | None] = contextvars.ContextVar("seconds", default=None)
_started: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar(
    "started", default=None
)


def invoke_resource_with_timeout(resource: str, data: Any, timeout: float) -> Any:
    if not sfn._extract_lambda_ref(resource) and "states:::lambda:invoke" not in resource:
        return _timed_upstream(resource, data, timeout)
    outer = _seconds.set(timeout)
    try:
        return sfn._invoke_resource(resource, data)
    finally:
        _seconds.reset(outer)


def limited(run: Callable[[], Any]) -> Any:
    """The result of a function's run, or `States.Timeout`; what runs too long is not stopped."""
    seconds = _seconds.get()
    if seconds is None:
        return run()
    started = threading.Event()
    result: Future[Any] = Future()
    result.add_done_callback(lambda _: started.set())  # it may fail before it starts

    def work() -> None:
        _seconds.set(None)
        _started.set(started)
        try:
            result.set_result(run())
        except BaseException as error:
            result.set_exception(error)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), daemon=True).start()
    started.wait()
    try:
        return result.result(seconds)
    except TimeoutError:
        if result.done():  # it was the function's own
            raise
        raise sfn._ExecutionError(
            "States.Timeout", f"Task timed out after {seconds} seconds"
        ) from None


def started() -> None:
    """The function that was waited for begins."""
    event = _started.get()
    if event is not None:
        event.set()


def install() -> None:
    sfn._invoke_resource_with_timeout = invoke_resource_with_timeout
