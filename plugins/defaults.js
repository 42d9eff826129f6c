"use strict";

// Adds to every machine, bucket, table and queue what they all have in common, so that a workflow's
// files state only what is specific to it. What they state takes precedence
// (docs/decisions/0052-shared-definitions.md).
//
// | in the workflow's files   | added                                                             |
// | ------------------------- | ----------------------------------------------------------------- |
// | a machine `<key>`         | logs, traces, <Key>StateMachineRole, <Key>StateMachineLogGroup     |
// | its `http` event          | <Key>ApiRole, with which API Gateway starts it                    |
// | a bucket `<Id>`           | encryption, no public access, <Id>Policy, which requires TLS      |
// | a table                   | encryption, billing on demand                                     |
// | a bucket or a table       | what happens to it when the stack is removed                      |
// | a queue                   | encryption, 14 days of retention                                  |

const arn = (id) => ({ "Fn::GetAtt": [id, "Arn"] });
const ref = (id) => ({ Ref: id });
const capitalized = (key) => key[0].toUpperCase() + key.slice(1);
const policy = (...statements) => ({ Version: "2012-10-17", Statement: statements });

// Delivery of logs and traces: Step Functions requires these actions on all resources.
const LOGS_AND_TRACES = {
  Effect: "Allow",
  Action: [
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
  ],
  Resource: "*",
};

const PRIVATE_AND_ENCRYPTED = {
  BucketEncryption: {
    ServerSideEncryptionConfiguration: [
      { ServerSideEncryptionByDefault: { SSEAlgorithm: "AES256" } },
    ],
  },
  PublicAccessBlockConfiguration: {
    BlockPublicAcls: true,
    BlockPublicPolicy: true,
    IgnorePublicAcls: true,
    RestrictPublicBuckets: true,
  },
};

const ON_DEMAND_AND_ENCRYPTED = {
  BillingMode: "PAY_PER_REQUEST",
  SSESpecification: { SSEEnabled: true },
};

const LONG_KEPT_AND_ENCRYPTED = {
  MessageRetentionPeriod: 1209600, // 14 days, SQS's maximum
  SqsManagedSseEnabled: true,
};

function role(service, condition, policies) {
  const trust = { Effect: "Allow", Principal: { Service: service }, Action: "sts:AssumeRole" };
  return {
    Type: "AWS::IAM::Role",
    Properties: {
      AssumeRolePolicyDocument: policy({ ...trust, ...condition }),
      Policies: Object.entries(policies).map(([PolicyName, PolicyDocument]) => ({
        PolicyName,
        PolicyDocument,
      })),
    },
  };
}

function machineRole(statements) {
  const condition = { Condition: { StringEquals: { "aws:SourceAccount": ref("AWS::AccountId") } } };
  return role("states.amazonaws.com", condition, {
    tasks: policy(...statements),
    "logs-and-traces": policy(LOGS_AND_TRACES),
  });
}

// Without a condition: API Gateway sends no source account when it assumes a role.
function apiRole(machine) {
  const start = { Effect: "Allow", Action: "states:StartExecution", Resource: ref(machine) };
  return role("apigateway.amazonaws.com", {}, { "start-execution": policy(start) });
}

function tlsOnly(bucket) {
  return {
    Type: "AWS::S3::BucketPolicy",
    Properties: {
      Bucket: ref(bucket),
      PolicyDocument: policy({
        Sid: "TlsOnly",
        Effect: "Deny",
        Principal: "*",
        Action: "s3:*",
        Resource: [arn(bucket), { "Fn::Sub": `\${${bucket}.Arn}/*` }],
        Condition: { Bool: { "aws:SecureTransport": "false" } },
      }),
    },
  };
}

class DefaultsPlugin {
  constructor(serverless) {
    this.serverless = serverless;
    this.hooks = { initialize: () => this.complete() };
  }

  complete() {
    const { configurationInput, service } = this.serverless;
    this.resources = service.resources.Resources;
    const machines = configurationInput.stepFunctions?.stateMachines ?? {};
    for (const [key, machine] of Object.entries(machines)) this.completeMachine(key, machine);
    for (const [id, resource] of Object.entries(this.resources)) this.completeResource(id, resource);
  }

  completeMachine(key, machine) {
    const name = capitalized(key);
    const id = `${name}StateMachine`;
    const { iamRoleStatements } = machine;
    if (!iamRoleStatements) {
      throw new this.serverless.classes.Error(
        `The machine '${key}' has no iamRoleStatements: list the actions that its tasks need.`,
      );
    }
    this.resources[`${id}Role`] = machineRole(iamRoleStatements);
    delete machine.iamRoleStatements; // serverless-step-functions accepts these or a role
    this.resources[`${id}LogGroup`] = {
      Type: "AWS::Logs::LogGroup",
      Properties: {
        // Below /aws/vendedlogs/ the resource policy of the log delivery stays short.
        LogGroupName: `/aws/vendedlogs/states/${machine.name}`,
        RetentionInDays: this.serverless.service.provider.logRetentionInDays,
      },
    };
    const logsAndTraces = {
      tracingConfig: { enabled: true },
      loggingConfig: {
        level: "ERROR",
        includeExecutionData: false, // it contains task tokens
        destinations: [arn(`${id}LogGroup`)],
      },
    };
    Object.assign(machine, { ...logsAndTraces, ...machine, id, role: arn(`${id}Role`) });
    for (const { http } of machine.events ?? []) {
      if (!http) continue;
      this.resources[`${name}ApiRole`] = apiRole(id);
      http.iamRole = arn(`${name}ApiRole`);
    }
  }

  completeResource(id, resource) {
    const add = (properties) => {
      resource.Properties = { ...properties, ...resource.Properties };
    };
    switch (resource.Type) {
      case "AWS::S3::Bucket":
        add(PRIVATE_AND_ENCRYPTED);
        this.resources[`${id}Policy`] ??= tlsOnly(id);
        this.setDeletionPolicy(resource);
        break;
      case "AWS::DynamoDB::Table":
        add(ON_DEMAND_AND_ENCRYPTED);
        this.setDeletionPolicy(resource);
        break;
      case "AWS::SQS::Queue":
        add(LONG_KEPT_AND_ENCRYPTED);
        break;
    }
  }

  // Not `Retain` as DeletionPolicy: it would also keep what a failed first deployment has created,
  // and the next deployment would find the names in use.
  setDeletionPolicy(resource) {
    const { deletionPolicy } = this.serverless.service.custom;
    resource.UpdateReplacePolicy ??= deletionPolicy;
    resource.DeletionPolicy ??= deletionPolicy === "Retain" ? "RetainExceptOnCreate" : deletionPolicy;
  }
}

module.exports = DefaultsPlugin;
