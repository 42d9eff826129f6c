"use strict";

// Adds a CloudWatch dashboard for the stage to the packaged template: executions, callbacks,
// functions, queues and the results of the workflows. It shows every machine, function and queue in
// the template, so a new workflow needs no change here.

// Metrics of our own (handlers/shared/observability.py): [service, metric, label].
const RESULTS = [
  ["sensor", "ReadingsStored", "Readings stored"],
  ["sensor", "RowsRejected", "Rows rejected"],
  ["signature", "SignaturesDecided", "Signatures decided"],
  ["cookies", "CookiesConsumed", "Cookies consumed"],
  ["messages", "MessagesRecorded", "Messages recorded"],
  ["images", "ImagesDownloaded", "Images downloaded"],
  ["images", "DownloadsFailed", "Downloads failed"],
  ["mail", "MailsSent", "Mails sent"],
];
const WIDTH = 8; // of a widget; the dashboard has 24 columns
const HEIGHT = 6;

class DashboardPlugin {
  constructor(serverless) {
    this.serverless = serverless;
    this.hooks = {
      "after:aws:package:finalize:mergeCustomProviderResources": () => this.add(),
    };
  }

  add() {
    const { provider, service } = this.serverless.service;
    const { Resources } = provider.compiledCloudFormationTemplate;
    this.stage = provider.stage;
    const ids = (type) => Object.keys(Resources).filter((id) => Resources[id].Type === type);
    const machines = ids("AWS::StepFunctions::StateMachine");
    const functions = ids("AWS::Lambda::Function");
    const queues = ids("AWS::SQS::Queue");
    const label = (id) => id.replace(/(StateMachine|LambdaFunction)$/, "");

    const ofMachines = (name) =>
      machines.map((id) => ["AWS/States", name, "StateMachineArn", `\${${id}}`, { label: label(id) }]);
    const ofFunctions = (name) =>
      functions.map((id) => ["AWS/Lambda", name, "FunctionName", `\${${id}}`, { label: label(id) }]);
    const ofQueues = (name) =>
      queues.map((id) => ["AWS/SQS", name, "QueueName", `\${${id}.QueueName}`, { label: id }]);
    const callbacks = Object.keys(Resources)
      .filter((id) => id.endsWith("CallbackLateAlarm"))
      .map((id) => id.replace("CallbackLateAlarm", "StateMachine"))
      .map((id) => {
        const dimensions = ["machine", `\${${id}.Name}`, "stage", this.stage];
        return ["Stepworks", "OldestCallbackSeconds", ...dimensions, { label: label(id) }];
      });
    const results = RESULTS.map(([workflow, metric, title]) => {
      const dimensions = ["service", workflow, "stage", this.stage];
      return ["Stepworks", metric, ...dimensions, { label: title }];
    });

    const widgets = [
      ["Executions succeeded", "Sum", ofMachines("ExecutionsSucceeded")],
      ["Executions failed", "Sum", ofMachines("ExecutionsFailed")],
      ["Executions timed out or stopped", "Sum", [
        ...ofMachines("ExecutionsTimedOut"),
        ...ofMachines("ExecutionsAborted"),
      ]],
      ["Executions: duration, p95 (ms)", "p95", ofMachines("ExecutionTime")],
      ["Callbacks: oldest (s)", "Maximum", callbacks],
      ["Results", "Sum", results],
      ["Functions: errors", "Sum", ofFunctions("Errors")],
      ["Functions: throttles", "Sum", ofFunctions("Throttles")],
      ["Functions: duration, p95 (ms)", "p95", ofFunctions("Duration")],
      ["Queues: messages", "Maximum", ofQueues("ApproximateNumberOfMessagesVisible")],
      ["Queues: age of the oldest message (s)", "Maximum", ofQueues("ApproximateAgeOfOldestMessage")],
    ].map(([title, stat, metrics], index) => ({
      type: "metric",
      x: (index % 3) * WIDTH,
      y: Math.floor(index / 3) * HEIGHT,
      width: WIDTH,
      height: HEIGHT,
      properties: {
        title,
        stat,
        metrics,
        period: 300,
        region: "${AWS::Region}",
        view: "timeSeries",
        stacked: false,
        yAxis: { left: { min: 0 } },
      },
    }));
    Resources.Dashboard = {
      Type: "AWS::CloudWatch::Dashboard",
      Properties: {
        DashboardName: `${service}-${this.stage}`,
        DashboardBody: { "Fn::Sub": JSON.stringify({ widgets }) },
      },
    };
  }
}

module.exports = DashboardPlugin;
