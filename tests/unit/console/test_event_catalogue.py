"""A catalogue of events: samples of what one may send, and what a detail breaks."""

import json
from pathlib import Path

import pytest

from console.event_catalogue import Catalogue

CATALOGUE = """
buses:
  ours: ${ShopBus}
events:
  - {source: shop, detail-type: order, bus: ours, description: An order., schema: order.json}
  - {source: shop, detail-type: written, bus: other, schema: order.json}
  - {source: aws.states, detail-type: change}
  - {detail-type: nameless}
"""
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "order.json",
    "type": "object",
    "properties": {
        "id": {"$ref": "common.json#/$defs/id"},
        "n": {"type": "integer", "minimum": 2},
        "optional": {"type": "string"},
    },
    "required": ["id", "n"],
}
COMMON = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "common.json",
    "$defs": {"id": {"type": "string", "minLength": 1}},
}
WRITTEN = {"source": "shop", "detail-type": "written", "detail": {"id": "w", "n": 7}}


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "shop").mkdir()
    (tmp_path / "catalogue.yml").write_text(CATALOGUE)
    (tmp_path / "schemas" / "order.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "schemas" / "common.json").write_text(json.dumps(COMMON))
    (tmp_path / "shop" / "written.json").write_text(json.dumps(WRITTEN))
    return Catalogue.read(tmp_path / "catalogue.yml")


def test_samples_are_those_written_or_else_made_up_by_the_schema(catalogue: Catalogue) -> None:
    samples = {one.type: one for one in catalogue.samples(lambda name: f"bus of {name}")}

    assert samples.keys() == {"order", "written"}  # only AWS sends what is of AWS
    assert samples["order"].detail == {"id": "text", "n": 2}
    assert not samples["order"].own
    assert samples["order"].bus == "bus of ShopBus"
    assert samples["written"].detail == {"id": "w", "n": 7}
    assert samples["written"].own


def test_a_made_up_sample_is_valid(catalogue: Catalogue) -> None:
    sample = next(catalogue.samples(str))

    assert catalogue.problems(sample.source, sample.type, sample.detail) == []


def test_a_problem_says_where_it_is(catalogue: Catalogue) -> None:
    problems = catalogue.problems("shop", "order", {"id": "", "n": 1})

    assert len(problems) == 2
    assert problems[0].startswith("detail.id: ")
    assert problems[1].startswith("detail.n: ")


def test_an_event_that_the_catalogue_does_not_know_breaks_nothing(catalogue: Catalogue) -> None:
    assert catalogue.problems("shop", "unknown", {}) == []


@pytest.mark.parametrize("text", ["", "[1, 2]", "events: nothing", "a: [", "events: [1]"], ids=repr)
def test_an_unreadable_catalogue_counts_as_empty(tmp_path: Path, text: str) -> None:
    (tmp_path / "catalogue.yml").write_text(text)

    assert list(Catalogue.read(tmp_path / "catalogue.yml").samples(str)) == []


def test_there_need_not_be_a_catalogue(tmp_path: Path) -> None:
    assert Catalogue.read(None).path is None
    assert Catalogue.read(tmp_path / "absent.yml").path is None
