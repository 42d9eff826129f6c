"""Files of readings. Only the standard library: peers import it in environments of their own."""

import hashlib
import random
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path

SENSORS = 1_000
FIRST = 1_483_906_366
ORDERS = ("by time", "newest first", "shuffled", "by sensor")
PER_SENSOR = 1_000  # rows of a sensor, in a file that is sorted by sensor


def write_file(path: Path, rows: int, order: str = "by time") -> None:
    """A CSV with a header: distinct readings, and a hundredth of them again with another value."""
    chosen = random.Random(rows)
    keys = [(number % SENSORS, FIRST + number // SENSORS * 60) for number in range(rows)]
    if order == "newest first":
        keys.reverse()
    elif order == "shuffled":
        chosen.shuffle(keys)
    elif order == "by sensor":
        keys = [(number // PER_SENSOR, FIRST + number % PER_SENSOR * 60) for number in range(rows)]
    for place in range(100, rows, 100):
        keys[place] = keys[place - chosen.randrange(1, 100)]
    with path.open("w") as file:
        file.write("sensor_id,timestamp,value\n")
        file.writelines(
            f"0000-{sensor:04},{time},{chosen.randrange(-5_000, 15_000) / 100:.2f}\n"
            for sensor, time in keys
        )


def read_rows(path: Path) -> Iterator[tuple[str, int, str]]:
    """The rows of such a file."""
    with path.open() as file:
        next(file)
        for line in file:
            sensor, time, value = line.rstrip("\n").split(",")
            yield sensor, int(time), value


def expected(path: Path) -> dict[str, str]:
    """The table's content: the last value of each key."""
    return {f"{sensor},{time}": value for sensor, time, value in read_rows(path)}


def peak_kib() -> int:
    """The peak memory of this process. (getrusage would include that of the parent process.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def digest(items: Iterable[tuple[str, str]]) -> str:
    """The same for the same items, in any order; 1.5 and 1.50 are the same value."""
    content = "\n".join(sorted(f"{key},{Decimal(value).normalize()}" for key, value in items))
    return hashlib.sha256(content.encode()).hexdigest()
