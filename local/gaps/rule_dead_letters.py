"""An event that cannot start a rule's machine goes to the target's dead-letter queue.

ministack 1.5.33 starts the machine and ignores the result. On AWS an event that the target refuses
permanently, for example because it is larger than a machine's input may be, goes to the queue at
once. Attributes have the reason:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
"""

import contextvars
import json
import logging
from typing import Any

from ministack.services import eventbridge, sqs
from ministack.services import stepfunctions as sfn

logger = logging.getLogger(__name__)

_invoke_upstream = eventbridge._invoke_target
_dispatch_upstream = eventbridge._dispatch_to_stepfunctions

# The rule and the target of the current delivery.
_delivery: contextvars.ContextVar[tuple[dict[str, Any], dict[str, Any]]] = contextvars.ContextVar(
    "delivery"
)


def invoke_target(target: Any, event: Any, rule: Any, view: Any = None) -> None:
    outer = _delivery.set((rule, target))
    try:
        _invoke_upstream(target, event, rule, view)
    finally:
        _delivery.reset(outer)


def dispatch_to_stepfunctions(arn: str, payload: str) -> None:
    if sfn._resolve_state_machine_arn(arn) is None:
        _keep(payload, "NO_RESOURCE", f"The state machine {arn} does not exist.")
        return
    status, _, body = sfn._start_execution({"stateMachineArn": arn, "input": payload})
    if status >= 400:
        _keep(payload, "ERROR_FROM_TARGET", str(json.loads(body).get("message", "")))


def _keep(event: str, code: str, message: str) -> None:
    rule, target = _delivery.get()
    queue = sqs._queue_by_arn(target.get("DeadLetterConfig", {}).get("Arn", ""))
    if queue is None:
        logger.warning(
            "Event lost: %s refused it and has no dead-letter queue. %s", target["Arn"], message
        )
        return
    attributes = {
        "RULE_ARN": rule["Arn"],
        "TARGET_ARN": target["Arn"],
        "ERROR_CODE": code,
        "ERROR_MESSAGE": message,
    }
    sqs._act_send_message(
        {
            # ministack escapes characters that are not ASCII. EventBridge does not.
            "MessageBody": json.dumps(json.loads(event), ensure_ascii=False),
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            },
        },
        queue["url"],
    )


def install() -> None:
    eventbridge._invoke_target = invoke_target
    eventbridge._dispatch_to_stepfunctions = dispatch_to_stepfunctions
