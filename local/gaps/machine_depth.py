"""An execution that a function starts is one call deeper than the function.

ministack 1.5.33 counts only calls from function to function. A function may start an execution and
wait for it. The functions of that execution must then not wait for the slot of the first one. See
`lambda_queue`: invocations wait only for deeper ones.
"""

from typing import Any

from ministack.services import lambda_svc
from ministack.services import stepfunctions as sfn

# A machine may start itself without end, and its functions may still call others: ministack refuses
# calls at a depth of more than 16.
MAX_DEPTH = 8

_handle_upstream = sfn.handle_request


async def handle_request(
    method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
) -> Any:
    if lambda_svc._INVOKE_DEPTH_HEADER in headers:
        depth = lambda_svc._inbound_invoke_depth(headers) + 1
        lambda_svc._invoke_depth.set(min(depth, MAX_DEPTH))
    return await _handle_upstream(method, path, headers, body, query)


def install() -> None:
    sfn.handle_request = handle_request
