"""An environment for each peer, in .stepworks/bench, from its pinned requirements."""

import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"
FOLDER = Path(__file__).parents[2] / ".stepworks" / "bench"
OF_THE_PROJECT = ("per_row", "batch_writer")  # boto3, which the project has


def python_of(way: str) -> str:
    """The Python that can run a peer; creates its environment if there is none."""
    if way in OF_THE_PROJECT:
        return sys.executable
    pinned = REQUIREMENTS / f"{way}.txt"
    folder = FOLDER / way
    installed = folder / "requirements.txt"
    python = folder / "bin" / "python"
    if not installed.exists() or installed.read_text() != pinned.read_text():
        venv.create(folder, clear=True, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "-r", str(pinned)], check=True)
        installed.write_text(pinned.read_text())
    return str(python)
