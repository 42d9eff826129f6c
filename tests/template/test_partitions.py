"""The packaged service goes to any partition of AWS: aws, aws-cn, aws-us-gov."""

import json
import re

import pytest

from tests.support.packaged import Package

LITERAL = re.compile(r"arn:aws[\w-]*:[^\"\\]*")


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_no_arn_names_its_partition(request: pytest.FixtureRequest, stage: str) -> None:
    package: Package = request.getfixturevalue(stage)

    named = {
        logical_id: LITERAL.findall(json.dumps(resource))
        for section in ("Resources", "Outputs")
        for logical_id, resource in package.template[section].items()
    }

    assert {name: arns for name, arns in named.items() if arns} == {}
