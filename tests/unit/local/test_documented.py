"""Which commands are found in a document."""

import pytest

from tests.support.documented import _commands

DOCUMENT = """# Title

Run `make up`, or `aws s3 ls
s3://bucket/`; the file `make.py` and the word `curl` are no commands.

## One

```sh
# only a comment
a=$(aws sts get-caller-identity \\
  --output text)                  # two lines
curl -d '{
  "x": 1}' "$a"
.venv/bin/python -m ops dlq list
```

```json
{"make": "up"}
```

### Two

```python
print("make up")
```
"""


def test_every_command_is_found_with_its_section() -> None:
    found = sorted(_commands("x.md", DOCUMENT), key=lambda command: command.at)

    assert [(command.section, command.language, command.text) for command in found] == [
        ("Title", "sh", "make up"),
        ("Title", "sh", "aws s3 ls s3://bucket/"),
        (
            "One",
            "sh",
            "a=$(aws sts get-caller-identity \\\n  --output text)                  # two lines",
        ),
        ("One", "sh", 'curl -d \'{\n  "x": 1}\' "$a"'),
        ("One", "sh", ".venv/bin/python -m ops dlq list"),
        ("Two", "python", 'print("make up")\n'),
    ]


def test_a_comment_is_no_part_of_a_command() -> None:
    assert next(_commands("x.md", "# T\n```sh\nmake up   # starts it\n```\n")).line == "make up"


@pytest.mark.parametrize("language", ["", "bash", "console"])
def test_a_block_of_no_known_language_is_refused(language: str) -> None:
    with pytest.raises(AssertionError, match="say `sh`, `python`"):
        list(_commands("x.md", f"# T\n```{language}\nmake up\n```\n"))


def test_half_a_command_is_refused() -> None:
    with pytest.raises(AssertionError, match="no complete command"):
        list(_commands("x.md", "# T\n```sh\necho 'a\n```\n"))
