"""events/catalogue.yml for the functions, which have no YAML parser. A test compares the two."""

from handlers.observability.timeline import CataloguedEvent

CATALOGUE = (
    CataloguedEvent(
        "project",
        "start",
        producers=("anyone",),
        consumers=("machine cookies-starter",),
        starts="cookies",
    ),
    CataloguedEvent(
        "project",
        "task.get.multiple",
        producers=("state cookies/Get Multiple",),
        consumers=("function getMultiple",),
    ),
    CataloguedEvent(
        "project",
        "task.process.single",
        producers=("state cookies/Process Single",),
        consumers=("function processSingle",),
    ),
    CataloguedEvent(
        "project",
        "task.process.single.post",
        producers=("function processSingle",),
        consumers=("function postProcessSingle", "function sideEffect"),
    ),
    CataloguedEvent(
        "project",
        "task.process.all",
        producers=("state cookies/Post Process All", "state cookies/Report Failure"),
        consumers=("function postProcessAll",),
    ),
    CataloguedEvent(
        "project",
        "task.finished",
        producers=("function getMultiple", "function postProcessSingle", "function postProcessAll"),
        consumers=("machine task-finisher",),
    ),
    CataloguedEvent(
        "project",
        "task.failed",
        producers=("function reportTaskFailure",),
        consumers=("machine task-finisher",),
    ),
    CataloguedEvent(
        "project",
        "async.complete",
        producers=("function sideEffect",),
        consumers=(),
    ),
    CataloguedEvent(
        "com.devpost.commonevent",
        "message",
        producers=("anyone", "function publishMessage"),
        consumers=("machine messages",),
        starts="messages",
    ),
)

# Fields that the schemas mark with `x-secret`, at any depth: tokens are hashed, others removed.
TOKENS = frozenset({"TaskToken"})
REMOVED_FIELDS = frozenset({"profileUrl"})
