"""The state machines as written: loaded from their YAML, with parameters and references filled."""

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
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
    """One state, wherever it is nested; `scope` is the States block it stands in.

    `nested` says that this is a branch or an item, `child` that it runs in a child execution of a
    distributed Map. `written` is its body with parameters as
    `${param:…}`, `text` the lines that it is written in.
    """

    machine: str
    name: str
    body: dict[str, Any]
    scope: dict[str, Any]
    written: dict[str, Any]
    text: str
    nested: bool
    child: bool

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

    @property
    def distributed(self) -> bool:
        """Whether this is a Map that runs its items as child executions."""
        return is_distributed(self.body)

    @property
    def integration(self) -> str | None:
        """What a Task calls, such as `sns:publish`; of an SDK only the service: `aws-sdk:sfn`."""
        if self.function:
            return "lambda:invoke"
        match = re.search(r":states:::(aws-sdk:\w+|\w+:\w+)", str(self.body.get("Resource", "")))
        return match.group(1) if match else None


@dataclass(frozen=True)
class Machine:
    """A machine as it is written, or a mutated copy of it."""

    name: str
    text: str
    written: dict[str, Any]  # parameters as `${param:…}`
    stage: str = "dev"

    def __str__(self) -> str:  # the test's id
        return self.name

    @cached_property
    def definition(self) -> dict[str, Any]:
        """With the stage's parameters; references become local ARNs."""
        definition: dict[str, Any] = filled(self.written, self.stage)
        return definition

    @cached_property
    def states(self) -> list[State]:
        return list(self._walk(self.definition, self.written))

    def _walk(
        self,
        machine: dict[str, Any],
        written: dict[str, Any],
        nested: bool = False,
        child: bool = False,
    ) -> Iterator[State]:
        scope = machine["States"]
        for name, body in scope.items():
            source = written["States"][name]
            yield State(self.name, name, body, scope, source, self._lines_of(name), nested, child)
            for pair in zip(nested_machines(body), nested_machines(source), strict=True):
                yield from self._walk(*pair, nested=True, child=is_distributed(body))

    def _lines_of(self, state: str) -> str:
        lines = rf"^( *){re.escape(state)}:.*\n(?:(?:\1 +.*)?\n)*"
        match = re.search(lines, self.text, re.MULTILINE)
        return match.group() if match else ""


def machine(name: str, stage: str = "dev") -> Machine:
    return Machine(name, text(name), copy.deepcopy(_written_machine(name)), stage)


@cache
def _written_machine(name: str) -> dict[str, Any]:
    written: dict[str, Any] = _with_files(yaml.load(text(name), Loader))
    return written


def machines() -> list[str]:
    return sorted(path.name.removesuffix(".asl.yml") for path in DEFINITIONS.glob("*.asl.yml"))


def text(machine: str) -> str:
    return (DEFINITIONS / f"{machine}.asl.yml").read_text()


@cache
def _parameters(stage: str) -> dict[str, Any]:
    params = yaml.load((ROOT / "serverless.yml").read_text(), Loader)["params"]
    return {**params["default"], **params.get(stage, {})}


def definition(name: str, stage: str = "dev") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_definition_text(name, stage))
    return found


@cache
def _definition_text(name: str, stage: str) -> str:
    return json.dumps(machine(name, stage).definition)


def filled(value: Any, stage: str) -> Any:
    """The same with what the Serverless Framework puts in the place of `${param:…}`,
    `${sls:stage}` and `${file(…):…}`.
    """
    return _fill(value, {"sls:stage": stage, **_parameters(stage)})


def states(name: str, stage: str = "dev") -> list[State]:
    return machine(name, stage).states


def all_states() -> list[State]:
    return [state for name in machines() for state in states(name)]


def nested_machines(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The machines inside a Parallel or a Map."""
    processor = body.get("ItemProcessor") or body.get("Iterator")
    return [*body.get("Branches", []), *([processor] if processor else [])]


def is_distributed(body: dict[str, Any]) -> bool:
    """Whether a state is a Map that runs its items as child executions."""
    config = body.get("ItemProcessor", {}).get("ProcessorConfig", {})
    return bool(config.get("Mode") == "DISTRIBUTED")


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
        for name, pseudo_value in PSEUDO_PARAMETERS.items():
            text = text.replace(f"${{{name}}}", pseudo_value)
        part = _part_of_file(text)
        return text if part is None else _fill(part, parameters)
    return value


def _with_files(value: Any) -> Any:
    """The same with the parts of files that it refers to; parameters stay as `${param:…}`."""
    if isinstance(value, dict):
        return {key: _with_files(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_files(item) for item in value]
    part = _part_of_file(value) if isinstance(value, str) else None
    return value if part is None else _with_files(part)


def _part_of_file(reference: str) -> Any:
    """What `${file(path):key.key}` stands for; None if the text is not such a reference."""
    found = re.fullmatch(r"\$\{file\((.+)\):(.+)\}", reference)
    if not found:
        return None
    part = _file(found.group(1))
    for name in found.group(2).split("."):
        part = part[name]
    return part


@cache
def _file(path: str) -> Any:
    return yaml.load((ROOT / path).read_text(), Loader)


def _written(parameter: Any) -> str:
    return str(parameter).lower() if isinstance(parameter, bool) else str(parameter)


class Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's short tags; parsed in C, which takes a tenth of the time."""


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
    for name, pseudo_value in PSEUDO_PARAMETERS.items():
        value = value.replace(f"${{{name}}}", pseudo_value)
    return value


Loader.add_constructor("!GetAtt", _get_att)
Loader.add_constructor("!Ref", _scalar)
Loader.add_constructor("!Sub", _sub)
