"""The demo: one scene a workflow, each on real input and each checked.

A scene has a `TITLE` and a `play(aws, console, quick)`, which shows what happens while it happens
and raises LocalError when anything is not as it should be.
"""

from rich.console import Console

from local.aws import Aws
from local.demo import cookies as cookies
from local.demo import images as images
from local.demo import messages as messages
from local.demo import sensor as sensor
from local.demo import signature as signature

SCENES = (sensor, signature, cookies, messages, images)


def run(aws: Aws, console: Console, *, quick: bool) -> None:
    for scene in SCENES:
        console.rule(f"[bold]{scene.TITLE}", align="left")
        scene.play(aws, console, quick=quick)
