"""Counts the distinct readings of a file, exactly. An ordered file takes 8 bytes per reading."""

from array import array
from bisect import bisect_left
from itertools import chain


class SeenKeys:
    """The distinct (sensor, timestamp) keys of a file.

    Each sensor has an array for the timestamps that arrive in order, and a set for the others.
    """

    def __init__(self) -> None:
        self.duplicates = 0
        self._ordered: dict[str, array[int]] = {}
        self._late: dict[str, set[int]] = {}

    def add(self, sensor_id: str, timestamp: int) -> None:
        ordered = self._ordered.get(sensor_id)
        if ordered is None:
            self._ordered[sensor_id] = array("q", (timestamp,))
        elif timestamp > ordered[-1]:
            ordered.append(timestamp)
        elif ordered[bisect_left(ordered, timestamp)] == timestamp:
            self.duplicates += 1
        else:
            late = self._late.setdefault(sensor_id, set())
            if timestamp in late:
                self.duplicates += 1
            late.add(timestamp)

    @property
    def sensors(self) -> int:
        return len(self._ordered)

    @property
    def keys(self) -> int:
        return sum(map(len, self._ordered.values())) + sum(map(len, self._late.values()))

    @property
    def first_timestamp(self) -> int:
        firsts = (ordered[0] for ordered in self._ordered.values())
        return min(chain(firsts, map(min, self._late.values())))

    @property
    def last_timestamp(self) -> int:
        return max(ordered[-1] for ordered in self._ordered.values())
