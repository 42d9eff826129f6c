"use strict";

// Adds alarms to the packaged template: one or more for every machine, function and queue, and one
// for the API. All notify AlarmTopic (handlers/observability/alarms.yml). Each description names
// its section in docs/operations.md (docs/decisions/0070-alarms-and-dashboard.md).
//
// | resource                       | alarm                                                         |
// | ------------------------------ | ------------------------------------------------------------- |
// | a machine                      | an execution failed; one timed out; executions are throttled  |
// | a machine with task tokens     | a callback waits longer than the machine's `callbackAlarmSeconds` |
// | a function                     | it failed three times in five minutes                         |
// | all functions of the account   | invocations are throttled                                     |
// | a queue that a function reads  | a message waits longer than 15 minutes                        |
// | any other queue (dead letters) | there is a message; a message is older than three days        |
// | the API                        | it returned a status of 500 or more                           |

const NAMESPACE = "Stepworks"; // of our own metrics: handlers/shared/observability.py
const RUNBOOKS = "docs/operations.md";
const MINUTES = 60;
const DAYS = 86400;

const get = (id, attribute) => ({ "Fn::GetAtt": [id, attribute] });

class AlarmsPlugin {
  constructor(serverless) {
    this.serverless = serverless;
    this.callbackSeconds = {};
    this.hooks = {
      initialize: () => this.readMachines(),
      "after:aws:package:finalize:mergeCustomProviderResources": () => this.addAlarms(),
    };
  }

  // Takes `callbackAlarmSeconds` out of the machines, because serverless-step-functions would refuse it.
  readMachines() {
    const machines = this.serverless.configurationInput.stepFunctions?.stateMachines ?? {};
    for (const [key, machine] of Object.entries(machines)) {
      const waits = JSON.stringify(machine.definition).includes(".waitForTaskToken");
      const seconds = Number(machine.callbackAlarmSeconds);
      delete machine.callbackAlarmSeconds;
      if (waits === !(seconds > 0)) {
        throw new this.serverless.classes.Error(
          waits
            ? `The machine '${key}' waits for task tokens: set callbackAlarmSeconds, after which a ` +
                "callback is reported as late."
            : `The machine '${key}' waits for no task token: remove callbackAlarmSeconds.`,
        );
      }
      if (waits) this.callbackSeconds[machine.id] = seconds;
    }
  }

  addAlarms() {
    const { service, provider } = this.serverless.service;
    this.prefix = `${service}-${provider.stage}`;
    this.resources = provider.compiledCloudFormationTemplate.Resources;
    const queuesWithReader = new Set(
      this.ofType("AWS::Lambda::EventSourceMapping").map(
        ([, { EventSourceArn }]) => EventSourceArn["Fn::GetAtt"]?.[0],
      ),
    );
    for (const [id] of this.ofType("AWS::StepFunctions::StateMachine")) this.watchMachine(id);
    for (const [id] of this.ofType("AWS::Lambda::Function")) this.watchFunction(id);
    for (const [id] of this.ofType("AWS::SQS::Queue")) {
      if (queuesWithReader.has(id)) this.watchQueue(id);
      else this.watchDeadLetters(id);
    }
    this.watchAccount();
    for (const [id, { Name }] of this.ofType("AWS::ApiGateway::RestApi")) this.watchApi(id, Name);
  }

  ofType(type) {
    return Object.entries(this.resources)
      .filter(([, { Type }]) => Type === type)
      .map(([id, { Properties }]) => [id, Properties]);
  }

  watchMachine(id) {
    const machine = id.replace(/StateMachine$/, "");
    const metric = (MetricName) => ({
      Namespace: "AWS/States",
      MetricName,
      Dimensions: [{ Name: "StateMachineArn", Value: { Ref: id } }],
    });
    this.add(`${machine}ExecutionsFailed`, {
      ...metric("ExecutionsFailed"),
      AlarmDescription: `An execution of ${machine} failed.`,
      runbook: "alarm-failed-executions",
    });
    this.add(`${machine}ExecutionsTimedOut`, {
      ...metric("ExecutionsTimedOut"),
      AlarmDescription: `An execution of ${machine} timed out.`,
      runbook: "alarm-failed-executions",
    });
    this.add(`${machine}ExecutionsThrottled`, {
      ...metric("ExecutionThrottled"),
      AlarmDescription: `State transitions of ${machine} are throttled.`,
      EvaluationPeriods: 3,
      runbook: "alarm-throttling",
    });
    if (!(id in this.callbackSeconds)) return;
    const seconds = this.callbackSeconds[id];
    this.add(`${machine}CallbackLate`, {
      Namespace: NAMESPACE,
      MetricName: "OldestCallbackSeconds",
      Dimensions: [
        { Name: "stage", Value: this.serverless.service.provider.stage },
        { Name: "machine", Value: get(id, "Name") },
      ],
      Statistic: "Maximum",
      Threshold: seconds,
      AlarmDescription: `A task of ${machine} has waited for its callback for ${seconds} seconds.`,
      runbook: "alarm-late-callbacks",
    });
  }

  // Three errors, because an asynchronous invocation that fails has three attempts. A single error,
  // after which a retry succeeded, raises no alarm.
  watchFunction(id) {
    this.add(`${id.replace(/LambdaFunction$/, "")}Errors`, {
      Namespace: "AWS/Lambda",
      MetricName: "Errors",
      Dimensions: [{ Name: "FunctionName", Value: { Ref: id } }],
      Threshold: 3,
      AlarmDescription: `The function ${this.resources[id].Properties.FunctionName} failed three times.`,
      runbook: "alarm-failing-functions",
    });
  }

  // All functions of an account and region share one limit of concurrent invocations.
  watchAccount() {
    this.add("FunctionsThrottled", {
      Namespace: "AWS/Lambda",
      MetricName: "Throttles",
      EvaluationPeriods: 3,
      AlarmDescription: "Invocations of functions in this account and region are throttled.",
      runbook: "alarm-throttling",
    });
  }

  watchQueue(id) {
    this.add(`${id}Age`, {
      ...queueMetric(id, "ApproximateAgeOfOldestMessage"),
      Threshold: 15 * MINUTES,
      AlarmDescription: `A message in ${id} has waited for 15 minutes.`,
      runbook: "alarm-dead-letters",
    });
  }

  watchDeadLetters(id) {
    this.add(`${id}Messages`, {
      ...queueMetric(id, "ApproximateNumberOfMessagesVisible"),
      AlarmDescription: `There are dead letters in ${id}.`,
      runbook: "alarm-dead-letters",
    });
    this.add(`${id}Age`, {
      ...queueMetric(id, "ApproximateAgeOfOldestMessage"),
      Threshold: 3 * DAYS,
      AlarmDescription: `A dead letter in ${id} is three days old. SQS deletes it after 14.`,
      runbook: "alarm-dead-letters",
    });
  }

  watchApi(id, ApiName) {
    this.add("ApiServerErrors", {
      Namespace: "AWS/ApiGateway",
      MetricName: "5XXError",
      Dimensions: [
        { Name: "ApiName", Value: ApiName },
        { Name: "Stage", Value: this.serverless.service.provider.stage },
      ],
      AlarmDescription: "The API returned a status of 500 or more.",
      runbook: "alarm-api-errors",
    });
  }

  add(name, { runbook, AlarmDescription, ...properties }) {
    const topic = [{ Ref: "AlarmTopic" }];
    this.resources[`${name}Alarm`] = {
      Type: "AWS::CloudWatch::Alarm",
      Properties: {
        AlarmName: `${this.prefix}-${name}`,
        AlarmDescription: `${AlarmDescription} What to do: ${RUNBOOKS}#${runbook}`,
        Statistic: properties.MetricName.startsWith("Approximate") ? "Maximum" : "Sum",
        Period: 5 * MINUTES,
        EvaluationPeriods: 1,
        Threshold: 1,
        ComparisonOperator: "GreaterThanOrEqualToThreshold",
        TreatMissingData: "notBreaching", // most of these metrics have no data while nothing happens
        ...properties,
        AlarmActions: topic,
        OKActions: topic,
      },
    };
  }
}

function queueMetric(id, MetricName) {
  return {
    Namespace: "AWS/SQS",
    MetricName,
    Dimensions: [{ Name: "QueueName", Value: get(id, "QueueName") }],
  };
}

module.exports = AlarmsPlugin;
