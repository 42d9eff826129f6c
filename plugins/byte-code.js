"use strict";

// Keeps the byte code in the package valid, so that a cold start does not compile
// (docs/decisions/0025-runtime-follows-python.md).

const python = require("./python-runtime.js");

class ByteCodePlugin {
  constructor(serverless, options, { log }) {
    this.serverless = serverless;
    this.log = log;
    // A zip does not keep file times, so Python would reject byte code that is checked by time.
    // With this variable set, pip makes byte code that is checked by content (PEP 552, py_compile).
    process.env.SOURCE_DATE_EPOCH ??= "315532800";
    this.hooks = {
      "before:package:cleanup": () => this.leaveOutUnusableByteCode(),
    };
  }

  leaveOutUnusableByteCode() {
    if (python.isRuntime) return;
    const { runtime } = this.serverless.service.provider;
    this.serverless.service.custom.pythonRequirements.pipCmdExtraArgs.push("--no-compile");
    this.log.warning(
      `Python ${python.version} is not a Lambda runtime. The functions run on ${runtime}, which the tests` +
        " here did not use, and have no byte code, so every cold start compiles. To avoid both, remove" +
        " .venv and set up again with Python 3.11 to 3.14.",
    );
  }
}

module.exports = ByteCodePlugin;
