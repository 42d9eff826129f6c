"""All runs of a stack's machines, and the histories of those that somebody looks at.

AWS is asked for what is new only. What cannot change any more, the history of a run that has
ended, is kept while there is room.
"""

import json
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYetError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

from console.aws import Aws, BadRequestError, ConsoleError, NotAllowedError, NotFoundError
from console.definition import Definition, parse, processor
from console.history import WAITING, History, millis, token_values
from console.labels import Labels, texts
from console.redaction import Redaction
from console.stack import Inventory, Machine

PATIENCE = 0.1  # seconds that a page or a poll waits for a history; the rest comes later
KEPT = 1_000  # runs of a machine that are read at first; older ones when somebody asks
HISTORY_BYTES = 256 * 1024 * 1024  # of the histories that are kept, about
EVENT_BYTES = 1_600  # of an event without its texts, with what is derived from it; measured
HISTORY_PAGE = 500  # events: a page of a run shows the first ones while the others are read
DENIED = 30.0  # seconds until what the credentials did not allow is tried again
NEWEST = 100  # runs whose labels and states are read before anybody lists them
STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE")
_COUNTED = {
    "RUNNING": "running",
    "PENDING_REDRIVE": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "TIMED_OUT": "timedOut",
    "ABORTED": "aborted",
}
T = TypeVar("T")
R = TypeVar("R")
Took = Callable[["Recording", list[dict[str, Any]]], None]


@dataclass(eq=False)
class Run:
    """One execution, as far as it is known."""

    id: str
    arn: str
    machine: str  # name
    title: str
    name: str
    status: str
    started_at: int
    stopped_at: int | None
    revision: int = 0  # grows with every change
    texts: tuple[str, ...] | None = None  # of its input, each perhaps its label; None: not read yet
    labels: Labels = field(default_factory=Labels)  # of all runs of its machine
    error: str | None = None
    failed_state: str | None = None
    states: list[str] = field(default_factory=list)
    callbacks: int = 0  # tasks that wait for one
    detailed_for: str | None = None  # the status for which label, error and states were read
    events: int = 0  # in its history, as far as it has been read
    events_complete: bool = False  # whether these were all
    wanted: bool = False  # a page lists it, so its label and states are worth reading
    next_look: float = 0.0  # time.monotonic() at which the history of a running one is read again

    @property
    def label(self) -> str:
        return self.labels.of(self.texts or (), self.name)

    @property
    def waiting(self) -> bool:
        return self.callbacks > 0

    @property
    def running(self) -> bool:
        return self.status in ("RUNNING", "PENDING_REDRIVE")

    def summary(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "workflow": self.machine,
            "title": self.title,
            "name": self.name,
            "label": self.label,
            "status": self.status,
            "startedAt": self.started_at,
            "stoppedAt": self.stopped_at,
            "states": self.states,
            "waiting": self.waiting,
            "error": self.error,
            "failedState": self.failed_state,
        }


class Recording:
    """The history of one run: its events, and the states they add up to.

    Hold `lock` while looking at the events or the history: another thread may add to them.
    """

    def __init__(self, arn: str, definition: Definition) -> None:
        self.arn = arn
        self.definition = definition
        self.events: list[dict[str, Any]] = []
        self.history = History(definition)
        self.size = 0
        self.complete = False  # whether it was read to its end, at that time
        self.complete_for: str | None = None  # status after which nothing can follow
        self.lock = threading.RLock()
        self._reading: Future[None] | None = None
        self._begin = threading.Lock()

    def read(
        self,
        aws: Aws,
        status: str,
        pool: ThreadPoolExecutor,
        took: Took,
        seconds: float | None,
    ) -> None:
        """Fetch what is new. After `seconds` the rest is fetched in the background.

        `took` is called with each page of events, before anybody else can see them.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            with self._begin:
                if self.complete_for is not None and self.complete_for == status:
                    return
                mine = self._reading is None
                if mine:
                    self._reading = pool.submit(self._read, aws, status, took)
                reading = self._reading
            assert reading is not None
            try:
                reading.result(None if deadline is None else max(0, deadline - time.monotonic()))
            except NotYetError:
                return
            if mine:  # else what has happened since that reading began may be missing
                return

    def _read(self, aws: Aws, status: str, took: Took) -> None:
        try:
            for events, last in self._since(aws, self.events[-1]["id"] if self.events else 0):
                with self.lock:
                    self._take(events)
                    self.complete = self.complete or last
                    ended = self.history.status
                    if last and ended == status and ended != "RUNNING":
                        self.complete_for = ended
                    took(self, events)
        finally:
            with self._begin:
                self._reading = None

    def _since(self, aws: Aws, last: int) -> Iterator[tuple[list[dict[str, Any]], bool]]:
        """The events after the last one that is known, in order, and whether these are all."""
        if not last or not self.complete:
            yield from self._pages(aws, last)
            return
        new: list[dict[str, Any]] = []
        for event in aws.pages(
            "stepfunctions",
            "get_execution_history",
            "events",
            executionArn=self.arn,
            reverseOrder=True,
            PaginationConfig={"PageSize": 100},
        ):
            if event["id"] <= last:
                break
            new.append(event)
        new.reverse()
        yield new, True

    def _pages(self, aws: Aws, last: int) -> Iterator[tuple[list[dict[str, Any]], bool]]:
        """All pages from the first; without what is known."""
        token: str | None = None
        while True:
            page = aws.call(
                "stepfunctions",
                "get_execution_history",
                executionArn=self.arn,
                maxResults=HISTORY_PAGE,
                **({"nextToken": token} if token else {}),
            )
            token = page.get("nextToken")
            yield [event for event in page["events"] if event["id"] > last], token is None
            if token is None:
                return

    def _take(self, events: list[dict[str, Any]]) -> None:
        self.events += events
        self.history.extend(events)
        for event in events:
            self.size += EVENT_BYTES + sum(
                len(text)
                for details in event.values()
                if isinstance(details, dict)
                for text in details.values()
                if isinstance(text, str)
            )


class Runs:
    """The runs of a stack. May be used by several threads."""

    def __init__(self, aws: Aws, inventory: Inventory, redaction: Redaction) -> None:
        self.aws = aws
        self.inventory = inventory
        self.redaction = redaction
        self.by_id: dict[str, Run] = {}
        self._labels: defaultdict[str, Labels] = defaultdict(Labels)  # by machine
        self._older: dict[str, str | None] = {}  # machine ARN → token of the page after the last
        self._read: set[str] = set()  # machine ARNs whose first page has been read
        self._without_list: set[str] = set()  # machine ARNs
        self._definitions: dict[str, Definition] = {}
        self._recordings: OrderedDict[str, Recording] = OrderedDict()
        self._refreshed = float("-inf")
        self._not_listed: list[NotAllowedError] = []
        self._not_detailed: NotAllowedError | None = None
        self._lock = threading.RLock()
        self._refreshing = threading.Lock()
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="console-aws")
        # Apart from the pool: its threads wait for these.
        self._histories = ThreadPoolExecutor(8, thread_name_prefix="console-history")
        # Told when more of a run's history has been read, in any thread.
        self.on_progress: Callable[[Run], None] = lambda _: None

    # -- The list ---------------------------------------------------------------------------------

    @property
    def machines(self) -> list[Machine]:
        """Those whose executions AWS lists: not Express machines."""
        return [one for one in self.inventory.machines if one.arn not in self._without_list]

    def refresh(self, older_than: float = 0.0) -> list[Run]:
        """Read what is new, unless done in the last `older_than` seconds. Returns changed runs."""
        with self._refreshing:
            if time.monotonic() - self._refreshed < older_than:
                return []
            changed: list[Run] = []
            denied: list[NotAllowedError] = []
            machines = self.machines
            for found in self.parallel(self._refresh, machines):
                if isinstance(found, NotAllowedError):
                    denied.append(found)
                else:
                    changed += found
            if denied and len(denied) == len(machines):
                raise denied[0]
            self._not_listed = denied
            self._refreshed = time.monotonic()
            return changed

    def problems(self) -> list[dict[str, Any]]:
        """What the credentials do not allow to read of runs."""
        found = [{"what": "runs of some workflows"} | error.as_dict() for error in self._not_listed]
        if self._not_detailed is not None:
            what = {"what": "labels, states and errors of runs"}
            found.append(what | self._not_detailed.as_dict())
        return [one for at, one in enumerate(found) if one not in found[:at]]

    def _refresh(self, machine: Machine) -> list[Run] | NotAllowedError:
        changed = []
        with self._lock:
            open_before = {run.arn for run in self._of(machine.name) if run.running}
        seen: set[str] = set()
        try:
            newest = list(self._newest(machine))
        except NotAllowedError as error:
            return error
        except BadRequestError:
            if machine.type != "EXPRESS":
                raise
            self._without_list.add(machine.arn)
            return []
        for item in newest:
            seen.add(item["executionArn"])
            if (run := self.note(item)) is not None:
                changed.append(run)
        for arn in open_before - seen:
            try:
                described = self.describe(arn)
            except NotFoundError:  # its machine was deleted and made again
                with self._lock:
                    self.by_id.pop(run_id(arn), None)
                continue
            except NotAllowedError as error:
                self._not_detailed = error
                continue
            if (run := self.note(described)) is not None:
                changed.append(run)
        return changed

    def _newest(self, machine: Machine) -> Iterator[dict[str, Any]]:
        """Runs that may have changed: new ones, and those that run."""
        arn = machine.arn
        first = arn not in self._read
        page = self._list(arn, maxResults=KEPT if first else 20)
        yield from page["executions"]
        if first:
            self._older[arn] = page.get("nextToken")
            self._read.add(arn)
            return
        while page.get("nextToken") and all(
            self._known(item) is None for item in page["executions"]
        ):
            page = self._list(arn, maxResults=100, nextToken=page["nextToken"])
            yield from page["executions"]
        if any(run.running for run in self._of(machine.name)) and page.get("nextToken"):
            yield from self._list(arn, statusFilter="RUNNING", maxResults=1000)["executions"]

    def _list(self, machine: str, **arguments: Any) -> dict[str, Any]:
        return self.aws.call(
            "stepfunctions", "list_executions", stateMachineArn=machine, **arguments
        )

    def _known(self, item: dict[str, Any]) -> Run | None:
        return self.by_id.get(run_id(item["executionArn"]))

    def note(self, item: dict[str, Any]) -> Run | None:
        """Record a run as AWS lists it. Returns it if that is news."""
        arn, status = item["executionArn"], item["status"]
        stopped = millis(item["stopDate"]) if item.get("stopDate") else None
        with self._lock:
            run = self.by_id.get(run_id(arn))
            if run is None:
                machine = machine_name(arn)
                owner, slash, label = machine.partition("/")  # with a label: an item of a Map
                found = self.inventory.machine(owner)
                run = Run(
                    run_id(arn),
                    arn,
                    machine,
                    f"{found.title}{slash}{label}" if found else machine,
                    item["name"],
                    status,
                    millis(item["startDate"]),
                    stopped,
                    labels=self._labels[machine],
                )
                self.by_id[run.id] = run
            elif (run.status, run.stopped_at) == (status, stopped):
                return None
            else:
                run.status, run.stopped_at = status, stopped
                run.next_look = 0.0
            run.revision += 1
            if not run.running:
                run.states, run.callbacks = [], 0
            return run

    def _of(self, machine: str | None) -> list[Run]:
        with self._lock:
            return [run for run in self.by_id.values() if machine in (None, run.machine)]

    def page(
        self, workflow: str, status: str, text: str, before: str, limit: int
    ) -> tuple[list[Run], str | None]:
        """Runs, newest first, that match, and the cursor of the next page."""
        names = {machine.name for machine in self.machines}
        while True:
            runs = [
                run
                for run in self._of(workflow or None)
                if run.machine in names
                and (not status or run.status in status.split(","))
                and (not text or _matches(run, text))
            ]
            runs.sort(key=_order, reverse=True)
            if before:
                at, _, name = before.partition("-")
                cursor = (int(at) if at.isdigit() else 0, name)
                runs = [run for run in runs if _order(run) < cursor]
            if len(runs) > limit or not self._read_older(workflow):
                break
        page = runs[:limit]
        more = f"{page[-1].started_at}-{page[-1].id}" if len(runs) > limit else None
        return page, more

    def _read_older(self, workflow: str) -> bool:
        """Read one more page of old runs. False if there are none."""
        for machine in self.machines:
            token = self._older.get(machine.arn)
            if token and workflow in ("", machine.name):
                try:
                    page = self._list(machine.arn, maxResults=KEPT, nextToken=token)
                except ConsoleError:  # the token has expired
                    page = {"executions": []}
                for item in page["executions"]:
                    self.note(item)
                self._older[machine.arn] = page.get("nextToken")
                return True
        return False

    def workflows(self, now: int) -> list[dict[str, Any]]:
        """Counts by status for each machine, and what ended in each minute of the last hour."""
        found = {
            machine.name: {
                "name": machine.name,
                "title": machine.title,
                "counts": dict.fromkeys(_COUNTED.values(), 0),
                "spark": [{"ok": 0, "bad": 0} for _ in range(60)],
            }
            for machine in self.inventory.machines
        }
        for run in self._of(None):
            if (row := found.get(run.machine)) is None:
                continue
            counts: Any = row["counts"]
            counts[_COUNTED.get(run.status, "running")] += 1
            if run.stopped_at is not None:
                minute = 59 - (now - run.stopped_at) // 60_000
                if 0 <= minute < 60:
                    spark: Any = row["spark"]
                    spark[minute]["ok" if run.status == "SUCCEEDED" else "bad"] += 1
        return list(found.values())

    def counts(self) -> dict[str, int]:
        names = {machine.name for machine in self.inventory.machines}
        runs = [run for run in self._of(None) if run.machine in names]  # without Maps' items
        return {
            "running": sum(run.running for run in runs),
            "waiting": sum(run.callbacks for run in self.running()),
            "runs": len(runs),
        }

    # -- More about runs --------------------------------------------------------------------------

    def worth_detail(self) -> list[Run]:
        """The newest runs, and older ones that a page lists."""
        runs = sorted(self._of(None), key=_order, reverse=True)
        return runs[:NEWEST] + [run for run in runs[NEWEST:] if run.wanted]

    def detail(self, runs: Iterable[Run], most: int) -> list[Run]:
        """Read labels, errors and current states where they are missing. Returns changed runs."""
        now = time.monotonic()
        wanted = [
            run
            for run in runs
            if run.detailed_for != run.status or (run.running and now >= run.next_look)
        ][:most]
        return [run for run in self.parallel(self._detail, wanted) if run is not None]

    def _detail(self, run: Run) -> Run | None:
        before = json.dumps(run.summary())
        status, read = run.status, True
        try:
            if run.texts is None:
                self._label(run, self.describe(run.arn))
            if status != "SUCCEEDED":
                read = self.recording(run, PATIENCE).complete
        except NotFoundError:  # AWS deletes histories after 90 days
            pass
        except NotAllowedError as error:
            self._not_detailed = error
            run.next_look = time.monotonic() + DENIED
        if read:
            run.detailed_for = status
        if json.dumps(run.summary()) == before:
            return None
        run.revision += 1
        return run

    def _label(self, run: Run, described: dict[str, Any]) -> None:
        """Take over what may be the run's label."""
        with self._lock:  # its texts count once
            if run.texts is None:
                run.texts = texts(described.get("input"))
                run.labels.add(run.texts)

    def _observe(self, run: Run, recording: Recording) -> None:
        """Take over what the history says about the run as a whole."""
        with recording.lock:
            history = recording.history
            if (history.count, recording.complete) != (run.events, run.events_complete):
                run.events, run.events_complete = history.count, recording.complete
                run.revision += 1
            if not recording.complete:
                return
            if run.running:
                current = history.current()
                run.states = list(dict.fromkeys(visit.node.name for visit in current))[:20]
                run.callbacks = sum(v.node.callback and v.status == WAITING for v in current)
                events = recording.events
                last = millis(events[-1]["timestamp"]) if events else run.started_at
                silence = time.time() - last / 1000
                run.next_look = time.monotonic() + min(30.0, max(0.8, silence / 10))
            else:
                failed = history.failed_visit()
                run.error = history.error
                run.failed_state = failed.node.name if failed else None

    def start(self, machine: Machine, given: str, name: str | None = None) -> str:
        """Start an execution with this input. Returns its ARN. Raises ConsoleError.

        It has a name in any case, so that a repeated request does not start another execution.
        Express machines ignore names: for them, the request is not repeated.
        """
        name = name or f"console-{uuid4()}"
        is_express = machine.type == "EXPRESS"
        started = self.aws.change(
            "stepfunctions",
            "start_execution",
            f"Look for the run {name} before you start another one.",
            repeatable=not is_express,
            stateMachineArn=machine.arn,
            input=given,
            name=name,
        )
        arn = str(started["executionArn"])
        if not is_express:  # executions of an Express machine cannot be looked at
            self.note_soon(arn)
        return arn

    def note_soon(self, arn: str) -> None:
        """Note how a run is after a change. If that cannot be read now, it is read later."""
        with suppress(ConsoleError):
            self.note(self.describe(arn))
        self.look_now([arn])

    def look_now(self, arns: Iterable[str | None]) -> None:
        """Something has happened to these runs (None: to any): read their histories next."""
        for arn in arns:
            for run in self._of(None) if arn is None else [self.by_id.get(run_id(arn))]:
                if run is not None:
                    run.next_look = 0.0

    # -- One run ----------------------------------------------------------------------------------

    def get(self, identifier: str) -> Run:
        """The run with this id. Raises NotFoundError."""
        run = self.by_id.get(identifier)
        if run is None:
            run = self.note(self.describe(self.arn(identifier))) or self.by_id[identifier]
        return run

    def opened(self, identifier: str) -> tuple[Run, dict[str, Any]]:
        """The run with this id, and what AWS says about it now. Raises NotFoundError."""
        described = self.describe(self.arn(identifier))
        self.note(described)
        run = self.by_id[identifier]
        self._label(run, described)
        return run, described

    def arn(self, identifier: str) -> str:
        """The ARN of a run, by its id."""
        machine, _, name = identifier.partition(":")
        if not machine or not name or not self.inventory.machines:
            raise NotFoundError(f"There is no run {identifier}.")
        prefix = self.inventory.machines[0].arn.partition(":stateMachine:")[0]
        return f"{prefix}:execution:{machine.replace('~', '/')}:{name}"

    def describe(self, arn: str) -> dict[str, Any]:
        described = self.aws.call("stepfunctions", "describe_execution", executionArn=arn)
        self.redaction.learn_from(described.get("input"))
        return described

    def without_history(self, run: Run) -> Recording:
        """What is known of a run whose history may not be read."""
        recording = Recording(run.arn, self.definition(run.arn))
        recording.complete = True
        return recording

    def recording(self, run: Run, seconds: float | None = None) -> Recording:
        """The run's history, up to date.

        A long one takes seconds to read: after `seconds` the rest comes in the background, and
        `on_progress` is told of it.
        """
        with self._lock:
            recording = self._recordings.get(run.arn)
        if recording is None:
            definition = self.definition(run.arn)
            with self._lock:
                recording = self._recordings.setdefault(run.arn, Recording(run.arn, definition))

        def took(recording: Recording, events: list[dict[str, Any]]) -> None:
            before = run.revision
            self._learn(recording.history, events)
            self._observe(run, recording)
            if run.revision != before:
                self.on_progress(run)

        recording.read(self.aws, run.status, self._histories, took, seconds)
        self._observe(run, recording)
        with self._lock:
            if run.arn in self._recordings:  # another thread may have dropped it
                self._recordings.move_to_end(run.arn)
            total = sum(kept.size for kept in self._recordings.values())
            while total > HISTORY_BYTES and len(self._recordings) > 1:
                _, dropped = self._recordings.popitem(last=False)
                total -= dropped.size
        return recording

    def _learn(self, history: History, events: list[dict[str, Any]]) -> None:
        """Hide the task tokens that these events have."""
        for event in events:
            if event["type"].endswith("Scheduled"):
                visit = history.visit_at(event["id"])
                if visit is not None and visit.node.callback:
                    self.redaction.learn(token_values(visit))

    def known_recording(self, run: Run) -> Recording | None:
        """The run's history as it was last read, if it is still kept."""
        with self._lock:
            return self._recordings.get(run.arn)

    def running(self) -> list[Run]:
        """The runs that have not ended."""
        return [run for run in self._of(None) if run.running]

    def definition(self, execution_arn: str) -> Definition:
        """The definition that the run was started with."""
        try:
            text = self.aws.call(
                "stepfunctions", "describe_state_machine_for_execution", executionArn=execution_arn
            )["definition"]
        except NotFoundError:
            text = self._definition_of_item(execution_arn)
        with self._lock:
            if text not in self._definitions:
                if len(self._definitions) > 200:
                    self._definitions.clear()
                self._definitions[text] = parse(text)
            return self._definitions[text]

    def _definition_of_item(self, execution_arn: str) -> str:
        """What a Distributed Map runs for each item, from the machine's own definition."""
        machine, _, label = machine_name(execution_arn).partition("/")
        prefix = execution_arn.partition(":execution:")[0]
        whole = self.aws.call(
            "stepfunctions",
            "describe_state_machine",
            stateMachineArn=f"{prefix}:stateMachine:{machine}",
        )["definition"]
        maps = [node for node in parse(whole).nodes.values() if node.distributed]
        for node in maps:
            if node.definition.get("Label") == label or len(maps) == 1:
                return json.dumps(processor(node.definition))
        raise NotFoundError(f"{machine} has no Map with the label {label}.")

    def parallel(self, do: Callable[[T], R], items: Iterable[T]) -> list[R]:
        return list(self._pool.map(do, items))


def run_id(arn: str) -> str:
    """`<machine>:<execution>`. In the name of a Map Run, `machine/label`, the slash is a tilde."""
    machine, _, name = arn.partition(":execution:")[2].partition(":")
    return f"{machine.replace('/', '~')}:{name}"


def machine_name(arn: str) -> str:
    return arn.partition(":execution:")[2].partition(":")[0]


def _order(run: Run) -> tuple[int, str]:
    return run.started_at, run.id


def _matches(run: Run, text: str) -> bool:
    said = [run.title, run.name, run.label, run.error or "", run.failed_state or "", *run.states]
    searched = " ".join(said).lower()
    return all(word in searched for word in text.lower().split())
