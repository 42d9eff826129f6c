"""`make up` makes the same packages of changed handlers as `serverless package`."""

from pathlib import Path

from plugins import packages
from tests.support.packaged import Package


def test_they_are_the_packages_of_the_framework(dev: Package, tmp_path: Path) -> None:
    handlers = {
        properties["FunctionName"].rpartition("-")[2]: properties["Handler"]
        for properties in dev.resources("AWS::Lambda::Function").values()
    }

    packages.build(handlers, tmp_path)

    built = {path.stem: path.read_bytes() for path in tmp_path.glob("*.zip")}
    assert built == {key: path.read_bytes() for key, path in dev.archives.items()}
