"use strict";

// Makes numbers of the texts in a state machine's numeric fields: `--param="sensorWaitSeconds=60"`
// passes a text, and the machine needs a number.

// The fields of a state machine that hold whole numbers.
const NUMBERS = new Set(["HeartbeatSeconds", "MaxConcurrency", "Seconds", "TimeoutSeconds"]);

class NumberParametersPlugin {
  constructor(serverless) {
    this.hooks = {
      initialize: () => readNumbers(serverless.configurationInput.stepFunctions),
    };
  }
}

function readNumbers(value) {
  for (const [key, item] of Object.entries(value ?? {})) {
    if (typeof item === "object") readNumbers(item);
    else if (NUMBERS.has(key) && /^\d+$/.test(item)) value[key] = Number(item);
  }
}

module.exports = NumberParametersPlugin;
