"use strict";

// For serverless.yml: all machines of one kind, so that a new machine needs no entry.
//
// arns, executions: every Standard machine, and its executions. Step Functions neither describes
//   executions of Express machines nor publishes their changes of status.
// callbackMachines, callbackExecutions: the machines with tasks that wait for a task token, and
//   their executions.
// callbackMachineList: the ARNs of these machines as one text, separated by spaces.

const ARN = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}";

const reference = ([key]) => ({ Ref: `${key[0].toUpperCase()}${key.slice(1)}StateMachine` });
const machine = ([, { name }]) => `${ARN}:stateMachine:${name}`;
const executions = ([, { name }]) => `${ARN}:execution:${name}:*`;
const sub = (text) => ({ "Fn::Sub": text });

module.exports = async ({ resolveConfigurationProperty }) => {
  const machines = await resolveConfigurationProperty(["stepFunctions", "stateMachines"]);
  const standard = Object.entries(machines).filter(([, { type }]) => type === "STANDARD");
  const waiting = standard.filter(([, { callbackAlarmSeconds }]) => callbackAlarmSeconds);
  return {
    arns: standard.map(reference),
    executions: standard.map(executions).map(sub),
    callbackMachines: waiting.map(machine).map(sub),
    callbackExecutions: waiting.map(executions).map(sub),
    callbackMachineList: sub(waiting.map(machine).join(" ")),
  };
};
