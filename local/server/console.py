"""The console, on the local AWS's own port below /console/.

It calls the local AWS through its port like any other client, with the root key. The only
difference from a deployed stack: the local AWS says when something has happened to an execution or
elsewhere, so the console need not ask often.
"""

import re
from typing import Any

import boto3
from ministack.services import stepfunctions as sfn

from console.aws import Aws
from console.core import Console
from console.polling import Poller
from console.web import create
from local.server.authentication import Request
from local.server.guard import App, Receive, Scope, Send
from local.settings import REGION, ROOT, STACK, Settings

PATH = "/console"
CATALOGUE = ROOT / "events" / "catalogue.yml"
# Requests after which a page other than the runs may have something new, by their header
# `X-Amz-Target`; mails are sent in a request without it.
_TELLING = re.compile(
    rb"DynamoDB_20120810\.(PutItem|UpdateItem|BatchWriteItem)|AmazonSQS\.SendMessage|AWSEvents\.PutEvents"
)


class WithConsole:
    """Passes requests below /console/ on to the console, all others to the app."""

    def __init__(self, app: App, port: int) -> None:
        settings = Settings(port)
        session = boto3.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION
        )
        aws = Aws(session, settings.endpoint)
        self.app = app
        self.console, self.poller = create(
            Console(aws, STACK, writable=True, catalogue=CATALOGUE), port, f"{PATH}/"
        )
        wake_on_changes(self.poller)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_for_console(scope):
            await self.console(scope, receive, send)
        else:
            await self.app(scope, receive, send)
            if scope["type"] == "http" and _may_be_news(scope):
                self.poller.wake("")


def _may_be_news(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return bool(
        _TELLING.match(headers.get(b"x-amz-target", b""))
        or b"/ses/aws4_request" in headers.get(b"authorization", b"")
    )


def _is_for_console(scope: Scope) -> bool:
    path = scope["path"]
    # A signed request is for AWS: a bucket may be called `console`.
    return (path == PATH or path.startswith(f"{PATH}/")) and not Request.from_scope(scope).is_signed


def wake_on_changes(poller: Poller) -> None:
    poller.wakes_come = True
    add_event = sfn._add_event

    def add_event_and_wake(execution: dict[str, Any], *arguments: Any, **named: Any) -> Any:
        event = add_event(execution, *arguments, **named)
        poller.wake(execution["executionArn"])
        return event

    sfn._add_event = add_event_and_wake
