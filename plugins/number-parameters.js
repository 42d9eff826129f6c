"use strict";

// Converts strings in the numeric fields of state machines to numbers: `--param="sensorWaitSeconds=60"`
// passes a string, but a machine needs a number.

// The fields of a state machine that hold whole numbers.
const NUMERIC_FIELDS = new Set(["HeartbeatSeconds", "MaxConcurrency", "Seconds", "TimeoutSeconds"]);

class NumberParametersPlugin {
  constructor(serverless) {
    this.hooks = {
      initialize: () => convertNumbers(serverless.configurationInput.stepFunctions),
    };
  }
}

function convertNumbers(value) {
  for (const [key, item] of Object.entries(value ?? {})) {
    if (typeof item === "object") convertNumbers(item);
    else if (NUMERIC_FIELDS.has(key) && /^\d+$/.test(item)) value[key] = Number(item);
  }
}

module.exports = NumberParametersPlugin;
