"""`python -m bench [name …]`: what `make bench` calls."""

import argparse
import importlib
import json
import os
import pkgutil
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

import bench

RESULTS = Path(__file__).parent / "results"


def names() -> list[str]:
    return sorted(
        module.name
        for module in pkgutil.iter_modules(bench.__path__)
        if not module.name.startswith("_")
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(names()))
    parser.add_argument("--quick", action="store_true", help="fewer rounds, rougher numbers")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names()):
        parser.error(
            f"no benchmark named {', '.join(sorted(unknown))}; choose from {', '.join(names())}"
        )
    console = Console()
    RESULTS.mkdir(exist_ok=True)
    for name in arguments.names or names():
        module = importlib.import_module(f"bench.{name}")
        console.rule(f"[bold]{module.TITLE}", align="left")
        result = module.run(console, quick=arguments.quick)
        path = RESULTS / f"{name}.json"
        path.write_text(json.dumps({"machine": machine(), **result}, indent=2) + "\n")
        console.print(f"Written to {path.relative_to(Path.cwd())}.", soft_wrap=True)
    return 0


def machine() -> dict[str, str | int | None]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
    }


if __name__ == "__main__":
    sys.exit(main())
