"""`python -m console`: the console of a deployed stack, and the same data on the terminal."""

import argparse
import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import boto3
from hypercorn.asyncio import serve as serve_forever
from hypercorn.config import Config

from console.aws import Aws, ConsoleError, NotFoundError
from console.core import Console
from console.events import Entry
from console.run import duration
from console.runs import Run
from console.stack import EVENT_LOG_OUTPUT
from console.waiting import callbacks
from console.web import create

SERVICE = "stepworks"  # the stack of a stage is <service>-<stage>
PORT = 4577
PAUSE = 1.0  # seconds between looks with --follow
LISTED = 20


def serve(console: Console, arguments: argparse.Namespace) -> None:
    """serve the page on this machine"""
    inventory = console.inventory
    app, _ = create(console, arguments.port)
    threading.Thread(target=console.prepare, daemon=True).start()
    where = console.aws.endpoint or f"account {inventory.account}, {console.aws.region}"
    how = "may change things" if console.writable else "read-only"
    print(f"The console of {console.stack} ({where}; {how}):", flush=True)
    print(f"http://127.0.0.1:{arguments.port}/console/", flush=True)
    config = Config()
    config.bind = [f"127.0.0.1:{arguments.port}"]
    config.graceful_timeout = 1
    config.errorlog = None
    asyncio.run(serve_forever(app, config))


def runs(console: Console, arguments: argparse.Namespace) -> None:
    """list the runs, newest first; with --follow, print each change as it comes"""
    known = console.runs
    known.refresh()
    found, _ = known.page("", arguments.status or "", arguments.text or "", "", arguments.limit)
    known.detail(found, len(found))
    for run in reversed(found) if arguments.follow else found:
        say(console, arguments, run.summary(), run_line)
    while arguments.follow:
        time.sleep(PAUSE)
        changed = {run.id: run for run in known.refresh()}
        newest = sorted(known.by_id.values(), key=lambda run: run.started_at)[-LISTED:]
        changed |= {run.id: run for run in known.detail([*changed.values(), *newest], LISTED)}
        for run in changed.values():
            say(console, arguments, run.summary(), run_line)


def show(console: Console, arguments: argparse.Namespace) -> None:
    """show a run: its states and, with --follow, each state as it is reached"""
    known = console.runs
    run = find(console, arguments.run)
    shown: dict[str, Any] = {}
    while True:
        known.note(known.describe(run.arn))
        summaries = known.recording(run).history.summaries()
        states = {key: one for key, one in summaries.items() if not key.startswith("$")}
        known.detail([run], 1)
        if arguments.json and not arguments.follow:
            say(console, arguments, run.summary() | {"states": states}, run_line)
            return
        if not shown:
            say(console, arguments, run.summary(), run_line)
        for node, state in states.items():
            if state["visits"] and shown.get(node) != state["status"]:
                shown[node] = state["status"]
                say(console, arguments, {"node": node} | state, state_line)
        if not (arguments.follow and run.running):
            break
        time.sleep(PAUSE)
    if arguments.follow:
        say(console, arguments, run.summary(), run_line)


def events(console: Console, arguments: argparse.Namespace) -> None:
    """list the events of the event log, newest first; with --follow, print each as it comes"""
    log = console.event_log()
    if log is None:
        raise NotFoundError(
            f"The stack {console.stack} has no event log.",
            f"A stack with one names its table in the output {EVENT_LOG_OUTPUT}.",
        )

    def show_event(entry: Entry) -> None:
        data = {
            "id": entry.id,
            "at": entry.at,
            "source": entry.source,
            "type": entry.type,
            "run": log.run_of(entry),
            "detail": json.loads(entry.detail),
        }
        say(console, arguments, data, event_line)

    def matches(entry: Entry) -> bool:
        said = f"{entry.source} {entry.type} {entry.job} {entry.id} {entry.detail}".lower()
        return (
            arguments.source in (None, entry.source)
            and arguments.type in (None, entry.type)
            and all(word in said for word in (arguments.text or "").lower().split())
        )

    found, _ = log.page(
        arguments.text or "", arguments.source or "", arguments.type or "", "", arguments.limit
    )
    for entry in reversed(found) if arguments.follow else found:
        show_event(entry)
    while arguments.follow:
        time.sleep(PAUSE)
        for entry in sorted(log.news(), key=lambda entry: entry.order):
            if matches(entry):
                show_event(entry)


def waiting(console: Console, arguments: argparse.Namespace) -> None:
    """list the open callbacks, longest waiting first; with --follow, print each change"""
    known = console.runs
    shown: dict[str, dict[str, Any]] = {}
    complete = False
    while True:
        known.refresh()
        found, complete = callbacks(known)
        now = {callback.id: callback.as_dict(console) for callback in found}
        for identifier, data in now.items():
            if identifier not in shown:
                say(console, arguments, data | {"open": True}, callback_line)
        # What cannot be read for a moment has not been answered.
        for identifier in shown.keys() - now.keys() if complete else ():
            say(console, arguments, shown[identifier] | {"open": False}, callback_line)
        shown = now if complete else shown | now
        if not arguments.follow and complete:
            return
        if arguments.follow:
            time.sleep(PAUSE)


def find(console: Console, text: str) -> Run:
    """A run by its id, its ARN, its name or its label. Raises ConsoleError."""
    if ":execution:" in text:
        text = text.partition(":execution:")[2].replace("/", "~")
    if ":" in text:
        return console.runs.get(text)
    console.runs.refresh()
    found, _ = console.runs.page("", "", "", "", 1000)
    console.runs.detail(found, 200)
    for run in found:
        if text in (run.name, run.label):
            return run
    raise ConsoleError(f"There is no run {text}.", "`runs` lists them.")


def say(
    console: Console,
    arguments: argparse.Namespace,
    data: dict[str, Any],
    line: Callable[[dict[str, Any]], str],
) -> None:
    data = console.redaction.clean(data)
    print(json.dumps(data, ensure_ascii=False) if arguments.json else line(data), flush=True)


def run_line(run: dict[str, Any]) -> str:
    status = "WAITING" if run["waiting"] else run["status"]
    took = duration((run["stoppedAt"] or time.time() * 1000) - run["startedAt"])
    where = ", ".join(run["states"]) or run["failedState"] or ""
    error = f" ({run['error']})" if run["error"] else ""
    at = datetime.fromtimestamp(run["startedAt"] / 1000).strftime("%d.%m. %H:%M:%S")
    return f"{at}  {status:<10} {run['title']:<16} {run['label']:<40} {took:>12}  {where}{error}"


def state_line(state: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(state["startedAt"] / 1000).strftime("%H:%M:%S")
    took = duration(state["stoppedAt"] - state["startedAt"]) if state["stoppedAt"] else ""
    counts = state["map"]
    items = f" {counts['succeeded']} of {counts['total']}" if counts else ""
    error = f" {state['error']}" if state["error"] else ""
    return f"  {at}  {state['status']:<10} {state['node']}{items}{error}  {took}".rstrip()


def event_line(event: dict[str, Any]) -> str:
    at = datetime.fromtimestamp(event["at"] / 1000).strftime("%d.%m. %H:%M:%S.%f")[:-3]
    detail = json.dumps(event["detail"], ensure_ascii=False)
    about = event["run"] or (detail if len(detail) <= 80 else f"{detail[:79]}…")
    return f"{at}  {event['source']:<24} {event['type']:<40} {about}"


def callback_line(waits: dict[str, Any]) -> str:
    since = datetime.fromtimestamp(waits["since"] / 1000).strftime("%d.%m. %H:%M:%S")
    now = time.time() * 1000
    how_long = duration(now - waits["since"])
    ends = waits["timesOutAt"] or waits["runTimesOutAt"]
    deadline = f"times out in {duration(max(0, ends - now))}" if ends else "NEVER TIMES OUT"
    last = deadline if waits["open"] else "waits no more"
    run = f"{waits['run']['title']:<16} {waits['run']['label']:<40}"
    return f"{since}  {run} {waits['state']:<32} {how_long:>12}  {last}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m console", description=__doc__)
    stack = parser.add_mutually_exclusive_group(required=True)
    stack.add_argument("--stack", help="name of a CloudFormation stack")
    stack.add_argument("--stage", help=f"the stage of this service: the stack {SERVICE}-<stage>")
    parser.add_argument("--port", type=int, default=PORT, help=f"port of the page ({PORT})")
    parser.add_argument("--allow-writes", action="store_true", help="let the page change things")
    parser.add_argument(
        "--event-catalogue",
        type=Path,
        metavar="FILE",
        help="a catalogue of events, with samples and schemas of what one may send",
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help=serve.__doc__)
    for command in (runs, show, events, waiting):
        one = commands.add_parser(command.__name__, help=command.__doc__)
        one.add_argument("--json", action="store_true", help="one JSON object a line")
        one.add_argument("--follow", action="store_true", help="go on until Ctrl-C or its end")
        if command in (runs, events):
            one.add_argument("--text", help="words that it must have")
            one.add_argument("--limit", type=int, default=LISTED, help=f"at most ({LISTED})")
        if command is events:
            one.add_argument("--source", help="source of the event")
            one.add_argument("--type", help="detail-type of the event")
        elif command is runs:
            one.add_argument("--status", help="RUNNING, SUCCEEDED, FAILED …, several with commas")
        elif command is show:
            one.add_argument("run", help="name, label, id or ARN of a run")
    arguments = parser.parse_args()
    do = {"runs": runs, "show": show, "events": events, "waiting": waiting}.get(
        arguments.command, serve
    )
    aws = Aws(boto3.Session(), os.environ.get("AWS_ENDPOINT_URL") or None)
    name = arguments.stack or f"{SERVICE}-{arguments.stage}"
    try:
        do(Console(aws, name, arguments.allow_writes, arguments.event_catalogue), arguments)
    except ConsoleError as error:
        print(f"console: {error.message} {error.action or ''}".rstrip(), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
