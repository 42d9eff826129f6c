"""The state machines as written: loaded from their YAML, with parameters and references filled."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
DEFINITIONS = ROOT / "statemachines"
PARTITION = "aws"
REGION = "us-east-1"
ACCOUNT = "123456789012"
PSEUDO_PARAMETERS = {
    "AWS::Partition": PARTITION,
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
}


@dataclass(frozen=True)
class State:
    """One state, wherever it is nested; `scope` is the States block it stands in."""

    machine: str
    name: str
    body: dict[str, Any]
    scope: dict[str, Any]

    def __str__(self) -> str:  # the test's id
        return f"{self.machine}-{self.name}"

    @property
    def kind(self) -> str:
        return str(self.body["Type"])

    @property
    def waits_for_token(self) -> bool:
        return str(self.body.get("Resource", "")).endswith(".waitForTaskToken")

    @property
    def function(self) -> str | None:
        """The key of the Lambda function that this Task calls, if it calls one."""
        target = self.body.get("Parameters", {}).get("FunctionName", self.body.get("Resource", ""))
        match = re.search(r":function:(\w+)$", str(target))
        return match.group(1) if match else None


def machines() -> list[str]:
    return sorted(path.name.removesuffix(".asl.yml") for path in DEFINITIONS.glob("*.asl.yml"))


def text(machine: str) -> str:
    return (DEFINITIONS / f"{machine}.asl.yml").read_text()


@cache
def _parameters(stage: str) -> dict[str, Any]:
    params = yaml.load((ROOT / "serverless.yml").read_text(), Loader)["params"]
    return {**params["default"], **params.get(stage, {})}


def definition(machine: str, stage: str = "dev") -> dict[str, Any]:
    """The machine's definition with the stage's parameters; references become local ARNs."""
    definition: dict[str, Any] = filled(yaml.load(text(machine), Loader), stage)
    return definition


def filled(value: Any, stage: str) -> Any:
    """The same with what the Serverless Framework puts in the place of `${param:…}`,
    `${sls:stage}` and `${file(…):…}`.
    """
    return _fill(value, {"sls:stage": stage, **_parameters(stage)})


def states(machine: str, stage: str = "dev") -> list[State]:
    return list(_walk(machine, definition(machine, stage)["States"]))


def all_states() -> list[State]:
    return [state for machine in machines() for state in states(machine)]


def _walk(machine: str, scope: dict[str, Any]) -> Iterator[State]:
    for name, body in scope.items():
        yield State(machine, name, body, scope)
        for nested in nested_machines(body):
            yield from _walk(machine, nested["States"])


def nested_machines(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The machines inside a Parallel or a Map."""
    processor = body.get("ItemProcessor") or body.get("Iterator")
    return [*body.get("Branches", []), *([processor] if processor else [])]


def successors(body: dict[str, Any]) -> list[str]:
    """Every state that may come after this one, failures too."""
    branches = [rule["Next"] for rule in [*body.get("Choices", []), *body.get("Catch", [])]]
    return [*(body[key] for key in ("Next", "Default") if key in body), *branches]


def _fill(value: Any, parameters: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _fill(item, parameters) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, parameters) for item in value]
    if isinstance(value, str):
        whole = re.fullmatch(r"\$\{param:(\w+)\}", value)
        if whole:
            return parameters[whole.group(1)]
        text = re.sub(r"\$\{param:(\w+)\}", lambda m: _written(parameters[m.group(1)]), value)
        text = text.replace("${sls:stage}", parameters["sls:stage"])
        part = re.fullmatch(r"\$\{file\((.+)\):(.+)\}", text)
        if part:
            found = yaml.load((ROOT / part.group(1)).read_text(), Loader)
            for name in part.group(2).split("."):
                found = found[name]
            return _fill(found, parameters)
        return text
    return value


def _written(parameter: Any) -> str:
    return str(parameter).lower() if isinstance(parameter, bool) else str(parameter)


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags."""


def _get_att(loader: yaml.Loader, node: yaml.ScalarNode) -> str:
    logical_id = str(loader.construct_scalar(node)).removesuffix(".Arn")
    if logical_id.endswith("LambdaFunction"):
        name = logical_id.removesuffix("LambdaFunction")
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name[0].lower()}{name[1:]}"
    return f"arn:aws:any:{REGION}:{ACCOUNT}:{logical_id}"


def _scalar(loader: yaml.Loader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _sub(loader: yaml.Loader, node: yaml.ScalarNode) -> str:
    value = _scalar(loader, node)
    for name, given in PSEUDO_PARAMETERS.items():
        value = value.replace(f"${{{name}}}", given)
    return value


Loader.add_constructor("!GetAtt", _get_att)
Loader.add_constructor("!Ref", _scalar)
Loader.add_constructor("!Sub", _sub)
