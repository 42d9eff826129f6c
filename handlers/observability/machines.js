"use strict";

// For serverless.yml: ARNs of all machines of one kind, so that a new machine needs no entry.
//
// executions: the executions of every Standard machine; Step Functions does not describe those of
//   Express machines.
// callbackMachines, callbackExecutions: the machines with tasks that wait for a task token, and
//   their executions.
// callbackMachineList: the ARNs of these machines as one text, separated by spaces.

const ARN = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}";

module.exports = async ({ resolveConfigurationProperty }) => {
  const machines = Object.values(
    await resolveConfigurationProperty(["stepFunctions", "stateMachines"]),
  );
  const standard = machines.filter(({ type }) => type === "STANDARD");
  const callbacks = machines.filter(({ callbackAlarmSeconds }) => callbackAlarmSeconds);
  const arns = (list, kind, end) =>
    list.map(({ name }) => ({ "Fn::Sub": `${ARN}:${kind}:${name}${end}` }));
  return {
    executions: arns(standard, "execution", ":*"),
    callbackMachines: arns(callbacks, "stateMachine", ""),
    callbackExecutions: arns(callbacks, "execution", ":*"),
    callbackMachineList: {
      "Fn::Sub": callbacks.map(({ name }) => `${ARN}:stateMachine:${name}`).join(" "),
    },
  };
};
