"""What the functions know of the catalogue is what the catalogue says."""

from handlers.observability.catalogue import CATALOGUE, REMOVED_FIELDS, TOKENS
from handlers.observability.timeline import CataloguedEvent
from tests.support import asl, catalogue


def test_the_functions_know_every_event_as_the_catalogue_has_it() -> None:
    assert (
        tuple(
            CataloguedEvent(
                event.source, event.detail_type, event.producers, event.consumers, event.starts
            )
            for event in catalogue.events()
        )
        == CATALOGUE
    )


def test_the_functions_know_every_field_that_a_schema_marks_as_secret() -> None:
    assert catalogue.secret_fields() == {"token": TOKENS, "remove": REMOVED_FIELDS}


def test_an_event_starts_a_machine_that_there_is() -> None:
    assert {entry.starts for entry in CATALOGUE} - {None} <= set(asl.machines())
