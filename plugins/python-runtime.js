"use strict";

// The Python that packages and tests, and the Lambda runtime of the same version: functions run on the
// Python they were tested on, and its byte code is valid there. This is no plugin: serverless.yml reads
// `runtime` from it (docs/decisions/0025-runtime-follows-python.md).

const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
const RUNTIMES = ["3.11", "3.12", "3.13", "3.14"];

// `invoke local` and the packaging both call `python3`. Put the virtual environment first in the PATH,
// so that they use the project's packages.
const venv = path.join(__dirname, "..", ".venv");
if (!process.env.VIRTUAL_ENV && fs.existsSync(venv)) {
  process.env.VIRTUAL_ENV = venv;
  process.env.PATH = [path.join(venv, "bin"), process.env.PATH].join(path.delimiter);
}

const print = 'import sys; print("%d.%d" % sys.version_info[:2])';
const version = spawnSync("python3", ["-c", print], { encoding: "utf8" }).stdout?.trim();
const isRuntime = RUNTIMES.includes(version);

module.exports = {
  version: version || "none",
  runtime: `python${isRuntime ? version : RUNTIMES.at(-1)}`,
  isRuntime,
};
