"""`python -m console`: the console of a deployed stack."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import boto3
from hypercorn.asyncio import serve as serve_forever
from hypercorn.config import Config

from console.aws import Aws, ConsoleError
from console.core import Console
from console.web import create

SERVICE = "stepworks"  # the stack of a stage is <service>-<stage>
PORT = 4577


def serve(console: Console, arguments: argparse.Namespace) -> None:
    """serve the page on this machine"""
    inventory = console.inventory
    app, _ = create(console, arguments.port)
    where = console.aws.endpoint or f"account {inventory.account}, {console.aws.region}"
    how = "writable" if console.writable else "read-only"
    print(f"The console of {console.stack} ({where}; {how}):", flush=True)
    print(f"http://127.0.0.1:{arguments.port}/console/", flush=True)
    config = Config()
    config.bind = [f"127.0.0.1:{arguments.port}"]
    config.graceful_timeout = 1
    config.errorlog = None
    asyncio.run(serve_forever(app, config))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m console", description=__doc__)
    stack = parser.add_mutually_exclusive_group(required=True)
    stack.add_argument("--stack", help="name of a CloudFormation stack")
    stack.add_argument("--stage", help=f"the stage of this service: the stack {SERVICE}-<stage>")
    parser.add_argument("--port", type=int, default=PORT, help=f"port of the page ({PORT})")
    parser.add_argument(
        "--allow-writes", action="store_true", help="allow the page to change things"
    )
    parser.add_argument(
        "--event-catalogue",
        type=Path,
        metavar="FILE",
        help="a catalogue of events, with samples and schemas of what one may send",
    )
    parser.add_argument("command", nargs="?", choices=["serve"], default="serve")
    arguments = parser.parse_args()
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or None
    aws = Aws(boto3.Session(), endpoint)
    name = arguments.stack or f"{SERVICE}-{arguments.stage}"
    try:
        serve(Console(aws, name, arguments.allow_writes, arguments.event_catalogue), arguments)
    except ConsoleError as error:
        print(f"console: {error.message} {error.action or ''}".rstrip(), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
