"""The benchmark's ways really get images from the web into S3."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.images import IMAGES, PUTS, WAYS
from bench.images.cases import BATCH_SIZES
from bench.images.cases import WAYS as CASES
from bench.images.servers import running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[str, str]]:
    with running(None) as addresses:
        yield addresses


@pytest.mark.parametrize("way", CASES)
def test_every_way_can_be_measured(servers: tuple[str, str], way: str) -> None:
    command = [sys.executable, "-m", "bench.images.cases", way, "5", "10", *servers]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr
    taken = json.loads(finished.stdout.splitlines()[-1])
    # 10 images, at most 5 at once, 20 ms for each of one or two requests: no way is faster.
    assert taken["seconds"] >= 2 * 0.020 * (1 if way in PUTS else 2)
    assert taken["cpu"] > 0


def test_every_case_has_a_name_and_a_size() -> None:
    assert set(CASES) == set(WAYS) | set(PUTS) | {f"batches_of_{size}" for size in BATCH_SIZES}
    assert set(IMAGES) == {1, 5, 50}
