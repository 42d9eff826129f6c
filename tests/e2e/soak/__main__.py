"""Mixed traffic with random faults: `make soak MINUTES=60`.

Every second or so an item of a random workflow is sent to a local AWS of the soak's own, while
every few seconds a call of a function meets a fault (`faults.py`). Each item is checked at its end
(`traffic.py`). At the end no execution may be running, and files, processes and memory must have
stopped growing. The report is written to docs/reliability.md.
"""

import argparse
import json
import os
import random
import socket
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

from local import deploy, process
from local.aws import Aws, until
from local.demo.images import failures
from local.errors import LocalError
from local.settings import ROOT, Settings
from tests.e2e.soak import server
from tests.e2e.soak.expiry import Expiry
from tests.e2e.soak.faults import MACHINE
from tests.e2e.soak.growth import Growth, growth
from tests.e2e.soak.samples import TOLERATED, sampled
from tests.e2e.soak.traffic import WORKFLOWS
from tests.e2e.soak.world import World
from tests.support import generated, web

DOCUMENT = ROOT / "docs" / "reliability.md"
WAIT_SCALE = 0.005
KEEP = 100  # executions that the local AWS keeps: so few that they are full after minutes
FAULT_SECONDS = 3.0  # between two faults, on average
ITEMS_PER_SECOND = 1.0
MAX_OPEN = 16  # items in flight; more would only wait for each other


@dataclass
class Result:
    """What became of the items."""

    endings: Counter[tuple[str, str]] = field(default_factory=Counter)  # by workflow and ending
    problems: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_over: bool = False  # the person has ended the soak: what follows says nothing

    def add(self, workflow: str, ending: str) -> None:
        with self.lock:
            self.endings[workflow, ending] += 1

    def add_problem(self, problem: str) -> None:
        if self.is_over:
            return
        with self.lock:
            self.problems.append(problem)
        print(f"VIOLATED: {problem}", flush=True)


def send(world: World, minutes: float, seed: int) -> Result:
    """Send items for so many minutes, and wait for the end of each. Ctrl-C waits for none."""
    rng, result = random.Random(seed), Result()
    end = time.monotonic() + 60 * minutes
    open_items = threading.Semaphore(MAX_OPEN)

    def run(workflow: str, name: str, item_seed: int) -> None:
        try:
            result.add(workflow, WORKFLOWS[workflow](world, name, random.Random(item_seed)))
        except Exception as error:  # every problem is reported
            result.add_problem(f"{name}: {type(error).__name__}: {error}"[:500])
        finally:
            open_items.release()

    number, threads = 0, list[threading.Thread]()
    try:
        while time.monotonic() < end:
            workflow = rng.choice(list(WORKFLOWS))
            open_items.acquire()
            item = (workflow, f"soak-{workflow}-{number}", rng.randrange(2**32))
            thread = threading.Thread(target=run, args=item, daemon=True)
            thread.start()
            threads = [*(one for one in threads if one.is_alive()), thread]
            number += 1
            time.sleep(rng.expovariate(ITEMS_PER_SECOND))
            if number % 50 == 0:
                print(f"{number} items sent, {result.endings.total()} checked", flush=True)
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        result.is_over = True
        raise
    return result


def soak(minutes: float, seed: int) -> int:
    settings = Settings(_free_port(), WAIT_SCALE, KEEP)
    log = settings.directory / "faults.jsonl"
    os.environ |= {
        server.SEED: str(seed),
        server.SECONDS: str(FAULT_SECONDS),
        server.LOG: str(log),
    }
    print(f"make soak MINUTES={minutes:g} SEED={seed}", flush=True)
    try:
        process.start(settings, server.__name__)
        deploy.deploy(settings)
        aws = Aws(settings)
        with (
            web.serve({}) as pages,
            failures(aws) as queue,
            World(aws, pages, queue) as world,
            Expiry(aws),
        ):
            log.touch()
            with sampled(settings) as samples:
                result = send(world, minutes, seed)
            faults = [json.loads(line) for line in log.read_text().splitlines()]
            log.unlink()
            try:
                until("the end of all executions", lambda: not world.running(), 120)
            except LocalError:
                result.add_problem(f"still running: {world.running()}")
        grown = {name: growth(samples[name], TOLERATED[name]) for name in samples}
    finally:
        process.stop(settings)
    text = report(minutes, seed, result, Counter(map(fault_name, faults)), grown)
    print(text)
    generated.replace(DOCUMENT, "soak", text)
    return int(bool(result.problems) or not all(one.levels_off for one in grown.values()))


def report(
    minutes: float, seed: int, result: Result, faults: Counter[str], grown: dict[str, Growth]
) -> str:
    items = result.endings.total() + len(result.problems)
    verdict = "Every invariant held." if not result.problems else "**Not every invariant held.**"
    lines = [
        generated.measured_on(f"make soak MINUTES={minutes:g} SEED={seed}"),
        "",
        f"It ran for {minutes:g} minutes: {items:,} items and {faults.total():,} faults "
        f"({', '.join(f'{count} {kind}' for kind, count in sorted(faults.items()))}). {verdict}",
        "",
        *(f"- {problem}" for problem in result.problems),
        "",
        "| workflow | items | ended |",
        "| --- | --- | --- |",
        *(row(workflow, result.endings) for workflow in WORKFLOWS),
        "",
        "| | after warm-up | end | most | growth per hour, first half | second half | verdict |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {name} | {one.first:.0f} | {one.last:.0f} | {one.most:.0f} | "
            f"{one.earlier_per_hour:+.0f} | {one.later_per_hour:+.0f} | {one.verdict} |"
            for name, one in grown.items()
        ),
    ]
    return "\n".join(lines)


def fault_name(fault: dict[str, str]) -> str:
    """Its kind, and whether it met a machine; else it met a function."""
    at = " (machine)" if fault["service"] == MACHINE else ""
    return f"{fault['kind']}{at}"


def row(workflow: str, endings: Counter[tuple[str, str]]) -> str:
    mine = {ending: count for (name, ending), count in endings.items() if name == workflow}
    shown = ", ".join(f"{count} {ending}" for ending, count in sorted(mine.items()))
    return f"| {workflow} | {sum(mine.values())} | {shown} |"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    try:
        return soak(arguments.minutes, arguments.seed)
    except KeyboardInterrupt:
        print("Stopped. There is no report.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
