"""`python -m local.demo.picture`: run the demo and draw its output for the README.

The local AWS must be running (`make up`) and the machine idle, because the picture shows durations.
"""

from rich.console import Console

from local.aws import Aws
from local.demo import WIDTH, run
from local.settings import ROOT, Settings

PICTURE = ROOT / "docs" / "demo.svg"


def main() -> None:
    console = Console(record=True, width=WIDTH, force_terminal=False, color_system="truecolor")
    console.print("[bold green]$[/bold green] make demo")
    run(Aws(Settings.from_environment()), console, quick=False, verbose=False)
    PICTURE.write_text(console.export_svg(title="make demo"))


if __name__ == "__main__":
    main()
