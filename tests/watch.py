"""`python -m tests.watch sensor`: run a workflow's tests now and on every change."""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITES = ("unit", "integration", "statemachines")  # those that need no server
WATCHED = ("handlers", "statemachines", "events", "tests")
SUFFIXES = {".py", ".yml", ".json", ".csv"}
POLL_SECONDS = 0.5


def workflows() -> list[str]:
    """Workflows that have tests of their own."""
    folders = (ROOT / "tests" / "unit").iterdir()
    return sorted(folder.name for folder in folders if (folder / "__init__.py").exists())


def command(workflow: str) -> list[str]:
    """The command that runs a workflow's tests."""
    suites = [f"tests/{suite}/{workflow}" for suite in SUITES]
    folders = [folder for folder in suites if (ROOT / folder).is_dir()]
    return [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "not slow", *folders]


def state() -> dict[Path, int]:
    """When each watched file was written."""
    found = {}
    for folder in WATCHED:
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in SUFFIXES:
                try:
                    found[path] = path.stat().st_mtime_ns
                except FileNotFoundError:  # an editor's temporary file
                    continue
    return found


def main() -> int:
    known = workflows()
    if len(sys.argv) != 2 or sys.argv[1] not in known:
        print(f"Name a workflow, e.g. make watch WORKFLOW=sensor. Choose from {', '.join(known)}.")
        return 2
    try:
        while True:
            before = state()
            subprocess.run(command(sys.argv[1]), cwd=ROOT, check=False)
            print("Waiting for a change. Press Ctrl-C to end.", flush=True)
            while state() == before:
                time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
