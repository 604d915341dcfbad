"""What runs in containers: its configuration is one that konifer-fs reads, and its commands are ours."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from click import Command

from konifer_fs.config import PostgresSettings, S3StoreSettings, load
from konifer_fs_daemon.cli import main

ROOT = Path(__file__).parents[1]


@pytest.fixture
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text()))


def test_the_configuration_names_the_other_services(compose: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "konifer.conf"
    file.write_text(compose["configs"]["konifer.conf"]["content"])
    services = compose["services"]
    config = load(file, services["mount"]["environment"], data_dir=tmp_path)
    assert isinstance(config.data_store, PostgresSettings)
    assert isinstance(config.object_store, S3StoreSettings)
    assert config.data_store.host in services
    assert config.data_store.password == services["database"]["environment"]["POSTGRES_PASSWORD"]
    assert config.data_store.user == services["database"]["environment"]["POSTGRES_USER"]
    assert re.fullmatch(r"http://(\w+):9000", config.object_store.endpoint_url or "")
    keys = services["mount"]["environment"]
    (command,) = services["objects"]["command"]
    assert f"--auth-key {keys['AWS_ACCESS_KEY_ID']},{keys['AWS_SECRET_ACCESS_KEY']}" in command
    assert all(f"/objects/{bucket}" in command for bucket in config.paths.buckets)


@pytest.mark.parametrize("service", ["migrate", "mount"])
def test_commands_are_ours(compose: dict[str, Any], service: str) -> None:
    name, *arguments = compose["services"][service]["command"]
    command: Command = main.commands[name]
    context = command.make_context(name, [str(argument) for argument in arguments])
    assert context.params["config_file"] == Path("/konifer.conf")


def test_the_image_begins_with_what_ends_children() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert 'ENTRYPOINT ["tini", "--", "konifer-fs"]' in text
    for words in re.findall(r'CMD \["(?:konifer-fs", ")?([^\]]*)"\]', text):
        name, *arguments = words.split('", "')
        main.commands[name].make_context(name, arguments)
