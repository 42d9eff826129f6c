"""API Gateway's mapping templates: Velocity, with API Gateway's additions.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
"""

import json
from dataclasses import dataclass, field
from typing import Any

import airspeed
from jsonpath_ng.parser import parse


@dataclass
class Overrides:
    """What a template sets by `$context.responseOverride`."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


def render(
    template: str, body: str, parameters: dict[str, Any], context: dict[str, Any]
) -> tuple[str, Overrides]:
    """The text that a template renders from a body, and what it overrides."""
    override: dict[str, Any] = {"header": {}}
    variables = {
        "input": _Input(body, parameters),
        "util": _Util(),
        "context": {**context, "responseOverride": override},
    }
    text: str = airspeed.Template(template).merge(variables)
    return text, Overrides(override.get("status"), override["header"])


@dataclass
class _Input:
    body: str
    parameters: dict[str, Any]

    def path(self, expression: str) -> Any:
        found = parse(expression).find(json.loads(self.body))
        return found[0].value if found else None

    def json(self, expression: str) -> str:
        return json.dumps(self.path(expression), separators=(",", ":"), ensure_ascii=False)

    def params(self, name: str) -> str:
        return str(self.parameters.get(name, ""))


class _Util:
    def escapeJavaScript(self, text: str) -> str:
        """Like Java's escapeEcmaScript: JSON's escapes, and two more."""
        return json.dumps(text)[1:-1].replace("'", "\\'").replace("/", "\\/")
