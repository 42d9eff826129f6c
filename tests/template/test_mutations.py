"""Mutations of the packaged template: each must break the rule that is there for it."""

import inspect
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.packaged import Package
from tests.support.rules import check_package, package_rules
from tests.template import (
    test_authorization,
    test_catalogue,
    test_functions,
    test_partitions,
    test_permissions,
    test_rest_api,
    test_rules_and_machines,
    test_stages,
    test_storage,
)
from tests.template.observability import test_alarms, test_event_log
from tests.template.test_stages import Stage

RULES = package_rules(
    test_alarms,
    test_authorization,
    test_catalogue,
    test_event_log,
    test_functions,
    test_partitions,
    test_permissions,
    test_rest_api,
    test_rules_and_machines,
    test_storage,
) | {rule.__name__: rule for rule in [test_stages.test_no_rule_accepts_what_is_for_another_stage]}


class Copy(Package):
    """A copy of a package in memory, its archives files of its own."""

    def __init__(self, original: Package, directory: Path) -> None:
        super().__init__(original.directory)
        self.template = json.loads(json.dumps(original.template))
        self._archives = directory
        for path in original.archives.values():
            (directory / path.name).symlink_to(path.resolve())

    @property
    def archives(self) -> dict[str, Path]:
        return {path.stem: path for path in self._archives.glob("*.zip")}

    def properties(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.template["Resources"][name]["Properties"]
        return found


Mutation = Callable[[Copy], Any]


def properties(name: str, **fields: Any) -> Mutation:
    """Properties of a resource are different; None stands for one that is missing."""
    return lambda copy: put(copy.properties(name), fields)


def attributes(name: str, **fields: Any) -> Mutation:
    """Attributes of a resource, such as its DeletionPolicy, are different."""
    return lambda copy: put(copy.template["Resources"][name], fields)


def put(target: dict[str, Any], fields: dict[str, Any]) -> None:
    target.update(fields)
    for name in [name for name, value in fields.items() if value is None]:
        target.pop(name)


def within(name: str, *path: str | int, **fields: Any) -> Mutation:
    """Fields deep in a resource's properties are different."""

    def mutate(copy: Copy) -> None:
        target: Any = copy.properties(name)
        for step in path:
            target = target[step]
        put(target, fields)

    return mutate


def removed(name: str) -> Mutation:
    return lambda copy: copy.template["Resources"].pop(name)


def added(name: str, kind: str, like: str) -> Mutation:
    """There is one resource more, with the properties of another one."""

    def mutate(copy: Copy) -> None:
        twin = {"Type": kind, "Properties": copy.properties(like)}
        copy.template["Resources"][name] = json.loads(json.dumps(twin))

    return mutate


def allowed(role: str, *actions: str, on: Any) -> Mutation:
    """A role may do one thing more."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": on}
    return lambda copy: statements(copy, role).append(statement)


def forbidden_everywhere(action: str) -> Mutation:
    """No role may do one thing."""

    def mutate(copy: Copy) -> None:
        for role in copy.resources("AWS::IAM::Role"):
            forbidden(role, action)(copy)

    return mutate


def first_statement(role: str, **fields: Any) -> Mutation:
    """The first statement of a role is different."""
    return within(role, "Policies", 0, "PolicyDocument", "Statement", 0, **fields)


def forbidden(role: str, action: str) -> Mutation:
    """A role may do one thing less."""

    def mutate(copy: Copy) -> None:
        for policy in copy.properties(role).get("Policies", []):
            document = policy["PolicyDocument"]
            document["Statement"] = [
                statement for statement in document["Statement"] if action not in str(statement)
            ]

    return mutate


def statements(copy: Copy, role: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = copy.properties(role)["Policies"][0]["PolicyDocument"][
        "Statement"
    ]
    return found


def trusts(role: str, **fields: Any) -> Mutation:
    """Who may assume a role, and on what condition, is different."""
    return within(role, "AssumeRolePolicyDocument", "Statement", 0, **fields)


def first_response(method: str, **fields: Any) -> Mutation:
    """The first response of a method's integration is different."""
    return within(method, "Integration", "IntegrationResponses", 0, **fields)


def response_template(method: str, status: int, template: str) -> Mutation:
    """The template of a method's response with a status is different."""

    def mutate(copy: Copy) -> None:
        for response in copy.properties(method)["Integration"]["IntegrationResponses"]:
            if response["StatusCode"] == status:
                response["ResponseTemplates"] = {"application/json": template}

    return mutate


def packed(name: str, content: bytes) -> Mutation:
    """The archive of one function holds a file, and nothing else."""

    def mutate(copy: Copy) -> None:
        path = copy.archives["moveFile"]
        path.unlink()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(name, content)

    return mutate


POST = "ApiGatewayMethodDocumentsPost"
QUEUE = {"Fn::GetAtt": ["MessagesDeadLetterQueue", "Arn"]}
# What is wrong: (the rule that must fail, how it comes about).
MUTATIONS = {
    # Functions
    "two functions share a role": (
        "test_every_function_has_a_role_of_its_own",
        properties(
            "MoveFileLambdaFunction",
            Role={"Fn::GetAtt": ["ProcessFileIamRoleLambdaExecution", "Arn"]},
        ),
    ),
    "a role that nothing uses": (
        "test_every_role_is_used",
        added("Forgotten", "AWS::IAM::Role", like="SensorStateMachineRole"),
    ),
    "a function's log is kept for ever": (
        "test_every_function_has_a_log_group_with_a_retention",
        properties("MoveFileLogGroup", RetentionInDays=None),
    ),
    "a function without a description": (
        "test_every_function_has_a_description_an_architecture_and_a_short_name",
        properties("MoveFileLambdaFunction", Description=""),
    ),
    "a traced function that may not write traces": (
        "test_every_traced_function_may_write_its_traces",
        forbidden("MoveFileIamRoleLambdaExecution", "xray:"),
    ),
    "a function that outlives its task": (
        "test_every_task_waits_longer_than_its_function_runs",
        properties("SendEmailLambdaFunction", Timeout=900),
    ),
    "an asynchronous function without a failure destination": (
        "test_every_asynchronous_function_has_a_failure_destination",
        removed("SideEffectLambdaEvConf"),
    ),
    "a function that may not send to its failure destination": (
        "test_a_functions_failure_destination_is_one_its_role_may_send_to",
        forbidden("SideEffectIamRoleLambdaExecution", "sqs:SendMessage"),
    ),
    "a runtime that the tests do not run on": (
        "test_the_runtime_is_the_python_that_packaged_and_tests",
        properties("MoveFileLambdaFunction", Runtime="python3.9"),
    ),
    "byte code of another Python": (
        "test_byte_code_in_the_package_is_that_of_the_runtime",
        packed("handlers/__init__.pyc", bytes(16)),
    ),
    "compiled code for one kind of processor": (
        "test_package_has_no_foreign_files",
        packed("some_module/native.so", b""),
    ),
    "a page for people": (
        "test_package_has_no_foreign_files",
        packed("aws_lambda_powertools/swagger_ui/bundle.js", b""),
    ),
    "a package of another function": (
        "test_every_function_has_a_package_of_its_own",
        properties("MoveFileLambdaFunction", Code={"S3Key": "folder/processFile.zip"}),
    ),
    "a module without byte code": (
        "test_every_module_in_a_package_has_byte_code",
        packed("handlers/__init__.py", b""),
    ),
    "byte code that is checked by its time": (
        "test_byte_code_in_a_package_is_valid_whatever_the_time_of_its_source",
        packed("handlers/__init__.pyc", bytes(16)),
    ),
    "a package that is too large": (
        "test_packages_are_small",
        packed("large.bin", bytes(3 * 2**20)),
    ),
    # Permissions
    "an action that is all actions": (
        "test_no_statement_allows_every_action",
        allowed("MoveFileIamRoleLambdaExecution", "s3:*", on={"Ref": "SensorSourceBucket"}),
    ),
    "an action on everything": (
        "test_every_action_has_the_resources_that_it_supports",
        allowed("MoveFileIamRoleLambdaExecution", "s3:GetObject", on="*"),
    ),
    "an action that AWS does not have": (
        "test_every_action_exists",
        allowed("MoveFileIamRoleLambdaExecution", "s3:MoveObject", on=QUEUE),
    ),
    "an action on a resource of another service": (
        "test_every_resource_is_one_that_an_action_acts_on",
        allowed("MoveFileIamRoleLambdaExecution", "s3:GetObject", on=[QUEUE]),
    ),
    "a condition that no request can meet": (
        "test_every_condition_is_one_that_the_actions_know",
        first_statement(
            "CookiesRulesRole", Condition={"StringEquals": {"events:source": "project"}}
        ),
    ),
    "an exception that nothing needs": (
        "test_every_exception_is_needed",
        forbidden_everywhere("states:SendTaskSuccess"),
    ),
    "a machine that may do more than its tasks do": (
        "test_machine_roles_grant_what_their_tasks_use_and_no_more",
        allowed("SensorStateMachineRole", "sqs:SendMessage", on={"Ref": "MessagesDeadLetterQueue"}),
    ),
    "a machine that may not do what its tasks do": (
        "test_machine_roles_grant_what_their_tasks_use_and_no_more",
        forbidden("MessagesStateMachineRole", "sqs:SendMessage"),
    ),
    "a role for anybody": (
        "test_roles_are_assumed_by_services_of_this_account_only",
        trusts("CookiesRulesRole", Principal={"AWS": "*"}),
    ),
    "a machine's role for any account's machines": (
        "test_roles_ask_for_this_account_of_every_service_that_names_it",
        trusts("SensorStateMachineRole", Condition={"StringEquals": {"aws:SourceAccount": "1"}}),
    ),
    "a role that API Gateway may never assume": (
        "test_roles_ask_for_this_account_of_every_service_that_names_it",
        trusts("ImagesApiRole", Condition={"StringEquals": {"aws:SourceAccount": "1"}}),
    ),
    "an address of one partition": (
        "test_no_arn_names_its_partition",
        first_statement("CookiesRulesRole", Resource="arn:aws:states:us-east-1:1:stateMachine:any"),
    ),
    "a function that any bucket may call": (
        "test_permissions_to_call_a_function_name_the_source",
        properties("ExecuteWorkflowS3Permission", SourceArn=""),
    ),
    "a role's name that does not fit": (
        "test_role_names_fit",
        properties("ImagesApiRole", RoleName="stepworks-dev-" + "x" * 60),
    ),
    # The API
    "anybody may start a machine": (
        "test_machines_are_started_by_signed_requests_only",
        properties(POST, AuthorizationType="NONE"),
    ),
    "a body that nothing validates": (
        "test_a_body_that_starts_a_machine_is_validated_whatever_its_content_type",
        within(POST, "Integration", PassthroughBehavior="WHEN_NO_MATCH"),
    ),
    "a refusal that looks like a success": (
        "test_only_a_started_execution_is_a_success",
        first_response(POST, StatusCode=200, SelectionPattern="4.."),
    ),
    "the client is blamed for our fault": (
        "test_each_error_has_the_status_that_tells_who_can_correct_it",
        response_template(POST, 400, '{"message":"no"}'),
    ),
    "the client is blamed for an unknown error": (
        "test_any_other_error_is_a_server_error",
        response_template(POST, 400, '{"message":"no"}'),
    ),
    "a status that the method does not have": (
        "test_every_status_that_an_integration_returns_is_declared",
        first_response(POST, StatusCode=418),
    ),
    "the API may start another machine": (
        "test_every_machine_is_started_with_a_role_for_it_alone",
        first_statement("SignatureApiRole", Resource=[{"Ref": "SignatureStateMachine"}, "*"]),
    ),
    "a refusal without its reason": (
        "test_a_refused_body_gets_the_reason",
        properties("ApiBadRequestBody", ResponseTemplates={"application/json": "{}"}),
    ),
    "a method that is not deployed": (
        "test_the_stage_deploys_all_methods_and_gateway_responses",
        added("ApiGatewayMethodLate", "AWS::ApiGateway::Method", like=POST),
    ),
    "an API at the edge": (
        "test_there_is_one_regional_api",
        properties("ApiGatewayRestApi", EndpointConfiguration={"Types": ["EDGE"]}),
    ),
    "an API without limits": (
        "test_requests_are_limited",
        within("ApiGatewayStage", "MethodSettings", 0, ThrottlingRateLimit=0),
    ),
    "a log with the secret of a link": (
        "test_logs_and_traces_have_no_url_with_a_secret",
        within("ApiGatewayStage", "AccessLogSetting", Format="$context.resourcePath $context.path"),
    ),
    "the account's role for logs goes with the stack": (
        "test_the_accounts_role_for_api_logs_is_retained",
        attributes("ApiLogsRole", DeletionPolicy="Delete"),
    ),
    "a stage that logs before the account can": (
        "test_the_stage_depends_on_the_accounts_logging_role",
        attributes("ApiGatewayStage", DependsOn=[]),
    ),
    "an address of another stage": (
        "test_the_url_is_that_of_the_stage",
        lambda copy: copy.template["Outputs"]["ApiUrl"].update(Value="https://example.com/prod"),
    ),
    # Rules and machines
    "an event that cannot be delivered is lost": (
        "test_every_rule_target_has_a_dead_letter_queue_and_bounded_retries",
        within("MessagesRule", "Targets", 0, DeadLetterConfig={"Arn": ""}),
    ),
    "an event is delivered once or never": (
        "test_every_rule_target_has_a_dead_letter_queue_and_bounded_retries",
        within("MessagesRule", "Targets", 0, "RetryPolicy", MaximumRetryAttempts=0),
    ),
    "a queue that accepts no events": (
        "test_every_dead_letter_queue_accepts_events_from_its_rules",
        removed("MessagesDeadLetterQueuePolicy"),
    ),
    "a queue that accepts every rule's events": (
        "test_every_queue_that_is_a_target_accepts_events_from_its_rules_alone",
        within(
            *("EventLogQueuePolicy", "PolicyDocument", "Statement", 0),
            Condition={"ArnEquals": {"aws:SourceArn": ["*"]}},
        ),
    ),
    "a queue that delivers a message again while it is processed": (
        "test_every_queue_that_a_function_reads_gives_it_time_and_keeps_what_it_cannot_process",
        properties("EventLogQueue", VisibilityTimeout=119),
    ),
    "a queue that gives up a message after a throttled invocation": (
        "test_every_queue_that_a_function_reads_gives_it_time_and_keeps_what_it_cannot_process",
        within("EventLogQueue", "RedrivePolicy", maxReceiveCount=1),
    ),
    "a rule without a source": (
        "test_every_rule_names_the_source_it_listens_to",
        within("MessagesRule", "EventPattern", source=[]),
    ),
    "a machine that is not traced": (
        "test_every_machine_is_traced_and_has_a_log_group_with_a_retention",
        properties("SensorStateMachine", TracingConfiguration={"Enabled": False}),
    ),
    "a machine that logs nothing": (
        "test_every_machine_is_traced_and_has_a_log_group_with_a_retention",
        within("SensorStateMachine", "LoggingConfiguration", Level="OFF"),
    ),
    "a log with task tokens": (
        "test_no_machine_that_has_task_tokens_logs_its_data",
        within("MessagesStateMachine", "LoggingConfiguration", IncludeExecutionData=True),
    ),
    "a rule that accepts another stage's events": (
        "test_no_rule_accepts_what_is_for_another_stage",
        within("TaskGetMultipleRule", EventPattern={"source": ["project"]}),
    ),
    # Storage
    "a bucket that may be public": (
        "test_buckets_are_private",
        within("ImagesBucket", "PublicAccessBlockConfiguration", BlockPublicPolicy=False),
    ),
    "a bucket that is not encrypted": (
        "test_buckets_are_encrypted",
        within(
            *("ImagesBucket", "BucketEncryption", "ServerSideEncryptionConfiguration", 0),
            ServerSideEncryptionByDefault={"SSEAlgorithm": ""},
        ),
    ),
    "a bucket that allows requests without TLS": (
        "test_buckets_require_tls",
        removed("ImagesBucketPolicy"),
    ),
    "a bucket's name that does not fit": (
        "test_bucket_names_fit",
        properties("ImagesBucket", BucketName="stepworks-dev-" + "x" * 60),
    ),
    "a table that is not encrypted": (
        "test_tables_are_on_demand_and_encrypted",
        properties("ImagesTable", SSESpecification={"SSEEnabled": False}),
    ),
    "a queue that forgets after four days": (
        "test_queues_are_encrypted_and_keep_messages_long",
        properties("MessagesDeadLetterQueue", MessageRetentionPeriod=345600),
    ),
    "a table that goes with the stack": (
        "test_nothing_is_deleted_with_the_stack_in_production",
        attributes("SensorReadingsTable", DeletionPolicy="Delete"),
    ),
    "a table that a failed deployment leaves behind": (
        "test_a_failed_first_deployment_retains_nothing",
        attributes("SensorReadingsTable", DeletionPolicy="Retain"),
    ),
    "an output with another name": (
        "test_outputs_are_those_of_the_contract",
        lambda copy: copy.template["Outputs"].pop("SensorSourceBucket"),
    ),
    # Events
    "an event without a consumer": (
        "test_rules_deliver_an_event_to_its_consumers_only",
        within("TaskGetMultipleRule", "EventPattern", **{"detail-type": ["task.get.many"]}),
    ),
    "a rule for an event without a producer": (
        "test_no_rule_waits_for_an_event_that_is_not_catalogued",
        within("TaskGetMultipleRule", "EventPattern", **{"detail-type": ["task.get.many"]}),
    ),
    "a function that puts events of another source": (
        "test_functions_may_put_events_of_the_sources_they_produce_and_no_others",
        forbidden("PostProcessAllIamRoleLambdaExecution", "events:PutEvents"),
    ),
    "a machine that may not put its events": (
        "test_machines_may_put_events_of_the_sources_they_produce_and_no_others",
        forbidden("CookiesStateMachineRole", "events:PutEvents"),
    ),
    # The event log
    "an event of the catalogue that is not recorded": (
        "test_every_source_of_the_catalogue_is_recorded_by_one_rule_of_its_bus",
        removed("TrackCommonEventsRule"),
    ),
    "a machine whose changes of status are not recorded": (
        "test_changes_of_status_of_every_standard_machine_are_recorded",
        lambda copy: copy.properties("TrackExecutionsRule")["EventPattern"]["detail"][
            "stateMachineArn"
        ].pop(),
    ),
    "a queue of the event log that others may write to": (
        "test_only_the_rules_of_the_event_log_send_to_its_queues",
        within(
            *("EventLogDeadLetterQueuePolicy", "PolicyDocument", "Statement", 0),
            Principal={"Service": "*"},
        ),
    ),
    "an event that cannot be recorded is lost": (
        "test_what_cannot_be_recorded_is_kept",
        properties(
            "EventLogQueue", RedrivePolicy={"deadLetterTargetArn": "", "maxReceiveCount": 5}
        ),
    ),
    "events that wait for others": (
        "test_events_of_a_quiet_stage_do_not_wait_for_others",
        properties(
            "TrackEventEventSourceMappingSQSEventLogQueue", MaximumBatchingWindowInSeconds=1
        ),
    ),
    "an index that has the details once more": (
        "test_the_index_of_recording_has_keys_only",
        within("EventLogTable", "GlobalSecondaryIndexes", 1, Projection={"ProjectionType": "ALL"}),
    ),
    "a function of the event log that may delete": (
        "test_a_function_of_the_event_log_may_do_its_work_and_no_more",
        allowed("TrackEventIamRoleLambdaExecution", "dynamodb:DeleteItem", on="*"),
    ),
    "an event log that everybody may read": (
        "test_only_signed_requests_read_the_event_log",
        properties("ApiGatewayMethodJobsGet", AuthorizationType="NONE"),
    ),
    "an event log that keeps events for ever": (
        "test_what_is_recorded_is_deleted_in_time",
        properties("EventLogTable", TimeToLiveSpecification=None),
    ),
    # Alarms
    "a function without an alarm": (
        "test_every_resource_has_its_alarms",
        removed("ProcessFileErrorsAlarm"),
    ),
    "a dead-letter queue without an alarm": (
        "test_every_queue_that_no_function_reads_raises_an_alarm_at_the_first_message",
        removed("MessagesDeadLetterQueueMessagesAlarm"),
    ),
    "an alarm that is raised after the task has timed out": (
        "test_every_machine_that_waits_for_callbacks_has_an_alarm_that_can_be_raised",
        properties("SignatureCallbackLateAlarm", Threshold=604800),
    ),
    "a machine whose callbacks are not measured": (
        "test_measured_machines_are_those_with_an_alarm",
        within(
            "MeasureCallbacksLambdaFunction",
            *("Environment", "Variables"),
            CALLBACK_MACHINES="arn:aws:states:us-east-1:123456789012:stateMachine:another",
        ),
    ),
    "an alarm without a section of its own": (
        "test_every_alarm_notifies_the_topic_and_names_its_section_of_the_operations_page",
        properties("ApiServerErrorsAlarm", AlarmDescription="The API failed."),
    ),
    "an alarm that another stage could have": (
        "test_alarms_have_names_of_their_stage",
        properties("ApiServerErrorsAlarm", AlarmName="stepworks-ApiServerErrors"),
    ),
    "an alarm on the metric of all stages": (
        "test_metrics_of_our_own_are_those_of_the_stage",
        properties("SignatureCallbackLateAlarm", Dimensions=[]),
    ),
    "a queue that is not on the dashboard": (
        "test_every_resource_is_on_the_dashboard",
        added("AnotherQueue", "AWS::SQS::Queue", "MessagesDeadLetterQueue"),
    ),
    "a metric on the dashboard that nobody publishes": (
        "test_every_metric_of_our_own_on_the_dashboard_is_published_by_the_code",
        lambda copy: put(
            copy.properties("Dashboard"),
            {
                "DashboardBody": {
                    "Fn::Sub": copy.properties("Dashboard")["DashboardBody"]["Fn::Sub"].replace(
                        "MessagesRecorded", "MessagesKept"
                    )
                }
            },
        ),
    ),
}


@pytest.mark.parametrize(("rule", "mutate"), MUTATIONS.values(), ids=MUTATIONS)
def test_a_mutation_breaks_its_rule(
    rule: str, mutate: Mutation, dev: Package, prod: Package, tmp_path: Path
) -> None:
    package = prod if "prod" in inspect.signature(RULES[rule]).parameters else dev
    copy = Copy(package, tmp_path)
    check_package(RULES[rule], copy, stages=with_prod(copy, prod))

    mutate(copy)

    with pytest.raises(AssertionError):
        check_package(RULES[rule], copy, stages=with_prod(copy, prod))


def with_prod(copy: Copy, prod: Package) -> dict[str, Stage]:
    """Two stages in one account."""
    return {"dev": Stage(copy, "dev"), "prod": Stage(prod, "prod")}


def test_every_rule_is_broken_by_a_mutation() -> None:
    assert {rule for rule, _ in MUTATIONS.values()} == set(RULES)
