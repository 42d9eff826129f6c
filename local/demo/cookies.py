"""The cookies scene: one event starts a report; profiles and cookies are shown as they appear."""

import json
import time
from typing import Any

from rich import box
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from local.aws import Aws, until
from local.demo.summary import Summary
from local.errors import LocalError

TITLE = "cookies: an event starts a machine in which every step is an event"
NAMES = ["Ada Lovelace", "Ada Lovelace", 'Edsger "W." Dijkstra', "Åsa/Öberg", "O'Neil", "😀"]
GENERATED = 12
SCENE_SECONDS = 240


def play(aws: Aws, console: Console, *, quick: bool) -> Summary:
    reports = [report(aws, console, {"names": NAMES})]
    if not quick:
        reports.append(report(aws, console, {"count": GENERATED, "seed": 7}))
    people = sum(written["numberOfPeople"] for written in reports)
    eaten = sum(written["totalCookiesConsumed"] for written in reports)
    count = "a report" if quick else f"{len(reports)} reports"
    return Summary(f"{count} on {people} people and {eaten} cookies", "CookiesBucket")


def report(aws: Aws, console: Console, detail: dict[str, Any]) -> dict[str, Any]:
    """Put the event that asks for a report, show the progress, and return the report."""
    entry = {
        "Source": "project",
        "DetailType": "start",
        "EventBusName": "default",
        "Detail": json.dumps(detail),
    }
    shown = json.dumps(detail, ensure_ascii=False)
    console.print(f"Putting an event: project, start, {escape(shown)}", soft_wrap=True)
    event = aws.client("events").put_events(Entries=[entry])["Entries"][0]["EventId"]
    machine = aws.outputs["CookiesStateMachineArn"]
    execution = f"{machine.replace(':stateMachine:', ':execution:')}:{event}"
    until("the execution", lambda: event in {e["name"] for e in aws.executions(machine)})
    described = watch(aws, console, execution)
    return check(aws, console, described, detail)


def watch(aws: Aws, console: Console, execution: str) -> dict[str, Any]:
    """Show each person's files as they appear, until the execution has ended."""
    deadline = time.monotonic() + SCENE_SECONDS
    files: dict[str, Any] = {}
    with Live(progress(files), console=console, refresh_per_second=8) as live:
        while True:
            described = aws.describe(execution)
            files |= new_files(aws, execution, files)
            live.update(progress(files))
            if described["status"] != "RUNNING":
                return described
            if time.monotonic() > deadline:
                raise LocalError(f"{execution} has not ended after {SCENE_SECONDS} s.")
            time.sleep(0.2)


def new_files(aws: Aws, execution: str, files: dict[str, Any]) -> dict[str, Any]:
    """The content of the execution's new files, by the end of their key."""
    s3, bucket = aws.client("s3"), aws.outputs["CookiesBucket"]
    folder = execution.rpartition(":")[2] + "/"
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=folder).get("Contents", [])
    names = {entry["Key"].removeprefix(folder) for entry in listed} - set(files)
    return {
        name: json.load(s3.get_object(Bucket=bucket, Key=folder + name)["Body"]) for name in names
    }


def progress(files: dict[str, Any]) -> Table:
    table = Table("#", "name", "company", "city", "cookies", box=box.SIMPLE)
    for number, profile in sorted(people(files, "basic").items()):
        eaten = people(files, "final").get(number, {}).get("numberOfCookiesConsumed")
        table.add_row(
            *(str(number), escape(profile["name"]), profile["company"], profile["city"]),
            "[yellow]…" if eaten is None else f"[green]{eaten}",
        )
    return table


def people(files: dict[str, Any], stage: str) -> dict[int, Any]:
    """Profiles by the person's number. Files are named `<stage>-<number>-<slug>.json`."""
    split = {name: name.split("-", 2) for name in files}
    return {int(parts[1]): files[name] for name, parts in split.items() if parts[0] == stage}


def check(
    aws: Aws, console: Console, execution: dict[str, Any], detail: dict[str, Any]
) -> dict[str, Any]:
    """Show the report beside the sums of the files. LocalError if they differ."""
    arn = execution["executionArn"]
    status = f"{execution['status']} {execution.get('cause', '')}".strip()
    expect(execution["status"] == "SUCCEEDED", f"{arn} ended {status}")
    files = new_files(aws, arn, {})
    written: dict[str, Any] = files["0-cookies.json"]
    output = json.loads(execution["output"])
    eaten = [person["numberOfCookiesConsumed"] for person in people(files, "final").values()]

    results = Table("", "people", "cookies", box=box.SIMPLE)
    results.add_row(
        "the report", str(written["numberOfPeople"]), str(written["totalCookiesConsumed"])
    )
    results.add_row("added up from the files", str(len(eaten)), str(sum(eaten)))
    results.add_row("output of the execution", "", str(output["totalCookiesConsumed"]))
    console.print(results)

    expected = detail.get("names") or output["names"]
    expect(
        len(expected) == detail.get("count", len(expected)),
        f"{len(expected)} people were generated",
    )
    expect(written["names"] == expected, f"the report has the names {written['names']}")
    expect(len(eaten) == written["numberOfPeople"] == len(expected), "a person is missing")
    expect(
        sum(eaten) == written["totalCookiesConsumed"] == output["totalCookiesConsumed"],
        "the sums differ",
    )
    return written


def expect(condition: bool, problem: str) -> None:
    if not condition:
        raise LocalError(f"The cookies workflow did not do what it should: {problem}.")
