"""`python -m bench.model --size 1e11 --wcu 40000`: one case of the model."""

import argparse

from rich.console import Console

from bench.model import Case, dollars, duration, estimate, import_cost, measured_rates, with_options

OPTIONS = {
    "size": "of the file, in bytes",
    "row-bytes": "of a row on average, with its line ending",
    "wcu": "rows per second that the table accepts",
    "concurrency": "the parameter sensorMaxConcurrency",
    "segment-bytes": "the parameter sensorSegmentBytes",
    "replaced": "share of rows, 0 to 1, that a later row replaces",
    "sensors": "different sensors in any part of the file",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.model", description=__doc__)
    for name, meaning in OPTIONS.items():
        parser.add_argument(f"--{name}", type=float, help=meaning, required=name == "size")
    options = vars(parser.parse_args())
    if options["concurrency"]:
        options["concurrency"] = int(options["concurrency"])
    case = with_options(Case(options["size"]), **options)
    result = estimate(case, measured_rates(100_000))
    console = Console(highlight=False)
    for name, seconds in result.seconds.items():
        console.print(f"{name:28} {duration(seconds):>10}")
    console.print(f"{'time':28} {duration(result.total_seconds):>10}")
    for name, usd in result.cost.items():
        console.print(f"{name:28} {dollars(usd):>10} USD")
    console.print(f"{'cost':28} {dollars(result.total_cost):>10} USD")
    console.print(f"{'import into a new table':28} {dollars(import_cost(case)):>10} USD")


main()
