"""The report: the people, the total number of cookies, and who is missing."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from handlers.cookies.files import Person, read

_READERS = 32  # the size of the client's connection pool


@dataclass(frozen=True)
class Report:
    """The result for all people, or `failure`: the reason why there is none."""

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
        # Some people may have been processed. Their files are not read.
        return dict.fromkeys(counted) | {"failure": dict(self.failure)}

    def more_failed_than(self, share: float) -> bool:
        """Whether more than this share of all people is missing."""
        return len(self.failed) > share * (len(self.failed) + len(self.names))


def make_report(detail: Mapping[str, Any], *, bucket: str) -> Report:
    """Make the report; the detail's `names` and `people` must be in the same order."""
    processed, failed = [], []
    for name, outcome in zip(detail["names"], detail["people"], strict=True):
        if "error" in outcome:
            failed.append({"n": outcome["n"], "name": name, "error": outcome["error"]})
        else:
            processed.append(Person(detail["execution"], outcome["n"], name))
    return Report(
        names=[person.name for person in processed],
        total=sum(_cookies_eaten(processed, bucket)),
        failed=failed,
        failure=detail.get("failure"),
    )


def _cookies_eaten(people: Iterable[Person], bucket: str) -> list[int]:
    with ThreadPoolExecutor(_READERS) as readers:
        files = readers.map(lambda person: read(bucket, person.final_key), people)
        return [int(file["numberOfCookiesConsumed"]) for file in files]
