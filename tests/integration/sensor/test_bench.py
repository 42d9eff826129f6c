"""The benchmark really writes every row, and fails when one is missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import ingest
from bench.ingest import NAMES, OURS, ROWS, Bench, data
from bench.ingest.certificate import write_certificate
from bench.ingest.servers import Behaviour, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("bench")
    write_certificate(folder / "stub.pem")
    with running(None, folder / "stub.pem") as stub:
        yield Bench(stub, folder, None, 1, lambda text: None)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize(("way", "rows"), [(OURS, 2_000), ("batch_writer", 300), ("per_row", 120)])
def test_a_way_is_measured_and_checked(bench: Bench, way: str, rows: int, tls: bool) -> None:
    one = bench.measured(way, rows=rows, connections=4, tls=tls)

    assert one["seconds"] > 0
    assert one["cpu"] > 0
    assert one["peak_kib"] > 5_000
    assert one["distinct"] < rows  # some keys come twice
    assert one["requests"] >= one["distinct"] / 25


def test_nothing_is_lost_by_a_table_that_throttles_and_fails(bench: Bench) -> None:
    behaviour = Behaviour(throttles=True, error_percent=5)
    one = bench.measured(OURS, rows=8_000, order="by sensor", connections=8, behaviour=behaviour)
    assert one["requests"] > one["distinct"] / 25


@pytest.mark.parametrize("change", ["missing", "other value"])
def test_a_row_that_was_not_stored_fails_the_benchmark(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    def expected(path: Path) -> dict[str, str]:
        rows = read(path)
        key = next(iter(rows))
        return rows | ({"another,1": "1"} if change == "missing" else {key: "999"})

    read = data.expected
    monkeypatch.setattr(ingest.data, "expected", expected)
    with pytest.raises(RuntimeError, match="did not store what it acknowledged"):
        bench.measured(OURS, rows=500, connections=2)


def test_the_functions_for_segments_are_measured_and_checked(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = bench.measured_in_segments(2_000, "by sensor")

    assert list(measured) == ["indexSegment", "reconcilePartition", "processSegment"]
    assert all(one["peak_kib"] > 5_000 and one["cpu"] > 0 for one in measured.values())
    monkeypatch.setattr(ingest.data, "expected", lambda path: {"another,1": "1"})
    with pytest.raises(RuntimeError, match="did not store what it acknowledged"):
        bench.measured_in_segments(2_000, "by sensor")


@pytest.mark.parametrize("order", data.ORDERS)
def test_files_have_the_same_readings_in_any_order(tmp_path: Path, order: str) -> None:
    path = tmp_path / "file.csv"
    data.write_file(path, 3_000, order)
    rows = list(data.read_rows(path))
    assert len(rows) == 3_000
    assert 2_950 <= len(data.expected(path)) < 3_000


def test_every_way_has_a_name_a_size_and_an_environment() -> None:
    assert set(NAMES) == set(ROWS)
    for way in set(NAMES) - {OURS}:
        pinned = Path(ingest.__file__).parent / "requirements" / f"{way}.txt"
        assert way in ("per_row", "batch_writer") or f"\n{way}==" in "\n" + pinned.read_text()
