"use strict";

// Removes the role that the framework creates for all functions together: each function has a role
// of its own here, and nothing assumes the shared one.

class UnusedRolePlugin {
  constructor(serverless) {
    this.hooks = {
      "before:package:finalize": () => {
        const template = serverless.service.provider.compiledCloudFormationTemplate;
        delete template.Resources.IamRoleLambdaExecution;
        if (JSON.stringify(template).includes('"IamRoleLambdaExecution"')) {
          throw new serverless.classes.Error(
            "A function has no role of its own: give it `iamRoleStatements`.",
          );
        }
      },
    };
  }
}

module.exports = UnusedRolePlugin;
