"""The outcomes that break a promise and are accepted: a reviewed list, each with its reason."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from faults.address import Case, Fault

FILE = Path(__file__).with_name("accepted.yml")


@dataclass(frozen=True)
class Accepted:
    """Faults, by patterns of what they happen to, and which promises they may break."""

    workflow: str
    calls: tuple[str, ...]  # patterns such as `sendEmail ses:SendEmail`, without numbers
    kinds: frozenset[str]
    times: frozenset[str]
    scenarios: frozenset[str]
    broken: tuple[re.Pattern[str], ...]
    because: str

    def has(self, case: Case, fault: Fault) -> bool:
        call = " ".join(fault.call.place)
        return (
            fnmatchcase(case.workflow, self.workflow)
            and any(fnmatchcase(call, pattern) for pattern in self.calls)
            and fault.kind in self.kinds
            and (not self.times or fault.times in self.times)
            and (not self.scenarios or case.scenario in self.scenarios)
        )


@cache
def entries() -> tuple[Accepted, ...]:
    return tuple(
        Accepted(
            workflow=entry["workflow"],
            calls=tuple(_list(entry["calls"])),
            kinds=frozenset(_list(entry["kinds"])),
            times=frozenset(_list(entry.get("times", []))),
            scenarios=frozenset(_list(entry.get("scenarios", []))),
            broken=tuple(map(re.compile, _list(entry["broken"]))),
            because=entry["because"].strip(),
        )
        for entry in yaml.safe_load(FILE.read_text())
    )


def accepting(case: Case, broken: tuple[str, ...]) -> tuple[Accepted, ...] | None:
    """The entries that accept all broken promises of a run; None if they do not."""
    found = [e for e in entries() if any(e.has(case, fault) for fault in case.faults)]
    used: dict[Accepted, None] = {}
    for promise in broken:
        fitting = [e for e in found if any(pattern.search(promise) for pattern in e.broken)]
        if not fitting:
            return None
        used |= dict.fromkeys(fitting)
    return tuple(used)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
