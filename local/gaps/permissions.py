"""Condition keys and resources of requests that ministack 1.5.33 does not give to its policies.

- It lacks `ses:FromAddress` and `events:source`, so a policy that requires them allows nothing. It
  also lacks `ses:Recipients`, so a policy that limits them with ForAllValues allows everything. Its
  SendEmail has no resource, so a policy that names identities allows nothing.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonses.html
  https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
- The resource of SendTaskSuccess and SendTaskFailure is the machine that waits.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html
- The resource of ListExecutions and DescribeMapRun is the Map Run, if the request names one.
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html
- A schedule belongs to its own group, not to the group "default".
  https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html
- `aws:SecureTransport` is false, because ministack uses plain HTTP. The buckets' policies deny
  requests without TLS, so no request could read a bucket. Requests stay on this machine and need
  no encryption.
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
    """The condition keys from a request's own parameters."""
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
        # A statement that allows one source allows no request that also has another source.
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
    if service == "states" and (map_run := json.loads(body or b"{}").get("mapRunArn")):
        return str(map_run)
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
