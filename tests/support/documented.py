"""The commands that the documents tell people to type, taken from the documents themselves.

They are the ones in fenced `sh` blocks, in fenced `python` blocks, and in `code` within sentences
when it begins with a program's name. A block under a line such as "New file `path`:" is no command
but a file, or lines of one.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Decisions say what was, not what to type.
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
    if "decisions" not in path.parts
)

PROGRAMS = "aws|bash|curl|eval|export|git|make|npm|npx|pip|python3?|serverless|sh"
_IN_A_SENTENCE = re.compile(rf"`((?:\S*/)?(?:{PROGRAMS})\s[^`]+)`")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_FILE = re.compile(
    r"^(?P<how>New file|At the end of|In) `(?P<path>[^`]+)`"
    r"(?:, after the line that begins with (?P<tick>`+) ?(?P<after>.+?) ?(?P=tick))?:\n\n"
    r"(?P<fence>`{3,})\w+\n(?P<content>.*?)^(?P=fence)$",
    re.M | re.S,
)
_HEADING = re.compile(r"^#+ (.+)$", re.M)
# A command that cannot go on in the next line. To ask a shell takes 2 ms, in each worker.
_ONE_LINE = re.compile(r"(?!\s*(?:for|while|until|if|case|function)\b)[^'\"`\\<({$;|&\n]*\n?")
_COMMENT = re.compile(r"\s+#\s.*$|^#.*$")
# Languages of blocks that are no commands.
NO_COMMANDS = {"mermaid", "json", "yaml", "csv", "text"}


@dataclass(frozen=True)
class Command:
    """One command: a line of a shell, or more where one goes on; or a program in Python."""

    document: str
    section: str
    language: str
    text: str
    at: int = field(compare=False)

    @property
    def line(self) -> str:
        """In one line, without the comment at its end: what tables and messages call it."""
        return " ".join(_COMMENT.sub("", line).rstrip("\\") for line in self.text.splitlines())

    def __str__(self) -> str:
        return f"{self.document}, {self.section}: {self.line.strip()}"


def project_files() -> list[str]:
    """The files of the project, by path; what is installed or built is not among them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [file for file in listed.stdout.splitlines() if (ROOT / file).exists()]


@dataclass(frozen=True)
class Edit:
    """A new file; or lines that are added to a file, at its end or after a line of it."""

    path: str
    content: str
    is_new: bool
    after: str | None  # how the line begins

    def apply(self, root: Path) -> None:
        file = root / self.path
        if self.is_new:
            assert not file.exists(), f"{self.path} exists already"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.content)
            return
        lines = file.read_text().splitlines(keepends=True)
        position = len(lines)
        if self.after:
            found = [n for n, line in enumerate(lines) if line.lstrip().startswith(self.after)]
            assert len(found) == 1, f"{self.path}: {len(found)} lines begin with {self.after!r}"
            position = found[0] + 1
        file.write_text("".join([*lines[:position], self.content, *lines[position:]]))


def edits(document: str) -> list[Edit]:
    """What a document tells people to write into files, in its order."""
    return [
        Edit(found["path"], found["content"], found["how"] == "New file", found["after"])
        for found in _FILE.finditer((ROOT / document).read_text())
    ]


def commands(document: str) -> list[Command]:
    """Every command of a document, in the order in which a reader meets them."""
    return sorted(_commands(document, (ROOT / document).read_text()), key=lambda c: c.at)


def _commands(document: str, text: str) -> Iterator[Command]:
    text = _FILE.sub(_blanked, text)
    headings = [(match.start(), match[1]) for match in _HEADING.finditer(_without_blocks(text))]

    def section(at: int) -> str:
        return next((title for start, title in reversed(headings) if start < at), "")

    for block in _FENCE.finditer(text):
        language, at = block[1], block.start()
        assert language in NO_COMMANDS | {"sh", "python"}, (
            f"{document}: a block under {section(at)!r} is {language or 'of no language'}: "
            "say `sh`, `python` or what else it is, so that commands are found and tested."
        )
        if language == "python":
            yield Command(document, section(at), language, block[2], at)
        elif language == "sh":
            for number, command in enumerate(_shell_commands(block[2])):
                yield Command(document, section(at), language, command, at + number)
    for span in _IN_A_SENTENCE.finditer(_without_blocks(text)):
        words = re.sub(r"\s*\n\s*", " ", span[1])
        yield Command(document, section(span.start()), "sh", words, span.start())


def _without_blocks(text: str) -> str:
    """The text with its blocks blanked, so that positions stay what they are."""
    return _FENCE.sub(_blanked, text)


def _blanked(block: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", block[0])


def _shell_commands(block: str) -> Iterator[str]:
    command = ""
    for line in block.splitlines(keepends=True):
        command += line
        if not command.strip() or line.rstrip("\n").endswith("\\") or not _is_complete(command):
            continue
        if not all(part.lstrip().startswith("#") for part in command.strip().splitlines()):
            yield command.strip()
        command = ""
    assert not command.strip(), f"this is no complete command: {command}"


def _is_complete(command: str) -> bool:
    """Whether the shell would run it, and not wait for more lines."""
    return _ONE_LINE.fullmatch(command) is not None or (
        subprocess.run(["bash", "-n"], input=command.encode(), capture_output=True).returncode == 0
    )
