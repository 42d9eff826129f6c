"""What clients share (tests/support/library_caches.py) carries nothing from one to another."""

from typing import Any

import botocore.session

EVENT = "test-event.s3"  # botocore has no handler of it


def clients(session: Any) -> tuple[Any, Any]:
    """Two clients; each has a copy of the session's handlers of events."""

    def create() -> Any:
        return session.create_client(
            "s3", "us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )

    return create(), create()


def test_a_handler_of_one_client_is_not_called_for_another() -> None:
    called: list[str] = []
    session = botocore.session.get_session()
    session.register(EVENT, lambda **_: called.append("both"))
    first, second = clients(session)
    first.meta.events.register(EVENT, lambda **_: called.append("first"))
    second.meta.events.register(EVENT, lambda **_: called.append("second"))

    first.meta.events.emit(EVENT)

    assert called == ["both", "first"]


def test_a_handler_that_one_client_removes_is_called_for_another() -> None:
    # Given a session with a handler, and two clients of the session
    called: list[str] = []

    def handler(**_: Any) -> None:
        called.append("called")

    session = botocore.session.get_session()
    session.register(EVENT, handler)
    first, second = clients(session)

    # When one of them removes it
    first.meta.events.unregister(EVENT, handler)
    first.meta.events.emit(EVENT)
    second.meta.events.emit(EVENT)

    # Then only the other one calls it, and a new session does not know it
    assert called == ["called"]
    botocore.session.get_session().get_component("event_emitter").emit(EVENT)
    assert called == ["called"]
