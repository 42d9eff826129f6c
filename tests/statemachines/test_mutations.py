"""Mutations of the machines: each must break the rule that is there for it."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.statemachines import test_rules
from tests.support import asl
from tests.support.asl import Machine
from tests.support.rules import check_machine, machine_rules

RULES = machine_rules(test_rules)
Mutation = Callable[[Machine], Machine]


def machine(**fields: Any) -> Mutation:
    """Fields of the machine itself are different; None stands for a field that is missing."""
    return lambda whole: replace(whole, written=different(whole.written, fields))


def state(name: str, **fields: Any) -> Mutation:
    """Fields of a state are different."""
    return changed(name, lambda body: different(body, fields))


def retrier(name: str, **fields: Any) -> Mutation:
    """Fields of a state's first Retry are different."""
    return changed(name, lambda body: {**body, "Retry": first_different(body["Retry"], fields)})


def catcher(name: str, **fields: Any) -> Mutation:
    """Fields of a state's first Catch are different."""
    return changed(name, lambda body: {**body, "Catch": first_different(body["Catch"], fields)})


def not_retried(name: str, error: str) -> Mutation:
    """No Retry of a state has the error."""

    def without(body: dict[str, Any]) -> dict[str, Any]:
        rules = [
            {**rule, "ErrorEquals": [one for one in rule["ErrorEquals"] if one != error]}
            for rule in body["Retry"]
        ]
        return {**body, "Retry": rules}

    return changed(name, without)


def renamed(old: str, new: str) -> Mutation:
    """A state has another name, wherever it is named."""

    def rename(whole: Machine) -> Machine:
        written = json.dumps(whole.written).replace(json.dumps(old), json.dumps(new))
        return Machine(whole.name, whole.text.replace(old, new), json.loads(written))

    return rename


def added(name: str, **fields: Any) -> Mutation:
    """There is one state more."""
    return lambda whole: replace(
        whole, written={**whole.written, "States": {**whole.written["States"], name: fields}}
    )


def text(old: str, new: str) -> Mutation:
    """The file says something else, and means the same."""
    return lambda whole: replace(whole, text=whole.text.replace(old, new))


def different(body: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**body, **fields}.items() if value is not None}


def first_different(rules: list[Any], fields: dict[str, Any]) -> list[Any]:
    first, *others = rules
    return [different(first, fields), *others]


def changed(name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Mutation:
    def put(whole: Machine) -> Machine:
        written = json.loads(json.dumps(whole.written))  # aliases of one block become copies
        (scope,) = scopes_with(name, written)
        scope[name] = change(scope[name])
        return replace(whole, written=written)

    return put


def scopes_with(name: str, whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The States blocks that a state stands in."""
    scope = whole["States"]
    inside = [
        found
        for body in scope.values()
        for nested in asl.nested_machines(body)
        for found in scopes_with(name, nested)
    ]
    return [*([scope] if name in scope else []), *inside]


# What is wrong: (the rule that must fail, the machine, how it comes about).
MUTATIONS = {
    # The machine
    "a machine without a timeout": (
        "test_machine_has_a_comment_and_a_timeout",
        ("sensor", machine(TimeoutSeconds=None)),
    ),
    "a machine that ends before its tasks do": (
        "test_machine_outlives_its_slowest_tasks",
        ("signature", machine(TimeoutSeconds=600)),
    ),
    "a state that nothing leads to": (
        "test_machine_has_the_happy_path_first_and_its_ends_last",
        ("messages", added("Never Entered", Type="Succeed")),
    ),
    "states without a blank line between them": (
        "test_machine_file_is_formatted",
        ("sensor", text("\n\n  Move File:", "\n  Move File:")),
    ),
    # Tasks
    "a task without a timeout": (
        "test_task_has_a_timeout_retries_and_catches_every_error",
        ("images", state("Consolidate", TimeoutSeconds=None)),
    ),
    "a task without a Retry": (
        "test_task_has_a_timeout_retries_and_catches_every_error",
        ("messages", state("Keep Message", Retry=None)),
    ),
    "a task without a Catch": (
        "test_task_has_a_timeout_retries_and_catches_every_error",
        ("sensor", state("Send Email", Catch=None)),
    ),
    "a task that catches one error and not the others": (
        "test_task_has_a_timeout_retries_and_catches_every_error",
        ("sensor", catcher("Process File", ErrorEquals=["AwsUnavailableError"])),
    ),
    "everything is retried": (
        "test_task_never_retries_everything",
        ("signature", retrier("Alice Signature", ErrorEquals=["States.ALL"])),
    ),
    "retries without end": (
        "test_retries_are_bounded_and_spread",
        ("images", retrier("Download Batch", MaxAttempts=1000)),
    ),
    "retries all at the same moment": (
        "test_retries_are_bounded_and_spread",
        ("images", retrier("Download Batch", JitterStrategy=None)),
    ),
    "a throttled function is not called again": (
        "test_lambda_task_retries_lambdas_own_transient_errors",
        ("sensor", not_retried("Move File", "Lambda.TooManyRequestsException")),
    ),
    "a killed function is not called again": (
        "test_task_retries_every_transient_error_unless_a_comment_says_why_not",
        ("images", not_retried("Download Batch", "Sandbox.Timedout")),
    ),
    "a queue that does not respond is not called again": (
        "test_task_retries_every_transient_error_unless_a_comment_says_why_not",
        ("messages", not_retried("Keep Message", "SQS.SdkClientException")),
    ),
    "a failure replaces the input": (
        "test_catch_keeps_the_input",
        ("sensor", catcher("Move File", ResultPath=None)),
    ),
    # Task tokens
    "the time to wait for a callback is a number in the file": (
        "test_token_task_has_its_timeout_from_a_parameter",
        ("signature", state("Bob Signature", TimeoutSeconds=86400)),
    ),
    "a callback that never comes": (
        "test_token_task_catches_its_timeout",
        ("messages", catcher("Record Message", ErrorEquals=["AwsUnavailableError"])),
    ),
    # Failures
    "a failure without a cause": (
        "test_fail_names_error_and_cause",
        ("task-finisher", state("Event Refused", Cause=None)),
    ),
    "an execution may end as States.Timeout": (
        "test_fail_never_reuses_a_reserved_error_name",
        ("sensor", state("Send Failure Email", Next="File Not Processed")),
    ),
    "a failure that is not announced": (
        "test_failure_is_recorded_or_announced_before_the_machine_fails",
        ("images", catcher("Record Downloads", Next="Run Not Finished")),
    ),
    "a failure that only moves a file": (
        "test_failure_is_recorded_or_announced_before_the_machine_fails",
        ("sensor", state("Quarantine File", Next="Is It A Reserved Error?")),
    ),
    "a failure that ends as a success": (
        "test_failure_never_ends_as_a_success",
        ("sensor", catcher("Process File", Next="Wait 10 Minutes")),
    ),
    "a failure of one branch that ends as its success": (
        "test_failure_never_ends_as_a_success",
        ("signature", catcher("Alice Signature", Next="Alice Signed")),
    ),
    "a failure of one branch that goes the way of its success": (
        "test_failure_never_ends_as_a_success",
        ("signature", catcher("Bob Signature", Next="Finalize Signature Request")),
    ),
    # Map
    "a Map without a bound": (
        "test_map_is_bounded_and_a_failed_item_is_a_result",
        ("cookies", state("Process Multiple", MaxConcurrency=None)),
    ),
    "one item fails them all": (
        "test_map_is_bounded_and_a_failed_item_is_a_result",
        ("images", state("Download Batch", Catch=None)),
    ),
    "a Map's results are not checked": (
        "test_map_is_followed_by_a_state_that_checks_its_results",
        ("images", state("Download Batches", Next="All resource downloads succeeded")),
    ),
    "child executions whose number is written in the file": (
        "test_distributed_map_is_bounded_by_a_parameter",
        ("sensor", state("Process Segments", MaxConcurrency=1000)),
    ),
    "a segment may fail": (
        "test_distributed_map_fails_with_the_first_child_and_catches_that",
        ("sensor", state("Process Segments", ToleratedFailureCount=1)),
    ),
    "a failed segment that nothing catches": (
        "test_distributed_map_fails_with_the_first_child_and_catches_that",
        ("sensor", state("Index Segments", Catch=None)),
    ),
    "results of ten thousand segments in one state": (
        "test_distributed_map_reads_its_items_from_s3_and_passes_no_results",
        ("sensor", state("Segment Processed", OutputPath="$")),
    ),
    "a list of segments in the state": (
        "test_distributed_map_reads_its_items_from_s3_and_passes_no_results",
        ("sensor", state("Index Segments", ItemReader=None)),
    ),
    "segments that end after five minutes": (
        "test_child_executions_may_last_as_long_as_their_tasks",
        (
            "sensor",
            changed(
                "Process Segments",
                lambda body: {
                    **body,
                    "ItemProcessor": {
                        **body["ItemProcessor"],
                        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
                    },
                },
            ),
        ),
    ),
    # Outcomes and names
    "a status code between states": (
        "test_no_status_codes_between_states",
        ("sensor", state("Send Email", Parameters={"statusCode": 200})),
    ),
    "a state without a comment": (
        "test_state_has_a_comment_and_its_keys_in_order",
        ("cookies", state("Process Single", Comment=None)),
    ),
    "a choice that is no question": (
        "test_state_name_is_title_case_and_a_choice_is_a_question",
        ("messages", renamed("Check Status?", "Check Status")),
    ),
    "a state with another name than its function": (
        "test_one_verb_phrase_runs_from_the_state_to_the_file",
        ("sensor", renamed("Move File", "Shift Stuff")),
    ),
    "a function of another workflow": (
        "test_one_verb_phrase_runs_from_the_state_to_the_file",
        (
            "images",
            state("Consolidate", Resource="arn:aws:lambda:us-east-1:1:function:moveFile"),
        ),
    ),
    "an error that no service has": (
        "test_error_names_are_classes_that_exist",
        ("images", retrier("Publish Failures", ErrorEquals=["SNS.Nonsense"])),
    ),
    "an error of another service": (
        "test_error_names_are_classes_that_exist",
        ("messages", retrier("Keep Message", ErrorEquals=["Lambda.Unknown"])),
    ),
    "an error of another workflow": (
        "test_error_names_are_classes_that_exist",
        ("images", retrier("Consolidate", ErrorEquals=["CopyVerificationError"])),
    ),
}


@pytest.mark.parametrize(("rule", "where"), MUTATIONS.values(), ids=MUTATIONS)
def test_a_mutation_breaks_its_rule(rule: str, where: tuple[str, Mutation]) -> None:
    name, put = where
    whole = asl.machine(name)
    check_machine(RULES[rule], whole)

    with pytest.raises(AssertionError):
        check_machine(RULES[rule], put(whole))


def test_every_rule_is_broken_by_a_mutation() -> None:
    assert {rule for rule, _ in MUTATIONS.values()} == set(RULES)
