"""Counts the distinct readings of a file, exactly. An ordered file takes 8 bytes per reading."""

from array import array
from bisect import bisect_left
from itertools import chain


class DistinctKeys:
    """The distinct (sensor, timestamp) keys of a file.

    Each sensor has an array for the timestamps that arrive in order, and a set for the others.
    """

    def __init__(self) -> None:
        self.duplicates = 0
        self._ordered: dict[str, array[int]] = {}
        self._out_of_order: dict[str, set[int]] = {}

    def add(self, sensor_id: str, timestamp: int) -> None:
        ordered = self._ordered.get(sensor_id)
        if ordered is None:
            self._ordered[sensor_id] = array("q", (timestamp,))
        elif timestamp > ordered[-1]:
            ordered.append(timestamp)
        elif ordered[bisect_left(ordered, timestamp)] == timestamp:
            self.duplicates += 1
        else:
            out_of_order = self._out_of_order.setdefault(sensor_id, set())
            if timestamp in out_of_order:
                self.duplicates += 1
            out_of_order.add(timestamp)

    @property
    def sensors(self) -> int:
        return len(self._ordered)

    @property
    def count(self) -> int:
        return sum(map(len, self._ordered.values())) + sum(map(len, self._out_of_order.values()))

    @property
    def first_timestamp(self) -> int:
        first_in_order = (ordered[0] for ordered in self._ordered.values())
        return min(chain(first_in_order, map(min, self._out_of_order.values())))

    @property
    def last_timestamp(self) -> int:
        return max(ordered[-1] for ordered in self._ordered.values())
