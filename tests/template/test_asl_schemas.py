"""plugins/asl-schemas.js: asl-validator compiles its schemas once, and finds the same."""

import copy
import json
import subprocess
from typing import Any

import pytest

from tests.support.packaged import ROOT, Package

# Checks definitions without the plugin and then with it.
CHECK = """
const Plugin = require("./plugins/asl-schemas.js");
const path = require("node:path");
const validator = path.dirname(require.resolve("asl-validator"));
const { default: Ajv } = require(require.resolve("ajv", { paths: [validator] }));
const { compile } = Ajv.prototype;
const validate = require("asl-validator");
const definitions = require("node:fs").readFileSync(0, "utf8");
const found = () => JSON.parse(definitions).map((one) => validate(one)).map(
  ({ isValid, errorsText }) => [isValid, errorsText()]);
const compiled = new Set();
const { getSchema } = Ajv.prototype;
Ajv.prototype.getSchema = function (key) {
  const schema = getSchema.call(this, key);
  if (key.endsWith("/state-machine.json#")) compiled.add(schema);
  return schema;
};
const without = found();
const before = compiled.size;
compiled.clear();
new Plugin();
const having = found();
console.log(JSON.stringify({ without, having, before, after: compiled.size }));
"""


@pytest.fixture(scope="module")
def found(dev: Package) -> dict[str, Any]:
    valid = next(iter(dev.machines().values()))
    unknown_field, wrong_target, wrong_kind = (copy.deepcopy(valid) for _ in range(3))
    unknown_field["Comments"] = "a field that there is not"
    wrong_target["StartAt"] = "Nowhere"
    wrong_kind["States"][wrong_kind["StartAt"]]["Type"] = "Nap"
    definitions = [valid, wrong_kind, valid, wrong_target, unknown_field]
    finished = subprocess.run(
        ["node", "-e", CHECK],
        input=json.dumps(definitions),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


def test_it_finds_the_same(found: dict[str, Any]) -> None:
    assert found["having"] == found["without"]
    assert [valid for valid, _ in found["having"]] == [True, False, True, False, False]
    assert "/Type is invalid" in found["having"][1][1]


def test_schemas_are_compiled_once(found: dict[str, Any]) -> None:
    assert found["before"] == 5, "asl-validator does so itself: plugins/asl-schemas.js can go"
    assert found["after"] == 1
