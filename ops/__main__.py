"""`python -m ops …`: commands for the operator of a stage."""

import argparse
import sys
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from ops import dlq, take_back, verify
from ops.account import account_of
from ops.errors import OpsError

COMMANDS = {"dlq": dlq, "take-back": take_back, "verify": verify}


def main() -> int:
    try:
        return 0 if run(sys.argv[1:], Console()) else 1
    except OpsError as error:
        Console(stderr=True, highlight=False).print(
            f"[red]stepworks:[/red] {error}", soft_wrap=True
        )
        return 1
    except KeyboardInterrupt:
        return 130


def run(arguments: Sequence[str], console: Console) -> bool:
    """Run a command. False if it could not do everything that was asked."""
    parsed = _parser().parse_args(arguments)
    account = account_of(parsed.stage)
    try:
        return bool(COMMANDS[parsed.command].run(account, parsed, console))
    except (BotoCoreError, ClientError) as error:
        raise OpsError(f"The request to AWS failed: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=command.SUMMARY))
    return parser


if __name__ == "__main__":
    sys.exit(main())
