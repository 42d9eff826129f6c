"""What policies are matched against where ministack 1.5.33 knows less of a request than AWS.

- `ses:FromAddress` and `events:source` are unknown to it, so that a policy which asks for them
  allows nothing. So is `ses:Recipients`: a policy that limits them with ForAllValues allows all.
  A SendEmail has no resource, so that a policy which names identities allows nothing.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonses.html
  https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
- A task's answer acts on the machine that waits for it.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html
- A schedule is one of its group's, not of the group "default".
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html
- `aws:SecureTransport` is false, for it speaks plain HTTP, and the buckets' policies deny what is
  not TLS: nothing could read a bucket. What never leaves the machine needs no encryption.
"""

import json
from typing import Any

from ministack.core import iam_actions, iam_evaluator

from local.gaps import task_tokens

_condition_key_upstream = iam_evaluator._resolve_condition_key
_request_keys_upstream = iam_actions.request_tag_context
_resource_upstream = iam_actions.extract_resource_arn
_SENDING = ("SendEmail", "SendRawEmail")


def condition_key(key: str, ctx: Any) -> Any:
    return "true" if key.lower() == "aws:securetransport" else _condition_key_upstream(key, ctx)


def request_keys(service: str, action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
    """The condition keys that come from a request's own parameters."""
    keys: dict[str, Any] = _request_keys_upstream(service, action, body, params)
    if service == "ses" and action.removeprefix("ses:") in _SENDING:
        keys["ses:fromaddress"] = _parameter(params, "Source")
        keys["ses:recipients"] = [
            _parameter(params, name)
            for name in params
            if name.startswith(("Destination.", "Destinations."))
        ]
    elif action == "events:PutEvents":
        entries = json.loads(body or b"{}").get("Entries", [])
        # A statement that allows one source allows no request that has another one in it.
        keys["events:source"] = ",".join(sorted({entry.get("Source", "") for entry in entries}))
    return keys


def resource(
    service: str,
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    params: dict[str, Any],
    region: str,
    account: str,
) -> str:
    """The ARN that a request acts on."""
    if service == "ses" and _parameter(params, "Action") in _SENDING:
        return f"arn:aws:ses:{region}:{account}:identity/{_parameter(params, 'Source')}"
    if service == "states" and (machine := task_tokens.owner(body)):
        return machine
    if service == "scheduler" and path.startswith("/schedules/"):
        group = json.loads(body or b"{}").get("GroupName") or _parameter(params, "groupName")
        name = path.removeprefix("/schedules/")
        return f"arn:aws:scheduler:{region}:{account}:schedule/{group or 'default'}/{name}"
    return str(_resource_upstream(service, method, path, headers, body, params, region, account))


def _parameter(params: dict[str, Any], name: str) -> str:
    value = params.get(name, "")
    return str(value[0] if isinstance(value, list) else value)


def install() -> None:
    iam_evaluator._resolve_condition_key = condition_key
    iam_actions.request_tag_context = request_keys
    iam_actions.extract_resource_arn = resource
