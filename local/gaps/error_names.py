"""The class name of a Lambda function's exception, as `errorType`.

ministack 1.5.33 names every exception of a Python function `Runtime.HandlerError`, so no Retry or
Catch of a machine matches by name. This module takes the name from the end of the traceback that
the worker returns. On AWS:
https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html

If the process of a function ends, AWS names that `Runtime.ExitError` (recorded in
https://github.com/localstack/localstack/blob/main/tests/aws/services/lambda_/test_lambda.snapshot.json).
ministack has `Runtime.HandlerError` for that, too, and no machine would retry it.

A machine also gets no error name for a call that ministack refuses because too many run at once.
This module adds it.
"""

from typing import Any

from ministack.services import lambda_svc

_execute_upstream = lambda_svc._execute_function_warm
_throttle_upstream = lambda_svc._throttle_response
_PROCESS_ENDED = "Worker process died"


def execute(func: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
    result: dict[str, Any] = _execute_upstream(func, event, request_id)
    body = result.get("body")
    if result.get("error") and isinstance(body, dict) and "Traceback" in result.get("log", ""):
        head, _, trace = result["log"].rpartition("Traceback (most recent call last):\n")
        name = class_name(trace, body["errorMessage"])
        if body.get("errorType") == "Runtime.HandlerError" and name:
            body |= {"errorType": name, "requestId": request_id, "stackTrace": frames(trace)}
            result["log"] = head + f"[ERROR] {name}: {body['errorMessage']}\n{trace}"
    elif isinstance(body, dict) and body.get("errorMessage") == _PROCESS_ENDED:
        message = f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
        body |= {"errorType": "Runtime.ExitError", "errorMessage": message}
    return result


def class_name(trace: str, message: str) -> str | None:
    """The exception's class, from a formatted traceback that ends `package.Class: message`."""
    before_message = trace.rstrip("\n").removesuffix(message.rstrip("\n")).rstrip(": ")
    qualified = before_message.rpartition("\n")[2]
    return qualified.rpartition(".")[2] if qualified.replace(".", "").isidentifier() else None


def frames(trace: str) -> list[str]:
    lines = trace.splitlines(keepends=True)
    return [line for line in lines if line.startswith("  ")]


def throttled(reason_code: str, msg: str, retry_after: int = 1) -> dict[str, Any]:
    result: dict[str, Any] = _throttle_upstream(reason_code, msg, retry_after)
    result["body"] |= {"errorType": "Lambda.TooManyRequestsException", "errorMessage": msg}
    return result


def install() -> None:
    lambda_svc._execute_function_warm = execute
    lambda_svc._throttle_response = throttled
