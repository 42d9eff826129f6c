"""A function's process goes on after its handler has raised an exception.

ministack 1.5.33 ends the process after every exception, so the next invocation is a cold start. On
AWS, the environment is used again: module globals and open connections are those of the invocation
that failed. Only an exception while the module is imported, a timeout and the end of the process
itself end an environment
(https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).

The worker returns an exception as a result, which leaves its process alone. Here it becomes an
error again.
"""

from typing import Any

from ministack.core import lambda_runtime

RAISED = "_local_handler_raised"
# How the worker writes an exception, and how it does here.
_UPSTREAM = '{"status": "error", "error": str(e), "trace": traceback.format_exc()}'
_AS_RESULT = (
    f'{{"status": "ok", "result": {{"{RAISED}": '
    '{"error": str(e), "trace": traceback.format_exc()}}}'
)

_script_upstream: str = lambda_runtime._PYTHON_WORKER_SCRIPT
_invoke_upstream = lambda_runtime.Worker.invoke


def worker_script() -> str:
    if _script_upstream.count(_UPSTREAM) != 1:
        raise RuntimeError(f"ministack's Python worker no longer writes {_UPSTREAM} in one place.")
    return _script_upstream.replace(_UPSTREAM, _AS_RESULT)


def invoke(worker: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    response: dict[str, Any] = _invoke_upstream(worker, *args, **kwargs)
    result = response.get("result")
    if isinstance(result, dict) and result.keys() == {RAISED}:
        del response["result"]
        response |= {"status": "error"} | result[RAISED]
    return response


def install() -> None:
    lambda_runtime._PYTHON_WORKER_SCRIPT = worker_script()
    lambda_runtime.Worker.invoke = invoke
