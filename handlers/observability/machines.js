"use strict";

// For serverless.yml: every Standard machine of this stage, and its executions. Step Functions neither
// describes executions of Express machines nor publishes their changes of status.

module.exports = async ({ resolveConfigurationProperty }) => {
  const machines = await resolveConfigurationProperty(["stepFunctions", "stateMachines"]);
  const standard = Object.entries(machines).filter(([, { type }]) => type === "STANDARD");
  return {
    arns: standard.map(([key]) => ({ Ref: `${key[0].toUpperCase()}${key.slice(1)}StateMachine` })),
    executions: standard.map(([, { name }]) => ({
      "Fn::Sub": `arn:\${AWS::Partition}:states:\${AWS::Region}:\${AWS::AccountId}:execution:${name}:*`,
    })),
  };
};
