"use strict";

// Completes the REST API that the framework and its plugins generate: the responses of methods that
// start a machine, and the API's stage (docs/decisions/0013-one-rest-api.md).

class RestApiPlugin {
  constructor(serverless) {
    this.serverless = serverless;
    this.hooks = {
      "after:aws:package:finalize:mergeCustomProviderResources": () => {
        const { Resources } = serverless.service.provider.compiledCloudFormationTemplate;
        this.resources = Resources;
        this.completeMethods();
        this.connectStage();
      },
    };
  }

  ofType(type) {
    return Object.entries(this.resources).filter(([, { Type }]) => Type === `AWS::ApiGateway::${type}`);
  }

  // For a method that starts a machine, serverless-step-functions generates a mapping for form data,
  // which would bypass the JSON schema, and only the responses 200 and 400, although the integration
  // returns others too.
  completeMethods() {
    for (const [, { Properties }] of this.ofType("Method")) {
      const { RequestTemplates, IntegrationResponses, Uri } = Properties.Integration;
      if (!JSON.stringify(Uri ?? "").includes(":states:action/")) continue;
      delete RequestTemplates["application/x-www-form-urlencoded"];
      Properties.MethodResponses = IntegrationResponses.map(({ StatusCode }) => ({ StatusCode }));
    }
  }

  // The framework lets the deployment create the stage, which then cannot have settings. A deployment
  // is a snapshot of the API, so it depends on everything that must be in it.
  connectStage() {
    const [deployment] = this.ofType("Deployment");
    const [stage] = this.ofType("Stage");
    if (!stage) return;
    if (!deployment) {
      delete this.resources[stage[0]]; // no routes yet
      return;
    }
    delete deployment[1].Properties.StageName;
    deployment[1].DependsOn.push(...this.ofType("GatewayResponse").map(([id]) => id));
    stage[1].Properties.DeploymentId = { Ref: deployment[0] };
  }
}

module.exports = RestApiPlugin;
