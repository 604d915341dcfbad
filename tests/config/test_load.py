"""What a konifer.conf, the environment and the command line come to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from konifer_fs.config import (
    Config,
    ConfigError,
    Durability,
    FilesystemSettings,
    FilesystemStoreSettings,
    ImageSettings,
    InMemoryStoreSettings,
    OnOverwrite,
    PathRules,
    PostgresSettings,
    S3StoreSettings,
    load,
)
from konifer_fs.domain.dialect import Dialect

Loads = Callable[..., Config]
GIB = 1024**3


def test_no_file_is_the_embedded_default() -> None:
    assert load(None, {"HOME": "/home/ada"}) == Config(
        data_dir=Path("/home/ada/.local/share/konifer-fs"),
        data_store=None,
        in_memory=False,
        object_store=None,
        max_upload_bytes=104_857_600,
        paths=PathRules(),
        filesystem=FilesystemSettings(),
    )


def test_an_empty_file_is_the_embedded_default_too(loads: Loads) -> None:
    assert loads("") == load(None, {"HOME": "/home/ada"})


@pytest.mark.parametrize(
    ("environ", "given", "expected"),
    [
        ({"XDG_DATA_HOME": "/data"}, None, "/data/konifer-fs"),
        ({"XDG_DATA_HOME": "relative"}, None, "/home/ada/.local/share/konifer-fs"),
        ({"XDG_DATA_HOME": ""}, None, "/home/ada/.local/share/konifer-fs"),
        ({"XDG_DATA_HOME": "/data"}, Path("/mine"), "/mine"),
    ],
)
def test_the_data_directory_follows_the_xdg_specification(
    environ: dict[str, str], given: Path | None, expected: str
) -> None:
    assert load(None, {"HOME": "/home/ada", **environ}, data_dir=given).data_dir == Path(expected)


def test_the_home_directory_is_known_without_the_environment() -> None:
    assert load(None, {}).data_dir.is_absolute()


@pytest.mark.parametrize("text", ["data-store {}", "data-store.provider = postgresql", "data-store { postgresql {} }"])
def test_a_data_store_block_without_details_has_konifers_defaults(loads: Loads, text: str) -> None:
    assert loads(text).data_store == PostgresSettings(
        host="localhost", port=5432, database="konifer", user="postgres", password="", ssl_mode="prefer"
    )


def test_every_detail_of_the_database_is_read(loads: Loads) -> None:
    config = loads("""
        data-store.postgresql {
          host = db, port = 6432, database = pictures, user = ada, password = "p:w", ssl-mode = VERIFY-FULL
          ssl-root-cert = /etc/ca.pem
        }""")
    assert config.data_store == PostgresSettings(
        host="db", port=6432, database="pictures", user="ada", password="p:w", ssl_mode="verify-full",
        ssl_root_cert=Path("/etc/ca.pem"),
    )  # fmt: skip
    assert not config.in_memory


@pytest.mark.parametrize(
    ("host", "mode"),
    [
        ("localhost", "prefer"),
        ("127.0.0.1", "prefer"),
        ('"::1"', "prefer"),
        ("/var/run/postgresql", "prefer"),
        ("db.example.com", "verify-full"),
        ("127.example.com", "verify-full"),
        ("10.0.0.1", "verify-full"),
    ],
)
def test_a_server_on_another_machine_must_prove_who_it_is_unless_told_otherwise(
    loads: Loads, host: str, mode: str
) -> None:
    settings = loads(f"data-store.postgresql.host = {host}").data_store
    assert settings is not None
    assert settings.ssl_mode == mode
    told = loads(f"data-store.postgresql {{ host = {host}, ssl-mode = disable }}").data_store
    assert told is not None
    assert told.ssl_mode == "disable"


def test_an_authority_of_its_own_is_there_to_be_asked(loads: Loads, tmp_path: Path) -> None:
    settings = loads("data-store.postgresql.ssl-root-cert = ca.pem").data_store
    assert settings is not None
    assert (settings.ssl_mode, settings.ssl_root_cert) == ("verify-full", tmp_path / "ca.pem")


@pytest.mark.parametrize("password", ["007", "30d", "1e9", "0x10", "5 minutes", "-5", "true", "12.50"])
def test_an_unquoted_password_is_what_was_written(loads: Loads, password: str) -> None:
    settings = loads(f"data-store.postgresql.password = {password} # not part of it").data_store
    assert settings is not None
    assert settings.password == password


def test_an_in_memory_data_store_is_an_embedded_server_that_keeps_nothing(loads: Loads) -> None:
    config = loads("data-store.provider = in-memory")
    assert (config.data_store, config.in_memory, config.object_store) == (None, True, None)


def test_an_object_store_of_files_lies_at_its_mount_path(loads: Loads, tmp_path: Path) -> None:
    def mount_path(text: str) -> Path:
        store = loads(f"object-store {{ filesystem.mount-path = {text} }}").object_store
        assert isinstance(store, FilesystemStoreSettings)
        return store.mount_path

    assert mount_path("/srv/objects") == Path("/srv/objects")
    assert mount_path("objects") == tmp_path / "objects"
    assert mount_path('"~/objects"') == Path("/home/ada/objects")


def test_every_detail_of_s3_is_read(loads: Loads) -> None:
    config = loads("""
        object-store { provider = s3, s3 {
          endpoint-url = "http://minio:9000"
          access-key = ada
          secret-key = "s3cret"
          region = auto
          force-path-style = on
        } }""")
    assert config.object_store == S3StoreSettings(
        endpoint_url="http://minio:9000",
        access_key="ada",
        secret_key="s3cret",
        region="auto",
        force_path_style=True,
    )


@pytest.mark.parametrize("keys", ["", "access-key = ada", "secret-key = s", 'access-key = ada, secret-key = ""'])
def test_half_a_pair_of_s3_keys_leaves_it_to_the_credentials_chain(loads: Loads, keys: str) -> None:
    config = loads(f"object-store {{ provider = s3, s3 {{ {keys} }} }}")
    assert config.object_store == S3StoreSettings(region="us-east-1", force_path_style=False)


def test_an_in_memory_object_store_has_a_cap(loads: Loads) -> None:
    assert loads("object-store.provider = in-memory").object_store == InMemoryStoreSettings(max_bytes=GIB)
    capped = loads("object-store.provider = in-memory\nfilesystem.in-memory-max-bytes = 1 MiB")
    assert capped.object_store == InMemoryStoreSettings(max_bytes=1024**2)


def test_the_environment_wins_over_the_file(loads: Loads) -> None:
    text = """
        data-store.postgresql { user = file, password = file }
        object-store { provider = s3, s3 { access-key = ada, secret-key = file } }"""
    config = loads(text, {"PG_USER": "env", "PG_PASSWORD": "env-pw", "S3_SECRET_KEY": "env-key"})
    assert config.data_store == PostgresSettings(user="env", password="env-pw")
    assert config.object_store == S3StoreSettings(access_key="ada", secret_key="env-key")


def test_an_empty_variable_is_not_set(loads: Loads) -> None:
    config = loads("data-store.postgresql.user = file", {"PG_USER": "", "IN_MEMORY": "", "PG_PASSWORD": ""})
    assert config.data_store == PostgresSettings(user="file")


def test_the_environment_alone_does_not_make_a_data_store(loads: Loads) -> None:
    assert loads("", {"PG_USER": "ada", "PG_PASSWORD": "x", "URL_SIGNING_SECRET_KEY": "y"}).data_store is None


@pytest.mark.parametrize("how", ["environment", "command line"])
def test_in_memory_forces_both_providers(loads: Loads, how: str) -> None:
    text = """
        data-store.provider = postgresql
        object-store { provider = filesystem, filesystem.mount-path = /srv }
        filesystem.in-memory-max-bytes = 7 MiB"""
    config = loads(text, {"IN_MEMORY": "true"}) if how == "environment" else loads(text, in_memory=True)
    assert (config.data_store, config.in_memory) == (None, True)
    assert config.object_store == InMemoryStoreSettings(max_bytes=7 * 1024**2)


def test_in_memory_false_leaves_the_file_as_it_is(loads: Loads) -> None:
    config = loads("data-store.provider = postgresql", {"IN_MEMORY": "false"})
    assert config.data_store == PostgresSettings()


def test_every_key_of_our_block_is_read(loads: Loads) -> None:
    config = loads("""
        source.multipart.max-bytes = 5 MiB
        filesystem {
          spool-dir = /spool, spool-max-bytes = 2 GiB, local-max-bytes = 64k
          cache-dir = /cache, cache-max-bytes = 3 GiB, cache-min-free-bytes = 1k
          on-overwrite = keep, durability = spool, dialect = A
          uid = 0, gid = 100, umask = 077
          capacity = 1 TB
          deadline = 1m30s, drain = 0s
          image { timeout = 1500ms, memory-max-bytes = 1.5 GiB, workers = 3 }
        }""")
    assert config.max_upload_bytes == 5 * 1024**2
    assert config.filesystem == FilesystemSettings(
        spool_dir=Path("/spool"),
        spool_max_bytes=2 * GIB,
        local_max_bytes=65536,
        cache_dir=Path("/cache"),
        cache_max_bytes=3 * GIB,
        cache_min_free_bytes=1024,
        on_overwrite=OnOverwrite.KEEP,
        durability=Durability.SPOOL,
        dialect=Dialect.A,
        uid=0,
        gid=100,
        umask=0o077,
        capacity=10**12,
        deadline=90.0,
        drain=0.0,
        image=ImageSettings(timeout=1.5, memory_max_bytes=3 * GIB // 2, workers=3),
    )


def test_the_command_line_wins_over_our_block(loads: Loads) -> None:
    settings = loads("filesystem { uid = 1, gid = 2, umask = 077 }", uid=0, umask=0).filesystem
    assert (settings.uid, settings.gid, settings.umask) == (0, 2, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1), ('"4096"', 4096), ("10B", 10), ("2k", 2048), ("2K", 2048), ("2 KiB", 2048), ("2 kB", 2000),
        ("10 m", 10 * 1024**2), ("10 MB", 10**7), ("1.5 GiB", 3 * GIB // 2), ("3 gibibytes", 3 * GIB),
        ("2 terabytes", 2 * 10**12), ("1Pi", 1024**5), ("0.5k", 512), ("123456789012345678", 123456789012345678),
    ],
)  # fmt: skip
def test_sizes_are_spelled_as_in_hocon(loads: Loads, text: str, expected: int) -> None:
    assert loads(f"filesystem.spool-max-bytes = {text}").filesystem.spool_max_bytes == expected


@pytest.mark.parametrize("key", ["local-max-bytes", "cache-max-bytes", "cache-min-free-bytes"])
def test_what_may_be_nothing_may_be_0(loads: Loads, key: str) -> None:
    assert getattr(loads(f"filesystem.{key} = 0").filesystem, key.replace("-", "_")) == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30), ("30 s", 30), ("30 seconds", 30), ("1h30m", 5400), ("1h 30m", 5400), ("7d", 604800),
        ("500ms", 0.5), ("1.5h", 5400), ("2 minutes", 120), ("1 day", 86400), ('"10s"', 10),
    ],
)  # fmt: skip
def test_durations_are_spelled_as_in_kotlin_or_hocon(loads: Loads, text: str, seconds: float) -> None:
    assert loads(f"filesystem.drain = {text}").filesystem.drain == seconds


def test_null_is_not_set(loads: Loads) -> None:
    assert loads("data-store = null\nfilesystem { uid = null, image = null }") == load(None, {"HOME": "/home/ada"})


def test_no_secret_is_in_a_repr(loads: Loads) -> None:
    text = """
        data-store.postgresql { password = hunter2 }
        object-store { provider = s3, s3 { access-key = hunter3, secret-key = hunter4 } }"""
    for environ in ({}, {"PG_PASSWORD": "hunter5", "S3_SECRET_KEY": "hunter6"}):
        config = loads(text, environ)
        assert config.data_store is not None
        assert config.data_store.password.startswith("hunter")
        assert "hunter" not in repr(config)
        assert "hunter" not in str(config)


KONIFERS_OWN = """
http { public-url = "https://images.example.com", port = 8080 }
source.url { allowed-domains = ["example.com"], max-bytes = 1000 }
source.multipart.max-bytes = 2000
variant-generation { queue-size = 10, synchronous-priority = 80, workers = 2 }
url-signing { enabled = true, algorithm = hmac_sha256, secret-key = ${?URL_SIGNING_SECRET_KEY} }
api.rule-evaluation.enabled = false
limits { max-width = 8192 }
rule-definitions { no-cats { prompt = "a cat" } }
"""

RELEASE_0_2 = """
data-store { provider = postgresql, postgresql { host = localhost, port = 5432, ssl-mode = prefer } }
object-store { provider = filesystem, filesystem { mount-path = /var/konifer } }
variant-profiles = [
  { name = thumbnail, w = 256, h = 256, fit = fill }
  { name = grey, filter = greyscale, pad-c = "#fff" }
]
paths = [
  {
    path = "/**"
    allowed-content-types = [ "image/png", "image/jpeg" ]
    image { lqip = [ blurhash, thumbhash ] }
    preprocessing { enabled = true, image { max-width = 2048, format = webp } }
    eager-variants = [thumbnail]
    object-store { bucket = pictures }
    return-format.redirect { strategy = presigned, presigned.ttl = 30m, template.string = "https://cdn/{key}" }
    cache-control { enabled = true, max-age = 100, visibility = public, immutable = true }
  }
]
"""

LATER_RELEASES = """
data-store.provider = in-memory
object-store.provider = in-memory
variant-profiles { thumbnail { w = 256, cs = srgb, strip = "exif,xmp" } }
paths {
  "/users/**" {
    lqip = [blurhash]
    transform {
      preprocessing { clamp-width = 10 }, eager-variants = [thumbnail], on-demand-variant.mode = profile_only
      expire { strategy = ttl, ttl = 7d }, retention.cache.max-variants = 5, limits.max-pixels = 20000000
    }
    limits { max-pages = 20 }
    delivery { strategy = presigned, presigned.ttl = 30m }
    upload-ruleset = [no-cats]
    edit-rules = []
    modify-rules = []
  }
}
"""


@pytest.mark.parametrize("release", [RELEASE_0_2, LATER_RELEASES], ids=["0.2", "later"])
def test_a_file_that_a_konifer_runs_with_loads(loads: Loads, release: str) -> None:
    assert loads(KONIFERS_OWN + release).max_upload_bytes == 2000


def test_who_has_no_home_is_told_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    with pytest.raises(ConfigError, match="HOME must be set"):
        load(None, {})
    assert load(None, {"XDG_DATA_HOME": "/data"}).data_dir == Path("/data/konifer-fs")
