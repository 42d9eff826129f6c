"""Events of made-up executions of the cookies workflow, and what is true of them."""

from dataclasses import dataclass, field
from typing import Any

from handlers.observability.timeline import STATUS_CHANGE, Event

MACHINE = "stepworks-test-cookies"
JOB = f"{MACHINE}:one"
ARN = f"arn:aws:states:us-east-1:123456789012:execution:{JOB}"
EPOCH = 1_795_000_000_000
START = "start-0"


def token(number: int) -> str:
    return f"token:{number:016x}"


@dataclass
class Execution:
    """A whole execution; every event has a time of its own making."""

    people: int = 2
    status: str | None = "SUCCEEDED"  # None: it is still running
    # Milliseconds between an event and the next one that follows from it, taken in turn.
    gaps: list[int] = field(default_factory=lambda: [250])
    rounded: bool = False  # whether times are whole seconds, as EventBridge gives them
    hops: set[tuple[str, str, str]] = field(default_factory=set)  # function, taken, given
    states: set[tuple[str, str, str]] = field(default_factory=set)  # state, taken, given

    def events(self) -> list[Event]:
        self._clock, self._turn, self._found = EPOCH, 0, list[Event]()
        self._event("start", {"count": self.people}, job="event:start-0")
        running = self._change("RUNNING")
        self._started = running.time
        self._task("Get Multiple", "task.get.multiple", 0, {"input": {}}, "getMultiple")
        for n in range(self.people):
            self._person(n)
        last = {"names": [], "people": []}
        self._task("Post Process All", "task.process.all", 1, last, "postProcessAll")
        if self.status:
            self._change(self.status)
        return self._found

    def _person(self, n: int) -> None:
        who = {"n": n, "name": f"name {n}"}
        asked = self._put("Process Single", "task.process.single", n + 2, who)
        url = {"profileUrl": "(removed)"}
        stored = self._give("processSingle", asked, "task.process.single.post", who | url)
        done = self._give("postProcessSingle", stored, "task.finished", {"n": n, "cookies": 3})
        self.states.add(("cookies/Process Single", asked.id, done.id))
        self._give("sideEffect", stored, "async.complete", {"n": n}, with_token=False)

    def _task(self, state: str, kind: str, number: int, detail: Any, function: str) -> None:
        asked = self._put(state, kind, number, detail)
        done = self._give(function, asked, "task.finished", {"result": number})
        self.states.add((f"cookies/{state}", asked.id, done.id))

    def _put(self, state: str, kind: str, number: int, detail: dict[str, Any]) -> Event:
        return self._event(
            kind, {"execution": ARN, "stateName": state, "TaskToken": token(number), **detail}
        )

    def _give(
        self,
        function: str,
        taken: Event,
        kind: str,
        detail: dict[str, Any],
        with_token: bool = True,
    ) -> Event:
        names = ["execution", "stateName", *(["TaskToken"] if with_token else [])]
        meta = {"fn": function, "incoming": taken.detail_type, "outgoing": kind, "execution": ARN}
        correlation = {name: taken.detail[name] for name in names}
        given = self._event(kind, {**correlation, **detail, "meta": meta})
        self.hops.add((function, taken.id, given.id))
        return given

    def _change(self, status: str) -> Event:
        stop = None if status == "RUNNING" else self._clock
        return self._event(
            STATUS_CHANGE[1],
            {
                "executionArn": ARN,
                "stateMachineArn": f"arn:aws:states:us-east-1:123456789012:stateMachine:{MACHINE}",
                "status": status,
                "startDate": self._started if stop else self._clock,
                "stopDate": stop,
                "redriveCount": 0,
            },
            source=STATUS_CHANGE[0],
        )

    def _event(
        self, kind: str, detail: dict[str, Any], source: str = "project", job: str = JOB
    ) -> Event:
        number = len(self._found)
        is_bus_event = source == "project"
        event = Event(
            id=f"{kind}-{number}",
            job=job,
            source=source,
            detail_type=kind,
            time=self._clock // 1000 * 1000 if self.rounded and is_bus_event else self._clock,
            detail=detail,
            received=self._clock + 40 if self.rounded else None,
        )
        self._found.append(event)
        self._clock += self.gaps[self._turn % len(self.gaps)]
        self._turn += 1
        return event
