"""The reminder: EventBridge Scheduler calls remindSigner after half of the request's time."""

import json
from collections.abc import Mapping

from botocore.exceptions import ClientError

from handlers.shared import settings
from handlers.shared.clients import client
from handlers.shared.clock import iso, now
from handlers.shared.errors import error_code, translate_aws_errors
from handlers.shared.events import field
from handlers.signature.request import SignatureRequest

MAX_EVENT_AGE_SECONDS = 3600


def schedule(request: SignatureRequest, target: Mapping[str, str]) -> None:
    """Schedule one reminder per request.

    `target` has the ARNs of the function, the role that may call it and the failure queue. There is
    no reminder if half of the time is over in less than a second.
    """
    half_time = (request.requested_at + request.expires_at) / 2
    if half_time < now() + 1:
        return
    try:
        with translate_aws_errors("scheduling a reminder"):
            client("scheduler").create_schedule(
                Name=request.request_id,
                GroupName=settings.text("REMINDERS_GROUP"),
                Description=f"Reminds {request.signer} of a document to sign",
                ScheduleExpression=f"at({iso(half_time).removesuffix('Z')})",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={
                    "Arn": field(target, "functionArn"),
                    "RoleArn": field(target, "roleArn"),
                    "Input": json.dumps({"requestId": request.request_id}),
                    "DeadLetterConfig": {"Arn": field(target, "failureQueueArn")},
                    "RetryPolicy": {
                        "MaximumEventAgeInSeconds": MAX_EVENT_AGE_SECONDS,
                        "MaximumRetryAttempts": 20,
                    },
                },
            )
    except ClientError as error:
        if error_code(error) != "ConflictException":  # scheduled by an earlier attempt
            raise
