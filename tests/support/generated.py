"""Parts of documents that a command writes: between two comments with the part's name."""

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path


def replace(document: Path, part: str, text: str) -> None:
    """Write a part anew. The document must have it."""
    begin, end = f"<!-- {part}: begin -->", f"<!-- {part}: end -->"
    old = document.read_text()
    new, found = re.subn(
        rf"{begin}\n.*?{end}", lambda _: f"{begin}\n\n{text.strip()}\n\n{end}", old, flags=re.S
    )
    if found != 1:
        raise ValueError(f"{document} has {found} parts {begin} … {end}, not one.")
    document.write_text(new)


def measured_on(command: str) -> str:
    """When, on what and by which command something was measured: a sentence."""
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    return (
        f"Measured on {at} UTC by `{command}`: {os.cpu_count()} processors, {platform.system()} "
        f"{platform.release().partition('-')[0]} ({platform.machine()}), Python "
        f"{platform.python_version()}, load average {os.getloadavg()[2]:.1f} (15 minutes)."
    )
