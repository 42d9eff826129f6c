"""The packaged roles against AWS's own tables of actions, resources and condition keys.

The tables are in tests/support/service-authorization.json; a new service is added there by
tests/support/extract_authorization.py (docs/decisions/0026).
"""

from collections.abc import Iterator

import pytest

from tests.support.authorization import action, acts_on, resolved
from tests.support.packaged import Package, Statement

# Actions that AWS narrows by resources though its tables say it does not, and who found out.
NARROWED = {
    # A policy with the machine's ARN allows callbacks for its tasks only, tried on AWS:
    # https://github.com/aws/aws-cdk/pull/8486
    "states:SendTaskSuccess": "stateMachine:",
    "states:SendTaskFailure": "stateMachine:",
}


@pytest.fixture(scope="module", params=["dev", "prod"])
def package(request: pytest.FixtureRequest) -> Package:
    found: Package = request.getfixturevalue(request.param)
    return found


def allowed(package: Package) -> Iterator[tuple[str, Statement]]:
    """Every statement of every role, with the role's logical id, ARNs resolved."""
    for role in package.resources("AWS::IAM::Role"):
        for statement in package.statements(role):
            yield (
                role,
                Statement(
                    statement.actions,
                    tuple(resolved(package, resource) for resource in statement.resources),
                    statement.effect,
                    statement.conditions,
                ),
            )


def test_every_action_exists(package: Package) -> None:
    actions = {name for _, statement in allowed(package) for name in statement.actions}

    assert actions
    assert {name for name in actions if action(name) is None} == set()


def test_every_action_has_the_resources_that_it_supports(package: Package) -> None:
    wrong = [
        (role, name, statement.resources)
        for role, statement in allowed(package)
        for name in statement.actions
        if not fits(name, statement.resources)
    ]

    assert wrong == []


def fits(name: str, resources: tuple[str, ...]) -> bool:
    known = action(name)
    if known is None:
        return False
    if name in NARROWED:
        return all(NARROWED[name] in resource for resource in resources)
    if not known["resources"]:
        return resources == ("*",)
    return "*" not in resources and any(acts_on(name, resource) for resource in resources)


def test_every_resource_is_one_that_an_action_acts_on(package: Package) -> None:
    unsupported = [
        (role, resource, statement.actions)
        for role, statement in allowed(package)
        for resource in statement.resources
        if resource != "*"
        and not any(name in NARROWED or acts_on(name, resource) for name in statement.actions)
    ]

    assert unsupported == []


def test_every_condition_is_one_that_the_actions_know(package: Package) -> None:
    """A key that a request does not carry allows nothing, or, with ForAllValues, everything."""
    unknown = []
    for role, statement in allowed(package):
        keys = {key for condition in statement.conditions.values() for key in condition}
        for name in statement.actions:
            known = action(name)
            supported = known["conditions"] if known else set()
            unknown += [(role, name, key) for key in keys - supported if not key.startswith("aws:")]

    assert unknown == []


def test_every_exception_is_needed(package: Package) -> None:
    actions = {name for _, statement in allowed(package) for name in statement.actions}

    for name in NARROWED:
        known = action(name)
        assert name in actions
        assert known is not None
        assert known["resources"] == {}, f"AWS's tables have resources for {name} now"


@pytest.mark.parametrize(
    ("name", "resource", "expected"),
    [
        ("s3:GetObject", "arn:aws:s3:::bucket/folder/*", True),
        ("s3:GetObject", "arn:aws:s3:::bucket", False),
        ("s3:ListBucket", "arn:aws:s3:::bucket", True),
        ("s3:ListBucket", "arn:aws:s3:::bucket/*", False),
        ("dynamodb:Query", "arn:aws:dynamodb:r:1:table/t/index/i", True),
        ("dynamodb:PutItem", "arn:aws:dynamodb:r:1:table/t/index/i", False),
        ("sqs:SendMessage", "arn:aws:sns:r:1:topic", False),
        ("logs:CreateLogStream", "arn:aws:logs:r:1:log-group:/aws/lambda/f:*", True),
        ("xray:PutTraceSegments", "arn:aws:xray:r:1:group/g/i", False),
        ("s3:GetObjects", "arn:aws:s3:::bucket/*", False),
    ],
)
def test_an_arn_matches_only_its_own_type(name: str, resource: str, expected: bool) -> None:
    assert acts_on(name, resource) is expected
