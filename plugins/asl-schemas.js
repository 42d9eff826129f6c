"use strict";

// serverless-step-functions checks each definition with asl-validator 4.0, which compiles its schemas
// again for every machine, a fifth of the processor time of `serverless package`. This plugin keeps the
// schemas that are compiled for the first machine, and uses them for all
// (docs/decisions/0080-definitions-are-checked-with-one-compilation.md).

const path = require("node:path");

const SCHEMA = "http://asl-validator.cloud/state-machine.json#";

class AslSchemasPlugin {
  constructor() {
    const validator = path.dirname(require.resolve("asl-validator"));
    const { default: Ajv } = require(require.resolve("ajv", { paths: [validator] }));
    const { getSchema } = Ajv.prototype;
    let compiled;
    Ajv.prototype.getSchema = function (key) {
      if (key !== SCHEMA) return getSchema.call(this, key);
      compiled ??= getSchema.call(this, key);
      return compiled;
    };
  }
}

module.exports = AslSchemasPlugin;
