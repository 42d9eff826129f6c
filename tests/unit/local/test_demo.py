"""What the demo prints, with scenes that do nothing."""

import io
import re
from dataclasses import dataclass
from typing import Any

import pytest
from rich.console import Console

from local import demo
from local.demo.summary import Summary
from local.errors import LocalError

LONGEST_SUMMARIES = [  # the longest summaries that the scenes return
    Summary(
        "3 files: 49,957 readings stored, 51 rows rejected, an empty file refused; each file moved "
        "and reported by mail",
        "SensorReadingsTable, SensorTargetBucket",
    ),
    Summary(
        "3 documents: one signed by Alice and Bob, one declined, one expired; the owner was told",
        "SignatureRequestsTable",
        "Now you are Bob: sign or decline in your browser.\nhttp://127.0.0.1:4566/" + "x" * 90,
    ),
    Summary("2 reports on 18 people and 1234 cookies", "CookiesBucket"),
    Summary(
        "42 messages recorded, each once; a malformed one kept as a dead letter",
        "MessagesTable, MessagesDeadLetterQueueUrl",
    ),
    Summary(
        "300 images downloaded through the API; 7 that are missing published to the topic",
        "ImagesBucket, ImagesTable",
        "The images on a page: .stepworks/45660/contact-sheet.html",
    ),
]


@dataclass
class FakeScene:
    TITLE: str
    summary: Summary | None

    def play(self, aws: Any, console: Console, *, quick: bool) -> Summary:
        console.print("a step")
        if self.summary is None:
            raise LocalError("The sensor workflow did not do what it should: a file is missing.")
        return self.summary


def played(
    monkeypatch: pytest.MonkeyPatch, summaries: list[Any], *, terminal: bool, verbose: bool = False
) -> tuple[str, LocalError | None]:
    """What is printed, and what the demo fails with."""
    scenes = [
        FakeScene(scene.TITLE, summary)
        for scene, summary in zip(demo.SCENES, summaries, strict=True)
    ]
    monkeypatch.setattr(demo, "SCENES", scenes)
    printed, failure = io.StringIO(), None
    console = Console(file=printed, width=demo.WIDTH, force_terminal=terminal, color_system=None)
    try:
        demo.run(None, console, quick=False, verbose=verbose)  # type: ignore[arg-type]
    except LocalError as error:
        failure = error
    return printed.getvalue(), failure


@pytest.mark.parametrize("terminal", [True, False])
def test_it_fits_a_screen_of_80_by_40_with_words_unbroken(
    monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    text, failure = played(monkeypatch, LONGEST_SUMMARIES, terminal=terminal)

    assert terminal or not set("\x1b\r") & set(text)
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).splitlines()
    shown = [line for line in lines if "http://" not in line]  # longer than a line by itself
    assert failure is None
    assert len(lines) <= 40
    assert max(map(len, shown)) <= 80
    words = set(" ".join(lines).split())
    for summary in LONGEST_SUMMARIES:
        expected = f"{summary.did} {summary.where} {summary.next_step}".split()
        assert not set(expected) - words
    for scene in demo.SCENES:
        assert set(scene.TITLE.partition(": ")[2].split()) <= words


def test_steps_are_shown_only_if_verbose(monkeypatch: pytest.MonkeyPatch) -> None:
    short, _ = played(monkeypatch, LONGEST_SUMMARIES, terminal=False)
    long, _ = played(monkeypatch, LONGEST_SUMMARIES, terminal=False, verbose=True)

    assert "a step" not in short
    assert long.count("a step") == len(LONGEST_SUMMARIES)
    assert "CookiesBucket" in long


@pytest.mark.parametrize("verbose", [True, False])
def test_a_failed_scene_ends_it_and_says_why(
    monkeypatch: pytest.MonkeyPatch, verbose: bool
) -> None:
    text, failure = played(
        monkeypatch,
        [LONGEST_SUMMARIES[0], None, *LONGEST_SUMMARIES[2:]],
        terminal=False,
        verbose=verbose,
    )

    assert "a file is missing" in str(failure)
    assert ("VERBOSE=1" in str(failure)) is not verbose
    assert "images" not in text  # not played any more
    assert verbose or "✗ signature" in text
