"""The report: who ate cookies, how many in all, and who is missing."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from handlers.cookies.files import Person, read

_READERS = 32  # as many as the client has connections


@dataclass(frozen=True)
class Report:
    """What became of everyone; `failure` says why that is not known."""

    names: list[str]
    total: int
    failed: list[dict[str, Any]]
    failure: Mapping[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        counted = {
            "names": self.names,
            "numberOfPeople": len(self.names),
            "totalCookiesConsumed": self.total,
            "failed": self.failed,
        }
        if self.failure is None:
            return counted
        # People may have been processed all the same: their files are there, and not read.
        return dict.fromkeys(counted) | {"failure": dict(self.failure)}

    def more_failed_than(self, share: float) -> bool:
        """Whether a larger share than this of all people is missing."""
        return len(self.failed) > share * (len(self.failed) + len(self.names))


def report_on(detail: Mapping[str, Any], *, bucket: str) -> Report:
    """Read what every processed person ate; `names` and `people` are in the same order."""
    processed, failed = [], []
    for name, outcome in zip(detail["names"], detail["people"], strict=True):
        if "error" in outcome:
            failed.append({"n": outcome["n"], "name": name, "error": outcome["error"]})
        else:
            processed.append(Person(detail["execution"], outcome["n"], name))
    return Report(
        names=[person.name for person in processed],
        total=sum(_eaten(processed, bucket)),
        failed=failed,
        failure=detail.get("failure"),
    )


def _eaten(people: Iterable[Person], bucket: str) -> list[int]:
    with ThreadPoolExecutor(_READERS) as readers:
        files = readers.map(lambda person: read(bucket, person.final_key), people)
        return [int(file["numberOfCookiesConsumed"]) for file in files]
