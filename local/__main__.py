"""`python -m local …`: what the Makefile's targets call.

Each command imports what only it needs: `env`, which prints a few lines, would otherwise spend most
of its time on importing boto3.
"""

import argparse
import sys
from collections.abc import Callable

from rich.console import Console

from local.errors import LocalError
from local.locks import one_at_a_time
from local.settings import Settings

console = Console()


def up(settings: Settings, _: argparse.Namespace) -> None:
    """start the local AWS and deploy what has changed"""
    bring_up(settings)
    print_outputs(settings)
    print_console(settings)


def down(settings: Settings, arguments: argparse.Namespace) -> None:
    """stop the local AWS and remove all it has written"""
    from local import process

    ports = process.ports() if arguments.all else [settings.port]
    stopped = []
    for port in ports:
        with one_at_a_time(str(port), report_waiting):
            stopped += [port] if process.stop(Settings(port=port)) else []
    console.print("Stopped. All its files are deleted." if stopped else "Nothing was running.")


def env(settings: Settings, _: argparse.Namespace) -> None:
    """print the exports that make any AWS client talk to the local AWS"""
    print("unset AWS_PROFILE AWS_SESSION_TOKEN")
    for name, value in settings.client_environment().items():
        print(f"export {name}={value}")


def demo(settings: Settings, arguments: argparse.Namespace) -> None:
    """run the workflows on real input and show what each produced"""
    from local.aws import Aws
    from local.demo import run
    from local.demo.worth_opening import worth_opening

    bring_up(settings)
    aws = Aws(settings)
    run(
        aws,
        console,
        quick=arguments.quick,
        verbose=arguments.verbose,
        large=arguments.large,
    )
    print_console(settings)
    if worth := worth_opening(aws):
        console.print(str(worth), soft_wrap=True, highlight=False, markup=False)


def bring_up(settings: Settings) -> None:
    with one_at_a_time(str(settings.port), report_waiting):
        start_and_deploy(settings)


def report_waiting() -> None:
    console.print("Another command is starting or stopping this local AWS: waiting for it …")


def start_and_deploy(settings: Settings) -> None:
    from local import deploy, process

    if process.is_running(settings):
        console.print(f"The local AWS is running at {settings.endpoint}.")
        scale = process.wait_scale(settings)
        if scale != settings.wait_scale:
            console.print(
                f"It was started with STEPWORKS_WAIT_SCALE={scale:g}. To change this value, "
                "run `make down` first."
            )
    else:
        if process.has_lost_its_files(settings):
            console.print("The files of the running local AWS were deleted: restarting it.")
        with console.status("Starting the local AWS …"):
            process.start(settings)
        console.print(f"Started the local AWS at {settings.endpoint}.")
    with console.status("Deploying to stage local …"):
        outcome = deploy.deploy(settings, console.print)
    console.print(outcome.value)


def print_outputs(settings: Settings) -> None:
    from local.aws import Aws

    outputs = Aws(settings).outputs
    width = max(map(len, outputs))
    for key, value in sorted(outputs.items()):
        console.print(f"{key:{width}}  {value}", soft_wrap=True, highlight=False)


def print_console(settings: Settings) -> None:
    console.print(f"The console: {settings.console}", soft_wrap=True, highlight=False)


COMMANDS: dict[str, Callable[[Settings, argparse.Namespace], None]] = {
    "up": up,
    "down": down,
    "env": env,
    "demo": demo,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__)
        if name == "demo":
            command.add_argument("--quick", action="store_true", help="skip the slow parts")
            command.add_argument("--verbose", action="store_true", help="show every step")
            command.add_argument("--large", action="store_true", help="also a million rows")
        if name == "down":
            command.add_argument("--all", action="store_true", help="stop it on every port")
    arguments = parser.parse_args()
    try:
        COMMANDS[arguments.command](Settings.from_environment(), arguments)
    except LocalError as error:
        Console(stderr=True, highlight=False).print(
            f"[red]stepworks:[/red] {error}", soft_wrap=True
        )
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
