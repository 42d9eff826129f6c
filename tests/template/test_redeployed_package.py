"""`make up` makes the same package of changed handlers as `serverless package`."""

import io
import zipfile
from typing import Any

from local import redeploy_handlers
from tests.support.packaged import Package


def entries(archive: zipfile.ZipFile) -> list[tuple[Any, ...]]:
    """What a package consists of: all but how well it is compressed."""
    return [
        (
            *(entry.filename, entry.date_time, entry.external_attr, entry.create_system),
            archive.read(entry),
        )
        for entry in archive.infolist()
    ]


def test_it_is_the_package_of_the_framework(dev: Package) -> None:
    """Given a package with other handlers: one is changed, one is missing, one is left over."""
    packaged = dev.archive.read_bytes()
    older = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(packaged)) as archive,
        zipfile.ZipFile(older, "w") as changed,
    ):
        expected = entries(archive)
        for entry in archive.infolist():
            if entry.filename == "handlers/sensor/move_file.py":
                changed.writestr(entry, "changed")
            elif entry.filename != "handlers/sensor/store.py":
                changed.writestr(entry, archive.read(entry))
        changed.writestr("handlers/sensor/left_over.py", "")

    with zipfile.ZipFile(io.BytesIO(redeploy_handlers.with_sources(older.getvalue()))) as made:
        assert entries(made) == expected
