"""The promises of the images workflow: docs/workflows/images.md, "When it fails"."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import IO, Any

from faults import stack
from faults.address import Call, Fault
from faults.kinds import Kind, Times
from faults.scenario import Scenario, Workflow, lasts
from faults.world import World
from handlers.images.http_client.errors import DownloadError
from handlers.images.http_client.fetch import Fetched
from handlers.images.http_client.time_limit import TimeLimit

SITE = "http://images.example"
IMAGES, RUNS = stack.bucket("ImagesBucket"), stack.bucket("ImagesRunsBucket")
TABLE = "ImagesTable"
CONTENT = {f"{name}.png": f"image {name}".encode() for name in "abcdef"}
# Two batches of five; one path is repeated, another is not there.
PATHS = [*CONTENT, "a.png"]
PATHS_WITH_ONE_MISSING = [*PATHS, "missing.png"]
_FAULTS_OF_THE_RUN = "Failed stepfunction download run"


class Site:
    """The web site, in place of what downloads from it: that calls no AWS service."""

    def fetch(self, address: str, spool: IO[bytes], _: Any) -> Fetched:
        content = CONTENT.get(address.rpartition("/")[2])
        if content is None:
            raise DownloadError("Could not find", status=HTTPStatus.NOT_FOUND)
        spool.write(content)
        return Fetched(len(content), "image/png", None)

    def close(self) -> None:
        pass


class NoWatchdog:
    """In place of the watchdog, which breaks sockets that are open for too long."""

    def __enter__(self) -> "NoWatchdog":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @contextmanager
    def limit(self, ends_at: float, slot: Any = None) -> Iterator[TimeLimit]:
        yield TimeLimit(ends_at, slot)


_OPTIONS: tuple[tuple[str, str, object], ...] = (
    ("handlers.images.download_batch", "fetcher", lambda _: Site()),
    ("handlers.images.downloads", "Watchdog", NoWatchdog),
    # One worker, so that the calls have an order.
    ("handlers.images.downloads", "WORKERS_PER_REQUEST", 1),
    ("handlers.images.report", "_READERS", 1),
)


def _request(paths: list[str]) -> Callable[[World], None]:
    input_ = {"baseUrl": SITE, "resourcePaths": paths, "lambdaConcur": 1}
    return lambda world: world.start("ImagesStateMachine", input_, "run-1")


def broken(world: World) -> Iterator[str]:
    """The promises that are broken."""
    executions = world.machines.executions("stepworks-local-images")
    objects = {key: world.read(IMAGES, key) for key in world.keys(IMAGES)}
    rows = {item["url"]["S"]: item["filename"]["S"] for item in world.items(TABLE)}
    if not executions:
        yield "no execution was started"
    if wrong := [url for url, key in rows.items() if objects.get(key) != _content(url)]:
        yield f"the table has images that are not stored: {wrong}"
    for execution in executions:
        yield from _broken_by(execution, world, objects, rows)


def _broken_by(
    execution: Any, world: World, objects: dict[str, bytes], rows: dict[str, str]
) -> Iterator[str]:
    ended = execution.error or execution.status
    requested = [f"{SITE}/{path}" for path in execution.input_data["resourcePaths"]]
    messages = [m["Message"] for m in world.published if m["Subject"] != _FAULTS_OF_THE_RUN]
    faults = [m["Message"] for m in world.published if m["Subject"] == _FAULTS_OF_THE_RUN]
    whole = ("SUCCEEDED", "DownloadsFailedError", "FailuresNotPublishedError")
    if ended in whole:
        report = json.loads(world.read(RUNS, f"{execution.name}/report.json"))
        if [outcome["url"] for outcome in report] != requested:
            yield "the report has other paths than the request"
        for outcome in report:
            url = outcome["url"]
            if "filename" in outcome:
                if objects.get(outcome["filename"]) != _content(url):
                    yield f"{url} is a success, but not stored"
                if rows.get(url) != outcome["filename"]:
                    yield f"{url} is a success, but not in the table"
            elif ended != "FailuresNotPublishedError" and not any(
                json.dumps(outcome["message"])[1:-1] in message for message in messages
            ):
                yield f"{url} failed, and no message says so"
            if "filename" not in outcome and ended == "SUCCEEDED":
                yield f"{url} failed, and the execution succeeded"
        if ended != "SUCCEEDED" and all("filename" in outcome for outcome in report):
            yield f"every path is a success, and the execution ended with {ended}"
    elif not any(execution.exec_arn in fault for fault in faults) and not lasts(world):
        yield f"the execution ended with {ended}, and no message says so"
    all_there = world.case.scenario in ("all there", "batch repeated")
    expected = "SUCCEEDED" if all_there else "DownloadsFailedError"
    if world.case.scenario == "not planned":
        expected = "AwsUnavailableError"
    if not lasts(world) and ended != expected:
        yield f"it ended with {ended}"


def _content(url: str) -> bytes | None:
    return CONTENT.get(url.removeprefix(f"{SITE}/"))


def _unavailable(caller: str, operation: str) -> tuple[Fault, ...]:
    return (Fault(Call(caller, 1, operation), Kind.UNAVAILABLE, Times.EVER),)


WORKFLOW = Workflow(
    "images",
    (
        Scenario("all there", _request(PATHS), options=_OPTIONS),
        Scenario("one missing", _request(PATHS_WITH_ONE_MISSING), options=_OPTIONS),
        Scenario(
            "batches lost",
            _request(PATHS),
            given=_unavailable("downloadBatch", "s3:GetObject"),
            options=_OPTIONS,
        ),
        Scenario(
            "batch repeated",
            _request(PATHS),
            given=(Fault(Call("downloadBatch", 1, "s3:PutObject", 4), Kind.KILLED_AFTER),),
            only=("downloadBatch",),
            options=_OPTIONS,
        ),
        Scenario(
            "not planned",
            _request(PATHS),
            given=_unavailable("batchResources", "s3:PutObject"),
            options=_OPTIONS,
        ),
    ),
    broken,
)
