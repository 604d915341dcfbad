"""Reading a konifer.conf: from its path and the environment to a Config.

The environment wins over the file, and what the command line says over both. Which keys there are, and what
their values become, is in keys.py; what holds when one is not set, in settings.py.
"""

import pwd
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from os import getuid
from pathlib import Path
from typing import Any, Final

from konifer_fs.config import convert
from konifer_fs.config.blocks import converted, descend
from konifer_fs.config.errors import ConfigError
from konifer_fs.config.hocon import Hocon, read_hocon
from konifer_fs.config.keys import BLOCKS, check_root_keys
from konifer_fs.config.profiles import read_profiles
from konifer_fs.config.rules import read_rules
from konifer_fs.config.settings import (
    MAX_UPLOAD_BYTES,
    Config,
    FilesystemSettings,
    FilesystemStoreSettings,
    ImageSettings,
    InMemoryStoreSettings,
    ObjectStoreSettings,
    PostgresSettings,
    S3StoreSettings,
    VariantGenerationSettings,
)

_IN_MEMORY: Final = {"data-store": {"provider": "in-memory"}, "object-store": {"provider": "in-memory"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file's keys, its name for errors, and what else values depend on."""

    source: str
    values: Mapping[str, Any]
    directory: Path
    environ: Mapping[str, str]

    def fields(self, block: str) -> dict[str, Any]:
        """Give what `block` sets, converted, under the names that the fields of settings.py have; null is not set."""
        values = descend(self.source, self.values, block)
        return {
            key.replace("-", "_"): converted(self.source, f"{block}.{key}", values[key], conversion)
            for key, conversion in BLOCKS[block].items()
            if values.get(key) is not None
        }

    def resolve(self, text: str) -> Path:
        """Give the path that `text` denotes: `~/` is the home directory, else relative to the file."""
        return home_directory(self.environ) / text[2:] if text.startswith("~/") else self.directory / text


def load(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    data_dir: Path | None = None,
    in_memory: bool = False,
    uid: int | None = None,
    gid: int | None = None,
    umask: int | None = None,
) -> Config:
    """Read the file `path`, under what the environment and then the keyword arguments say.

    No file is the embedded default.

    Raises:
        ConfigError: the file cannot be read, or a key or value in it or in the environment is not understood.
    """
    hocon = read_hocon(path, environ) if path else Hocon(values={}, variables=frozenset())
    source = str(path) if path else "configuration"
    check_root_keys(source, hocon.values, hocon.variables)
    values = {**hocon.values, **_IN_MEMORY} if in_memory or _wants_memory(environ) else hocon.values
    directory = path.absolute().parent if path else Path.cwd()
    file = _File(source=source, values=values, directory=directory, environ=environ)
    profiles = read_profiles(source, values.get("variant-profiles"))
    return Config(
        data_dir=(data_dir or _default_data_dir(environ)).absolute(),
        data_store=_read_data_store(file),
        in_memory=file.fields("data-store").get("provider") == "in-memory",
        object_store=_read_object_store(file),
        max_upload_bytes=file.fields("source.multipart").get("max_bytes", MAX_UPLOAD_BYTES),
        paths=read_rules(source, values.get("paths"), profiles),
        profiles={name: request for name, request in profiles.items() if request is not None},
        variant_generation=VariantGenerationSettings(**file.fields("variant-generation")),
        filesystem=_read_filesystem(file, {"uid": uid, "gid": gid, "umask": umask}),
    )


def _read_data_store(file: _File) -> PostgresSettings | None:
    """No block at all, or the provider in-memory, is the embedded server."""
    provider = file.fields("data-store").get("provider", "postgresql")
    fields = file.fields("data-store.postgresql")
    if file.values.get("data-store") is None or provider == "in-memory":
        return None
    if "ssl_root_cert" in fields:
        fields["ssl_root_cert"] = file.resolve(fields["ssl_root_cert"])
    environ = {"user": file.environ.get("PG_USER"), "password": file.environ.get("PG_PASSWORD")}
    settings = PostgresSettings(**fields | {name: value for name, value in environ.items() if value})
    if "ssl_mode" not in fields and (settings.ssl_root_cert or not _is_on_this_machine(settings.host)):
        return replace(settings, ssl_mode="verify-full")
    return settings


def _is_on_this_machine(host: str) -> bool:
    """Whether `host` is a socket's directory or a loopback address."""
    try:
        return host in {"", "localhost"} or host.startswith("/") or ip_address(host).is_loopback
    except ValueError:
        return False


def _read_object_store(file: _File) -> ObjectStoreSettings | None:
    """No block at all is a directory beside the embedded server's."""
    provider = file.fields("object-store").get("provider", "filesystem")
    directory, s3 = file.fields("object-store.filesystem"), file.fields("object-store.s3")
    limit = file.fields("filesystem").get("in_memory_max_bytes")
    if file.values.get("object-store") is None:
        return None
    if provider == "in-memory":
        return InMemoryStoreSettings(max_bytes=limit) if limit else InMemoryStoreSettings()
    if provider == "s3":
        return _read_s3(s3, file.environ)
    if "mount_path" not in directory:
        raise ConfigError(f"{file.source}: object-store.filesystem.mount-path must say where the objects lie")
    return FilesystemStoreSettings(mount_path=file.resolve(directory["mount_path"]))


def _read_s3(fields: dict[str, Any], environ: Mapping[str, str]) -> S3StoreSettings:
    fields = {name: value for name, value in fields.items() if value != ""}
    fields["secret_key"] = environ.get("S3_SECRET_KEY") or fields.get("secret_key")
    if not (fields.get("access_key") and fields["secret_key"]):
        fields |= {"access_key": None, "secret_key": None}
    return S3StoreSettings(**fields)


def _read_filesystem(file: _File, given: Mapping[str, int | None]) -> FilesystemSettings:
    fields = file.fields("filesystem") | {name: value for name, value in given.items() if value is not None}
    fields.pop("in_memory_max_bytes", None)  # is the object store's
    for directory in ("spool_dir", "cache_dir"):
        if directory in fields:
            fields[directory] = file.resolve(fields[directory])
    return FilesystemSettings(**fields, image=ImageSettings(**file.fields("filesystem.image")))


def _wants_memory(environ: Mapping[str, str]) -> bool:
    try:
        return convert.boolean(environ.get("IN_MEMORY") or "false")
    except ValueError as error:
        raise ConfigError(f"environment: IN_MEMORY {error}") from None


def _default_data_dir(environ: Mapping[str, str]) -> Path:
    given = environ.get("XDG_DATA_HOME", "")  # its specification: to be ignored unless absolute
    return (Path(given) if given.startswith("/") else home_directory(environ) / ".local/share") / "konifer-fs"


def home_directory(environ: Mapping[str, str]) -> Path:
    """Give the home directory of this user; raises ConfigError where none is known."""
    try:
        return Path(environ.get("HOME") or pwd.getpwuid(getuid()).pw_dir)
    except KeyError:
        raise ConfigError(f"environment: HOME must be set, for the user {getuid()} is not in passwd") from None
