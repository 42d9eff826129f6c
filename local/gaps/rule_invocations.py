"""A function that a rule invokes is retried, and a failed event goes to its failure destination.

ministack 1.5.33 does both for S3's notifications and for `InvocationType=Event`, but calls the
target of a rule once, and ignores the result. On AWS a rule invokes asynchronously:
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-targets.html
"""

import json

from ministack.services import eventbridge, lambda_svc

_dispatch_upstream = eventbridge._dispatch_to_lambda


def dispatch_to_lambda(arn: str, payload: str) -> None:
    function, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        _dispatch_upstream(arn, payload)  # logs it
        return
    record = lambda_svc._execution_record_for_config(function, config)
    lambda_svc.invoke_async_with_retry(record, json.loads(payload))


def install() -> None:
    eventbridge._dispatch_to_lambda = dispatch_to_lambda
