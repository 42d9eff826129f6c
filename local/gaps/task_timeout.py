"""A Task's `TimeoutSeconds` begin when its function begins, not while the invocation waits.

ministack 1.5.33 counts from the moment when the task is scheduled. On AWS this is nearly the same
moment. Here an invocation may wait minutes for its turn (`lambda_workers`), and the seconds are
real seconds. The start of the function's process does not count either, because many processes
share a processor.
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


def with_timeout(run: Callable[[], Any]) -> Any:
    """The result of a function's run, or `States.Timeout`. A run that times out is not stopped."""
    seconds = _seconds.get()
    if seconds is None:
        return run()
    started = threading.Event()
    result: Future[Any] = Future()
    result.add_done_callback(lambda _: started.set())  # the run may fail before it starts

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
        if result.done():  # it was the function's own error
            raise
        raise sfn._ExecutionError(
            "States.Timeout", f"Task timed out after {seconds} seconds"
        ) from None


def started() -> None:
    """Called when the function begins."""
    event = _started.get()
    if event is not None:
        event.set()


def install() -> None:
    sfn._invoke_resource_with_timeout = invoke_resource_with_timeout
