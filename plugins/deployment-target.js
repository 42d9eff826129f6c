"use strict";

// Refuses to deploy where a stage does not belong: `local` goes only to the local AWS, every other
// stage only to an AWS account. Refuses a stage without the addresses that mails need.
//
// The framework waits five seconds each time before it asks CloudFormation for the stack's state. The
// local AWS changes a stack in less than one, and limits no requests, so it is asked more often.

const LOCAL_POLL_MILLISECONDS = "100";

class DeploymentTargetPlugin {
  constructor(serverless) {
    this.serverless = serverless;
    this.hooks = {
      initialize: () => {
        const [command] = serverless.processedInput.commands;
        if (!["deploy", "remove", "rollback"].includes(command)) return;
        const stage = serverless.getProvider("aws").getStage();
        this.checkEndpoint(stage);
        this.checkMailAddresses(stage);
        if (stage === "local") process.env.SLS_AWS_MONITORING_FREQUENCY ??= LOCAL_POLL_MILLISECONDS;
      },
    };
  }

  checkEndpoint(stage) {
    const endpoint = process.env.AWS_ENDPOINT_URL;
    if (stage === "local" && !endpoint) {
      this.refuse(
        "Stage 'local' is for the local AWS, but AWS_ENDPOINT_URL is not set, so the command would use" +
          " your AWS account. Run `make up`, or `eval \"$(make -s env)\"` before calling serverless" +
          " yourself. For an account, name another stage (`make deploy STAGE=dev`).",
      );
    }
    if (stage !== "local" && endpoint) {
      this.refuse(
        `Stage '${stage}' is for an AWS account, but AWS_ENDPOINT_URL is ${endpoint}.` +
          " Unset AWS_ENDPOINT_URL (open a new terminal, or `unset AWS_ENDPOINT_URL`), or deploy" +
          " `--stage local`.",
      );
    }
  }

  checkMailAddresses(stage) {
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

  refuse(message) {
    throw new this.serverless.classes.Error(message);
  }
}

module.exports = DeploymentTargetPlugin;
