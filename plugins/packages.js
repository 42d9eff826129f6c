"use strict";

// Packages each function with packages.py, instead of the framework's own packaging
// (docs/decisions/0074-cold-starts.md).

const { spawnSync } = require("node:child_process");
const path = require("node:path");
const python = require("./python-runtime.js");

class PackagesPlugin {
  constructor(serverless, options, { log }) {
    this.serverless = serverless;
    this.log = log;
    this.hooks = {
      "before:package:createDeploymentArtifacts": () => this.build(serverless.service.getAllFunctions()),
      "before:deploy:function:packageFunction": () => this.build([options.function]),
    };
  }

  build(keys) {
    const { service, serviceDir, classes } = this.serverless;
    const folder = path.join(serviceDir, ".serverless");
    const functions = keys.map((key) => [key, service.getFunction(key)]);
    const handlers = Object.fromEntries(functions.map(([key, { handler }]) => [key, handler]));
    if (!python.isRuntime) this.warn();
    const { status, stderr, error } = spawnSync(
      "python3",
      [path.join(__dirname, "packages.py"), folder, ...(python.isRuntime ? [] : ["--no-byte-code"])],
      { input: JSON.stringify(handlers), encoding: "utf8" },
    );
    if (status !== 0) {
      throw new classes.Error(`The functions could not be packaged: ${stderr || error}`);
    }
    for (const [key, definition] of functions) {
      definition.package = { ...definition.package, artifact: path.join(folder, `${key}.zip`) };
    }
  }

  warn() {
    const { runtime } = this.serverless.service.provider;
    this.log.warning(
      `Python ${python.version} is not a Lambda runtime. The functions run on ${runtime}, which the tests` +
        " here did not use, and have no byte code, so every cold start compiles. To avoid both, remove" +
        " .venv and set up again with Python 3.11 to 3.14.",
    );
  }
}

module.exports = PackagesPlugin;
