"""A file that is not understood is one clear sentence that names the file and the key."""

from collections.abc import Callable
from pathlib import Path

import pytest

from konifer_fs.config import Config, ConfigError, load

Loads = Callable[..., Config]

SSL_MODES = "disable, allow, prefer, require, verify-ca, verify-full"
TYPES = "image/jpeg, image/png, image/webp, image/avif, image/jxl, image/heic, image/gif"
EACH_TYPE = f"must be a list of content types, each of which must be one of {TYPES}"
EACH_KIND = "must be a list of placeholders, each of which must be one of blurhash, thumbhash"
UNLISTED = "which is not in variant-profiles"
UNFOUND = "is neither a key of the file nor in the environment, or refers to itself"
BUCKET = "must be a bucket's name (3 to 63 of a-z, 0-9 and inner hyphens, and none of the names that S3 reserves), not"
SIZE = "must be a size such as 512 MiB, or a number of bytes, not"
HOST = "must be a host and a port, as 127.0.0.1:9464, not"
ADDRESS = "must name a host of letters, digits, hyphens and dots, or its IP address, and perhaps a port"
DURATION = "must be a duration with its unit such as 30s or 1h30m, not"

SENTENCES = [
    # unknown keys
    ("filesystem.spool-dri = /x", "filesystem.spool-dri is not a known key; did you mean spool-dir?"),
    ("filesytem.uid = 1", "filesytem is not a known key; did you mean filesystem?"),
    ("zzz = 1", "zzz is not a known key"),
    ("data-store.postgresql.hosts = x", "data-store.postgresql.hosts is not a known key; did you mean host?"),
    ("object-store.bucket = abc", "object-store.bucket is not a known key"),
    ("source.multipart.max-byte = 1", "source.multipart.max-byte is not a known key; did you mean max-bytes?"),
    ('paths { "/a" { bucket = abc } }', 'paths."/a".bucket is not a known key'),
    (
        "paths = [{ path = /a, object-stor { bucket = abc } }]",
        'paths."/a".object-stor is not a known key; did you mean object-store?',
    ),
    (
        'paths { "/a" { object-store.buckets = abc } }',
        'paths."/a".object-store.buckets is not a known key; did you mean bucket?',
    ),
    # wrong kinds
    ("data-store = postgresql", "data-store must be a block { ... }, not 'postgresql'"),
    ("filesystem.image = [1]", "filesystem.image must be a block { ... }, not a list"),
    ("source = 5", "source must be a block { ... }, not '5'"),
    ("object-store.filesystem.mount-path = [a]", "object-store.filesystem.mount-path must be text"),
    ("data-store.postgresql.password { a = hunter2 }", "data-store.postgresql.password must be text"),
    ("filesystem.uid = true", "filesystem.uid must be a whole number from 0 to 4294967294, not true"),
    ("paths = 5", "paths must be a map by pattern or a list of blocks, not '5'"),
    ("paths = [ 5 ]", "paths[0] must be a block { ... }, not '5'"),
    ("paths = [ { path = /a }\n{ lqip = [] } ]", "paths[1].path must be text, the pattern of the block"),
    ('paths { "/a" = 5 }', "paths.\"/a\" must be a block { ... }, not '5'"),
    ("paths.lqip = [blurhash]", 'paths."lqip" must be a block { ... }, not a list'),
    ('paths { "/a".object-store = x }', "paths.\"/a\".object-store must be a block { ... }, not 'x'"),
    # bad values
    ("data-store.provider = mysql", "data-store.provider must be one of postgresql, in-memory, not 'mysql'"),
    ("object-store.provider = s4", "object-store.provider must be one of filesystem, s3, in-memory, not 's4'"),
    ("object-store {}", "object-store.filesystem.mount-path must say where the objects lie"),
    ('object-store.filesystem.mount-path = ""', "object-store.filesystem.mount-path must not be empty"),
    ('filesystem.spool-dir = ""', "filesystem.spool-dir must not be empty"),
    ('filesystem.spool-dir = "a\\u0000b"', "filesystem.spool-dir must be text"),
    ("data-store.postgresql.port = 0", "data-store.postgresql.port must be a whole number from 1 to 65535, not '0'"),
    ("data-store.postgresql.port = -5", "data-store.postgresql.port must be a whole number from 1 to 65535, not '-5'"),
    ("data-store.postgresql.ssl-mode = on", f"data-store.postgresql.ssl-mode must be one of {SSL_MODES}, not 'on'"),
    (
        "object-store.s3.endpoint-url = minio:9000",
        "object-store.s3.endpoint-url must begin with http:// or https://",
    ),
    *(
        (f'object-store.s3.endpoint-url = "{address}"', f"object-store.s3.endpoint-url {ADDRESS}")
        for address in (
            "http://",
            "http://:9000",
            "http://host:x",
            "http://host:70000",
            "http://a host",
            "http://[::1",
            "https://ada:hunter2@min_io",
        )
    ),
    (
        "object-store.s3.force-path-style = 1",
        "object-store.s3.force-path-style must be true or false, not '1'",
    ),
    ("source.multipart.max-bytes = 0", f"source.multipart.max-bytes {SIZE} '0'"),
    ("filesystem.capacity = 5 XB", f"filesystem.capacity {SIZE} '5 XB'"),
    ("filesystem.capacity = 999999999 PiB", f"filesystem.capacity {SIZE} '999999999 PiB'"),
    ("filesystem.spool-max-bytes = 0", f"filesystem.spool-max-bytes {SIZE} '0'"),
    ("filesystem.spool-max-bytes = 1.5", f"filesystem.spool-max-bytes {SIZE} '1.5'"),
    ("filesystem.spool-max-bytes = \u0661", f"filesystem.spool-max-bytes {SIZE} '\\u0661'"),
    ("filesystem.deadline = \u0661s", f"filesystem.deadline {DURATION} '\\u0661s'"),
    ("filesystem.spool-max-bytes = -1", f"filesystem.spool-max-bytes {SIZE} '-1'"),
    ("filesystem.deadline = 30", f"filesystem.deadline {DURATION} '30'"),
    ("filesystem.deadline = 0s", "filesystem.deadline must be from 1ms to 1 day, not '0s'"),
    ("filesystem.deadline = 25h", "filesystem.deadline must be from 1ms to 1 day, not '25h'"),
    ("filesystem.drain = 36501d", "filesystem.drain must be 100 years at most, not '36501d'"),
    (
        "filesystem.metrics-address = 9464",
        f"filesystem.metrics-address {HOST} '9464'",
    ),
    (
        'filesystem.metrics-address = ":9464"',
        f"filesystem.metrics-address {HOST} ':9464'",
    ),
    ("filesystem.drain = 5 months", f"filesystem.drain {DURATION} '5 months'"),
    ("filesystem.drain = 1h and 5m", f"filesystem.drain {DURATION} '1h and 5m'"),
    ("filesystem.image.timeout = {}", f"filesystem.image.timeout {DURATION} a block"),
    ("filesystem.image.workers = 65", "filesystem.image.workers must be a whole number from 1 to 64, not '65'"),
    ("filesystem.umask = 088", "filesystem.umask must be octal digits such as 022, not '088'"),
    ("filesystem.umask = 4022", "filesystem.umask must be octal digits such as 022, not '4022'"),
    ("filesystem.on-overwrite = delete", "filesystem.on-overwrite must be one of replace, keep, not 'delete'"),
    ("filesystem.gid = 4294967295", "filesystem.gid must be a whole number from 0 to 4294967294, not '4294967295'"),
    (
        'paths { "/a" { allowed-content-types = "image/png" } }',
        "paths.\"/a\".allowed-content-types must be a list of content types, not 'image/png'",
    ),
    (
        'paths { "/a" { allowed-content-types = ["image/png", "text/plain"] } }',
        f"paths.\"/a\".allowed-content-types {EACH_TYPE}, not 'text/plain'",
    ),
    # profiles
    ("variant-profiles = 5", "variant-profiles must be a map by name or a list of blocks, not '5'"),
    ("variant-profiles.a = 5", "variant-profiles.a must be a block { ... }, not '5'"),
    ("variant-profiles = [5]", "variant-profiles[0] must be a block { ... }, not '5'"),
    ("variant-profiles = [{ w = 5 }]", "variant-profiles[0].name must be text, the name of the block"),
    (
        "variant-profiles = [{ name = a, w = 5 }\n{ name = a, w = 6 }]",
        "variant-profiles.a is there twice; upper and lower case are alike",
    ),
    ("variant-profiles { a {}, A {} }", "variant-profiles.A is there twice; upper and lower case are alike"),
    (
        'variant-profiles { "a,b" {} }',
        "variant-profiles has 'a,b'; names are made of letters, digits and - . _ ~",
    ),
    ("variant-profiles.a.width = 5", "variant-profiles.a.width is not a known key"),
    ("variant-profiles.a.filters = sepia", "variant-profiles.a.filters is not a known key; did you mean filter?"),
    (
        "variant-profiles.a.w = 0",
        "variant-profiles.a.w must be a whole number from 1 to 2147483647, not '0'",
    ),
    ("variant-profiles.a.fit = cover", "variant-profiles.a.fit must be one of fit, fill, stretch, crop, not 'cover'"),
    ("variant-profiles.a.w = [1]", "variant-profiles.a.w must be text"),
    (
        "variant-generation.synchronous-priority = 101",
        "variant-generation.synchronous-priority must be a whole number from 1 to 100, not '101'",
    ),
    # variants at a path
    (
        'variant-profiles.thumbnail.w = 1\npaths { "/a" { transform.eager-variants = [thumbnial] } }',
        f"paths.\"/a\".transform.eager-variants has 'thumbnial', {UNLISTED}; did you mean thumbnail?",
    ),
    (
        'paths { "/a" { eager-variants = small } }',
        "paths.\"/a\".eager-variants must be a list of profiles, not 'small'",
    ),
    (
        'paths { "/a" { lqip = [blurhash, lqip] } }',
        f"paths.\"/a\".lqip {EACH_KIND}, not 'lqip'",
    ),
    (
        'paths { "/a" { transform.on-demand-variant.mode = off } }',
        "paths.\"/a\".transform.on-demand-variant.mode must be one of enabled, profile_only, disabled, not 'off'",
    ),
    (
        'paths { "/a" { transform.on-demand.mode = disabled } }',
        'paths."/a".transform.on-demand is not a known key; did you mean on-demand-variant?',
    ),
    (
        'paths { "/a" { transform { preprocessing { image { widht = 5 } } } } }',
        'paths."/a".transform.preprocessing.image.widht is not a known key',
    ),
    (
        'paths { "/a" { preprocessing.q = 101 } }',
        "paths.\"/a\".preprocessing.q must be a whole number from 1 to 100, not '101'",
    ),
    (
        'paths { "/a" { preprocessing { enabled = true, fit = fill, max-width = 5 } } }',
        'paths."/a".transform.preprocessing: fit=fill, stretch and crop need both w and h',
    ),
    (
        'paths { "/a/**" { preprocessing { r = auto, f = h } }\n "/a/b".transform.preprocessing.enabled = true }',
        'paths."/a/b".transform.preprocessing: r=auto does not go with f',
    ),
    (
        'paths { "/**" { transform.expire.strategy = idle } }',
        'paths."/**".transform.expire.ttl must say how long',
    ),
    (
        'paths { "/a" { transform.retention.expire.ttl = 0s } }',
        "paths.\"/a\".transform.retention.expire.ttl must be longer than nothing, not '0s'",
    ),
    (
        'paths { "/a" { limits.max-pixels = 5 MB } }',
        "paths.\"/a\".limits.max-pixels must be a number of pixels such as 20000000 or 20MP, not '5 MB'",
    ),
    (
        'paths { "/a" { transform.limits.max-pages = 0 } }',
        "paths.\"/a\".transform.limits.max-pages must be a whole number from 1 to 2147483647, not '0'",
    ),
    # what HOCON has to say
    ("a = 1\nb = }", "line 2 cannot be read as HOCON"),
    ("http { port = 1\n\n", "line 3 cannot be read as HOCON"),
    ("[1, 2]", "must hold keys, not a list"),
    ("http.port = ${NOT_SET_ANYWHERE}", f"${{NOT_SET_ANYWHERE}} {UNFOUND}"),
    ("http = ${limits}\nlimits = ${http}", f"${{limits}}, ${{http}} {UNFOUND}"),
    ('"a\u2028b" = 1', "a\\u2028b is not a known key"),
]


@pytest.mark.parametrize(("text", "sentence"), SENTENCES, ids=[row[0] for row in SENTENCES])
def test_each_fault_is_one_sentence_with_file_and_key(loads: Loads, tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(text)
    assert str(caught.value) == f"{tmp_path}/konifer.conf: {sentence}"


@pytest.mark.parametrize(
    "bucket",
    [
        "ab", "a" * 64, "My-Bucket", "a_b_c", "a.b.c", "-abc", "abc-", "xn--abc", "sthree-abc", "amzn-s3-demo-abc",
        "abc-s3alias", "abc--ol-s3", "abc--x-s3", "abc--table-s3", "abc.mwrap", "", "ab\\n",
    ],
)  # fmt: skip
def test_a_bucket_that_konifer_refuses_is_refused(loads: Loads, bucket: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(f'paths {{ "/**" {{ object-store.bucket = "{bucket}" }} }}')
    assert f'paths."/**".object-store.bucket {BUCKET}' in str(caught.value)


@pytest.mark.parametrize("bucket", ["abc", "a" * 63, "0-0", "a--b"])
def test_a_bucket_that_konifer_takes_is_taken(loads: Loads, bucket: str) -> None:
    assert bucket in loads(f'paths {{ "/**" {{ object-store.bucket = "{bucket}" }} }}').paths.buckets


def test_a_bad_variable_names_the_environment(loads: Loads) -> None:
    with pytest.raises(ConfigError, match=r"^environment: IN_MEMORY must be true or false, not 'maybe'$"):
        loads("", {"IN_MEMORY": "maybe"})


def test_a_missing_file_a_directory_and_a_binary_are_told_apart(tmp_path: Path) -> None:
    binary = tmp_path / "binary.conf"
    binary.write_bytes(b"\xff\xfe\x00")
    for path, sentence in (
        (tmp_path / "none.conf", "cannot be read: No such file or directory"),
        (tmp_path, "cannot be read: Is a directory"),
        (binary, "is not UTF-8 text"),
    ):
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        assert str(caught.value) == f"{path}: {sentence}"


@pytest.mark.parametrize(
    "text",
    [
        "data-store.postgresql.password = hunter2!",
        'data-store.postgresql.password = "hunter2',
        "data-store.postgresql.password = [hunter2]",
        'data-store.postgresql.password = hunter2 ["x"]',
        "object-store.s3.secret-key { hunter2 }",
    ],
)
def test_an_error_quotes_no_secret(loads: Loads, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(text)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None or "hunter2" not in str(caught.value.__cause__)


def test_a_long_value_is_shortened(loads: Loads) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(f"filesystem.on-overwrite = {'x' * 5000}")
    assert len(str(caught.value).split("not ")[1]) == 60
