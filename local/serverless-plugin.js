"use strict";

// What the command line needs and serverless.yml cannot say: which stage may be deployed where,
// byte code that is valid in the package, numbers that `--param` makes texts of, and no role that
// nobody has.

const python = require("./python.js");

// The fields of a state machine that are whole numbers.
const NUMBERS = new Set(["HeartbeatSeconds", "MaxConcurrency", "Seconds", "TimeoutSeconds"]);

class StepworksPlugin {
  constructor(serverless, options, { log }) {
    this.serverless = serverless;
    this.log = log;
    // A zip has no true file times, so byte code that is checked by time is compiled anew at every
    // cold start. With this set pip checks it by content (PEP 552, py_compile).
    process.env.SOURCE_DATE_EPOCH ??= "315532800";
    this.hooks = {
      initialize: () => {
        this.readNumbers(this.serverless.configurationInput.stepFunctions);
        const [command] = this.serverless.processedInput.commands;
        if (["deploy", "remove", "rollback"].includes(command)) this.checkTarget();
      },
      "before:package:cleanup": () => this.leaveOutForeignByteCode(),
      "before:package:finalize": () => this.dropSharedRole(),
    };
  }

  leaveOutForeignByteCode() {
    if (python.isRuntime) return;
    const { runtime } = this.serverless.service.provider;
    this.serverless.service.custom.pythonRequirements.pipCmdExtraArgs.push("--no-compile");
    this.log.warning(
      `Python ${python.version} is no Lambda runtime: the functions get ${runtime}, on which nothing` +
        " was tested here, and no byte code, so that every cold start compiles. To avoid both," +
        " remove .venv and set up again with a Python of 3.11 to 3.14.",
    );
  }

  // `--param="sensorWaitSeconds=60"` is a text, and a state machine wants a number there.
  readNumbers(value) {
    for (const [key, item] of Object.entries(value ?? {})) {
      if (typeof item === "object") this.readNumbers(item);
      else if (NUMBERS.has(key) && /^\d+$/.test(item)) value[key] = Number(item);
    }
  }

  // The framework makes one role for all functions; with a role of its own each, nobody assumes it.
  dropSharedRole() {
    const template = this.serverless.service.provider.compiledCloudFormationTemplate;
    delete template.Resources.IamRoleLambdaExecution;
    if (JSON.stringify(template).includes('"IamRoleLambdaExecution"')) {
      this.refuse("A function has no role of its own: give it `iamRoleStatements`.");
    }
  }

  checkTarget() {
    const stage = this.serverless.getProvider("aws").getStage();
    const endpoint = process.env.AWS_ENDPOINT_URL;
    if (stage === "local" && !endpoint) {
      this.refuse(
        "Stage 'local' is for the local AWS, and AWS_ENDPOINT_URL is not set: this would go to your" +
          " AWS account. Run `make up`, or `eval \"$(make -s env)\"` before calling serverless" +
          " yourself; for an account, name another stage (`make deploy STAGE=dev`).",
      );
    }
    if (stage !== "local" && endpoint) {
      this.refuse(
        `Stage '${stage}' is for an AWS account, and AWS_ENDPOINT_URL sends it to ${endpoint}.` +
          " Unset AWS_ENDPOINT_URL (open a new terminal, or `unset AWS_ENDPOINT_URL`), or deploy" +
          " `--stage local`.",
      );
    }
    for (const name of ["emailFrom", "emailTo"]) {
      if (!this.serverless.service.custom[name]) {
        this.refuse(
          `Stage '${stage}' has no ${name}: set ${
            name === "emailFrom" ? "STEPWORKS_EMAIL_FROM" : "STEPWORKS_EMAIL_TO"
          }, add it to the stage's params in serverless.yml, or pass --param="${name}=…". ` +
            "It must be an address that SES may use (docs/operations.md).",
        );
      }
    }
  }

  refuse(sentence) {
    throw new this.serverless.classes.Error(sentence);
  }
}

module.exports = StepworksPlugin;
