"use strict";

// For serverless.yml: the ARNs of the executions of every Standard machine. Step Functions does not
// describe executions of Express machines.

module.exports = async ({ resolveConfigurationProperty }) => {
  const machines = await resolveConfigurationProperty(["stepFunctions", "stateMachines"]);
  return Object.values(machines)
    .filter(({ type }) => type === "STANDARD")
    .map(({ name }) => ({
      "Fn::Sub": `arn:\${AWS::Partition}:states:\${AWS::Region}:\${AWS::AccountId}:execution:${name}:*`,
    }));
};
