"""HOCON as people write it, and whatever else they may write."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from konifer_fs.config import Config, ConfigError, PathSettings, PostgresSettings, load
from konifer_fs.domain.path import AssetPath

Loads = Callable[..., Config]


def postgres(config: Config) -> PostgresSettings:
    assert config.data_store is not None
    return config.data_store


def at(config: Config, path: str) -> PathSettings:
    return config.paths.settings_for(AssetPath.from_konifer(path))


@pytest.mark.parametrize(
    "text",
    [
        'data-store { postgresql { host = "db", port = 6432 } }',
        "data-store.postgresql.host : db\ndata-store.postgresql.port : 6432",
        '{"data-store": {"postgresql": {"host": "db", "port": 6432}}}',
        "data-store {\n  postgresql { host = db }\n}\ndata-store { postgresql.port = 6432 }",
        "data-store.postgresql = { host = other } { host = db, port = 6432, }",
        '"data-store"."postgresql".host = db\n"data-store".postgresql."port" = 6432',
        "\ufeff# a byte order mark\ndata-store.postgresql { host = db // the host\r\n port = 6432 # the port\r\n }",
        'data-store.postgresql { host = """db""", port = "6432" }',
    ],
)
def test_every_way_of_writing_a_key_means_the_same(loads: Loads, text: str) -> None:
    assert postgres(loads(text)) == PostgresSettings(host="db", port=6432, ssl_mode="verify-full")


def test_substitutions_find_keys_of_the_file_then_the_environment(loads: Loads) -> None:
    config = loads(
        """
        shared { name = ada, base = /srv }
        data-store.postgresql { user = ${shared.name}, password = ${SECRET}"!", database = ${?NOWHERE}, port = ${PORT} }
        object-store.filesystem.mount-path = ${shared.base}/objects
        filesystem.spool-dir = ${HOME}/spool
        """,
        {"SECRET": "s3cret", "PORT": "6432"},
    )
    assert postgres(config) == PostgresSettings(user="ada", password="s3cret!", port=6432)
    assert str(config.object_store) == "FilesystemStoreSettings(mount_path=PosixPath('/srv/objects'))"
    assert config.filesystem.spool_dir == Path("/home/ada/spool")


def test_an_optional_substitution_that_finds_nothing_leaves_what_was_there(loads: Loads) -> None:
    assert postgres(loads("data-store.postgresql { user = ada\nuser = ${?NOWHERE} }")).user == "ada"


def test_a_list_can_be_appended_to_and_joined(loads: Loads) -> None:
    config = loads("""
        still = ["image/png"], one = image/jxl
        paths {
          "/a/**" { allowed-content-types = ["image/png"]
                    allowed-content-types += image/gif
                    allowed-content-types += "image/webp" }
          "/d/**" { allowed-content-types += image/gif }
          "/d/**".allowed-content-types += ${one}
          "/b/**".allowed-content-types = ${still} ["image/avif"]
          "/c/**" = ${paths."/b/**"} { object-store.bucket = other }
        }""")
    assert at(config, "/a").allowed_content_types == frozenset({"image/png", "image/gif", "image/webp"})
    assert at(config, "/b").allowed_content_types == frozenset({"image/png", "image/avif"})
    assert at(config, "/d").allowed_content_types == frozenset({"image/gif", "image/jxl"})
    assert at(config, "/c") == PathSettings(
        bucket="other", allowed_content_types=frozenset({"image/png", "image/avif"})
    )


def test_a_pattern_may_stand_within_a_key(loads: Loads) -> None:
    config = loads("""
        paths."/users/**".object-store.bucket = users
        paths { "/users/**".allowed-content-types = [], "/users/*" { object-store { bucket = one } } }""")
    assert at(config, "/users/1/x") == PathSettings(bucket="users", allowed_content_types=frozenset())
    assert at(config, "/users/1") == PathSettings(bucket="one", allowed_content_types=frozenset())


def test_quoted_text_keeps_its_signs_and_escapes(loads: Loads) -> None:
    config = loads(r'data-store.postgresql.password = "a#b//c\"d\\e\u0041\/${x} 30d, =+= [5]"')
    assert postgres(config).password == 'a#b//c"d\\eA/${x} 30d, =+= [5]'


def test_comments_and_quotes_do_not_disturb_each_other(loads: Loads) -> None:
    config = loads("""
        # an "unbalanced quote and a key."x" = 5
        data-store.postgresql.user = "# no comment" // "but this
        data-store.postgresql.password = x 30d y""")
    assert (postgres(config).user, postgres(config).password) == ("# no comment", "x 30d y")


def test_an_include_is_read_beside_the_file(loads: Loads, tmp_path: Path) -> None:
    (tmp_path / "database.conf").write_text('data-store.postgresql { user = ada }\npaths { "/a/**" { lqip = [] } }')
    config = loads("""
        include "database.conf"
        include "optional.conf"
        paths."/a/**".object-store.bucket = included""")
    assert postgres(config).user == "ada"
    assert at(config, "/a").bucket == "included"


def test_a_duration_in_an_included_file_must_be_quoted(loads: Loads, tmp_path: Path) -> None:
    (tmp_path / "other.conf").write_text('filesystem { deadline = "7s" }')
    assert loads('include "other.conf"').filesystem.deadline == 7
    (tmp_path / "other.conf").write_text("filesystem { deadline = 7s }")
    with pytest.raises(ConfigError, match="includes a file where text that begins with a digit"):
        loads('include "other.conf"')


def test_a_required_include_that_is_missing_is_named(loads: Loads, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loads('include required("nowhere.conf")')
    assert str(caught.value) == f"{tmp_path}/konifer.conf: includes {tmp_path}/nowhere.conf, which is not there"


def test_an_authors_own_variable_is_no_unknown_key(loads: Loads) -> None:
    assert postgres(loads("who = ada\ndata-store.postgresql.user = ${who}")).user == "ada"
    with pytest.raises(ConfigError, match="who is not a known key"):
        loads("who = ada")


def load_or_explain(directory: Path, text: str) -> Config | str:
    file = directory / "konifer.conf"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        return load(file, {"HOME": "/home/ada"})
    except ConfigError as error:
        return str(error)


PIECES = st.sampled_from(
    [
        "data-store", "object-store", "paths", "filesystem", "image", "source.multipart.max-bytes", "provider", "s3",
        "postgresql", '"/**"', '"/users/*"', "allowed-content-types", "object-store.bucket", "path", "uid", "umask",
        "deadline", "capacity", "{", "}", "[", "]", "=", ":", "+=", ",", "\n", "\n", " ", '"', '"""', "${", "${?paths}",
        "${HOME}", "}", "#", "//", "\\", "null", "true", "5", "007", "30s", "10 GiB", "1e999", "in-memory", "\0", "é",
        ".", "'", "$", '""', "\ufeff", "\ud7ff", "\ue02a", "include", "-", "9" * 30, "*", "image/png",
    ]
)  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(
    text=st.text(max_size=60) | st.lists(PIECES, max_size=30).map("".join) | st.lists(PIECES, max_size=30).map(" ".join)
)
def test_whatever_the_file_holds_it_loads_or_is_a_config_error(text: str) -> None:
    with TemporaryDirectory() as directory:
        outcome = load_or_explain(Path(directory), text)
    if isinstance(outcome, str):
        assert re.fullmatch(rf"{directory}/konifer\.conf: [^\n]+", outcome)
    else:
        assert isinstance(outcome.paths.settings_for(AssetPath(("users", "1"))), PathSettings)


INNER_KEYS = st.sampled_from(["path", "bucket", "uid", "s3", "/**"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(INNER_KEYS, inner), max_leaves=6
)
KEYS = st.sampled_from(
    [
        "data-store", "data-store.provider", "data-store.postgresql", "data-store.postgresql.port", "object-store",
        "object-store.s3", "object-store.s3.endpoint-url", "object-store.filesystem.mount-path", "paths",
        "source.multipart.max-bytes", "filesystem", "filesystem.umask", "filesystem.deadline", "filesystem.capacity",
        "filesystem.image", "filesystem.on-overwrite", "filesystem.spool-dir", "http", "variant-profiles",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_whatever_a_known_key_holds_it_loads_or_is_a_config_error(tree: dict[str, object]) -> None:
    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in tree.items())
    with TemporaryDirectory() as directory:
        outcome = load_or_explain(Path(directory), text)
    assert isinstance(outcome, Config) or re.fullmatch(rf"{directory}/konifer\.conf: [^\n]+", outcome)
