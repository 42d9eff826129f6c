"""How often the framework asks CloudFormation how far a deployment is."""

import os
import subprocess

import pytest

from tests.support.packaged import ROOT

# The plugin as the framework starts it, then the framework's own answer.
SCRIPT = """
const Plugin = require("./plugins/deployment-target.js");
const plugin = new Plugin({
  processedInput: { commands: ["deploy"] },
  getProvider: () => ({ getStage: () => process.argv[1] }),
  service: { custom: { emailFrom: "a@example.com", emailTo: "b@example.com" } },
});
plugin.hooks.initialize();
console.log(require("osls/lib/plugins/aws/utils/get-monitoring-frequency")());
"""


@pytest.mark.parametrize(
    ("stage", "endpoint", "milliseconds"),
    [("local", "http://127.0.0.1:4566", 100), ("dev", None, 5000)],
    ids=["the local AWS", "an account, which limits requests"],
)
def test_how_often_the_stack_is_looked_at(
    stage: str, endpoint: str | None, milliseconds: int
) -> None:
    environment = {"PATH": os.environ["PATH"]}
    if endpoint:
        environment["AWS_ENDPOINT_URL"] = endpoint

    asked = subprocess.run(
        ["node", "-e", SCRIPT, stage],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(asked.stdout) == milliseconds
