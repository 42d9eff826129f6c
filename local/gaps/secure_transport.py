"""A request to this machine's own address counts as sent over TLS.

The buckets' policies deny what is not (`aws:SecureTransport`), ministack 1.5.33 speaks plain HTTP
and applies them to the roles of functions: nothing could read a bucket. What never leaves the
machine has nothing to be encrypted for.
"""

from typing import Any

from ministack.core import iam_evaluator

_resolve_upstream = iam_evaluator._resolve_condition_key


def resolve_condition_key(key: str, ctx: Any) -> Any:
    return "true" if key.lower() == "aws:securetransport" else _resolve_upstream(key, ctx)


def install() -> None:
    iam_evaluator._resolve_condition_key = resolve_condition_key
