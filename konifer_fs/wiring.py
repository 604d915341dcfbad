"""From a configuration to a file system: which stores, engine and spool, opened in order and closed in reverse.

The daemon calls `wire`; `migrate` and `doctor` use the parts. Nothing is mounted here.
"""

import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from konifer_fs.adapters.directory import DirectoryObjectStore
from konifer_fs.adapters.memory import MemoryObjectStore
from konifer_fs.adapters.pillow.engine import PillowEngine
from konifer_fs.adapters.postgres.changes import PostgresChangeFeed
from konifer_fs.adapters.postgres.dialects import find_dialect
from konifer_fs.adapters.postgres.embedded import start, start_temporary
from konifer_fs.adapters.postgres.examining import spell_conninfo
from konifer_fs.adapters.postgres.migrate import check_database, migrate_database
from konifer_fs.adapters.postgres.store import PostgresStore
from konifer_fs.config import (
    Config,
    Durability,
    InMemoryStoreSettings,
    OnOverwrite,
    S3StoreSettings,
)
from konifer_fs.domain.address import spell_server
from konifer_fs.domain.dialect import Dialect
from konifer_fs.domain.errors import NoSuchName
from konifer_fs.domain.node import Directory
from konifer_fs.domain.path import AssetPath
from konifer_fs.fuse.operations import Operations
from konifer_fs.fuse.squashing import SquashingOperations
from konifer_fs.ports import MetadataStore, ObjectStore, OnClash
from konifer_fs.ports.changes import ChangeFeed
from konifer_fs.spool import Spool
from konifer_fs.spool.cache import Cache
from konifer_fs.vfs.filesystem import FileSystem
from konifer_fs.vfs.nodes import Defaults
from konifer_fs.vfs.settings import Settings
from konifer_fs.vfs.virtual.reports import Figure

log = logging.getLogger(__name__)

# It is reserved.
_NOBODYS_NAME: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """What a mount runs on.

    `places` says where the stores are, for people, without secrets; `joined` is whether our schema is in the database.
    """

    metadata: MetadataStore
    objects: ObjectStore
    spool: Spool
    filesystem: FileSystem
    operations: Operations
    changes: ChangeFeed
    places: Mapping[str, str]
    joined: bool


@contextmanager
def wire(
    config: Config,
    *,
    name: str,
    subpath: AssetPath,
    read_only: bool,
    show_virtual: bool = False,
    root_squash: bool = False,
) -> Iterator[Wired]:
    """Open everything that the mount called `name` needs.

    The embedded database is brought to this version's schema, but a lasting one not by a read-only mount.

    Raises:
        SchemaMismatch: the database is at another version; says which command to run.
        DialectUnclear: its rows, and the configuration, do not tell as which Konifer to write.
        StoreUnreachable, StoreRefused: a store does not answer, or not as it must.
        SpoolInUse: another mount has the spool, or it holds drafts of another store.
        NoSuchName: a read-only mount of a subpath that does not exist.
    """
    with ExitStack() as stack:
        directory = stack.enter_context(_directory(config))
        conninfo = stack.enter_context(open_database(config))
        if config.data_store is None and (config.in_memory or not read_only):
            migrate_database(conninfo)
        joined = check_database(conninfo, read_only=read_only)
        if not joined:
            log.warning("konifer-fs has no schema in this database: names, owners, modes and times are defaults")
        dialect = find_dialect(conninfo, config.filesystem.dialect, read_only=read_only)
        own = f"konifer-fs/{name}/{secrets.token_hex(8)}"
        deadline = config.filesystem.deadline
        metadata = PostgresStore(conninfo, deadline=deadline, application_name=own, dialect=dialect, joined=joined)
        stack.callback(metadata.close)
        changes = PostgresChangeFeed(conninfo, application_name=own)
        stack.callback(changes.close)
        objects = stack.enter_context(closing(open_objects(config, directory)))
        for bucket in sorted(config.paths.buckets) if not read_only else ():
            objects.check(bucket)
        engine = stack.enter_context(closing(open_engine(config)))
        identity = str(metadata.find_identity())
        spool = stack.enter_context(closing(_open_spool(config, directory, name, f"{identity}{subpath.konifer}")))
        cache = _open_cache(config, directory, identity)
        root = _find_root(metadata, subpath, read_only=read_only)
        _rehearse(metadata, root, read_only=read_only)
        settings = _read_settings(config, dialect, show_virtual=show_virtual, read_only=read_only)
        filesystem = FileSystem(metadata, objects, engine, spool, settings, root, cache)
        stack.callback(filesystem.close)
        filesystem.reports.figures.extend(_figures_of_connections(metadata))
        if not read_only:
            filesystem.restore()
        yield Wired(
            metadata=metadata,
            objects=objects,
            spool=spool,
            filesystem=filesystem,
            operations=(SquashingOperations if root_squash else Operations)(filesystem),
            changes=changes,
            places=describe_places(config),
            joined=joined,
        )


def _figures_of_connections(metadata: PostgresStore) -> list[Figure]:
    count = metadata.count_connections
    return [
        Figure("konifer_fs_connections", "Connections to the database.", lambda: count().open),
        Figure("konifer_fs_connections_idle", "Unused connections to the database.", lambda: count().idle),
        Figure("konifer_fs_connections_awaited", "Callers that wait for a connection to it.", lambda: count().awaited),
    ]


def is_fresh(config: Config) -> bool:
    """Whether the first mount has yet to make the embedded database; where that fails, only its directory is left."""
    return config.data_store is None and not (config.data_dir / "postgres" / "cluster").exists()


@contextmanager
def open_database(config: Config) -> Iterator[str]:
    """Give the libpq conninfo of the configured server, or of the embedded one, which runs meanwhile."""
    if config.data_store is not None:
        yield spell_conninfo(**asdict(config.data_store))
        return
    if not config.in_memory:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    server = start_temporary() if config.in_memory else start(config.data_dir / "postgres")
    try:
        yield server.conninfo
    finally:
        server.stop()


def open_objects(config: Config, directory: Path) -> ObjectStore:
    """Open the configured object store; nothing is asked of it yet."""
    settings = config.object_store
    if isinstance(settings, S3StoreSettings):
        # boto3 takes 20 MiB and 0.3 s, which nobody else need pay.
        from konifer_fs.adapters.s3 import S3ObjectStore

        return S3ObjectStore(
            endpoint_url=settings.endpoint_url,
            region=settings.region,
            access_key=settings.access_key,
            secret_key=settings.secret_key,
            path_style=settings.force_path_style,
            deadline=config.filesystem.deadline,
        )
    if isinstance(settings, InMemoryStoreSettings):
        return MemoryObjectStore(settings.max_bytes)
    place = settings.mount_path if settings else directory / "objects"
    if settings is None:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return DirectoryObjectStore(place)


def spool_directory(config: Config, directory: Path) -> Path:
    """Give the directory that holds the spools of all mounts."""
    return config.filesystem.spool_dir or directory / "spool"


def describe_places(config: Config) -> Mapping[str, str]:
    """Say where both stores are, without secrets."""
    data, objects = config.data_store, config.object_store
    embedded = "in memory" if config.in_memory else f"embedded PostgreSQL in {config.data_dir / 'postgres'}"
    if isinstance(objects, S3StoreSettings):
        place = f"S3 at {spell_server(objects.endpoint_url) if objects.endpoint_url else objects.region}"
    elif isinstance(objects, InMemoryStoreSettings):
        place = f"in memory, up to {objects.max_bytes} bytes"
    elif objects is None and config.in_memory:
        place = "a temporary directory"
    else:
        place = str(objects.mount_path if objects else config.data_dir / "objects")
    return {"metadata": f"{data.database} on {data.host}:{data.port}" if data else embedded, "objects": place}


@contextmanager
def _directory(config: Config) -> Iterator[Path]:
    """Give the directory of what the configuration has no other place for: the data directory, or a temporary one."""
    if config.in_memory:
        with TemporaryDirectory(prefix="konifer-fs-") as directory:
            yield Path(directory)
    else:
        config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield config.data_dir


def open_engine(config: Config) -> PillowEngine:
    """Open the image engine; its workers start when they are needed."""
    image = config.filesystem.image
    return PillowEngine(
        workers=image.workers,
        renderers=config.variant_generation.workers,
        timeout=image.timeout,
        memory_bytes=image.memory_max_bytes,
    )


def _open_spool(config: Config, directory: Path, name: str, owner: str) -> Spool:
    return Spool(
        spool_directory(config, directory) / name,
        owner=owner,
        max_bytes=config.filesystem.spool_max_bytes,
        local_max_bytes=config.filesystem.local_max_bytes,
    )


def _open_cache(config: Config, directory: Path, identity: str) -> Cache | None:
    """Open the cache of contents that come from afar; every mount of the same stores has the same."""
    own = config.filesystem
    if not isinstance(config.object_store, S3StoreSettings):
        return None
    return Cache(
        (own.cache_dir or directory / "cache") / identity,
        max_bytes=own.cache_max_bytes,
        min_free_bytes=own.cache_min_free_bytes,
    )


def _find_root(metadata: MetadataStore, subpath: AssetPath, *, read_only: bool) -> Directory:
    root = metadata.find_directory(subpath) if read_only else metadata.make_directories(subpath)
    if root is None:
        raise NoSuchName(f"{subpath.konifer} is not in the store")
    return root


def _rehearse(metadata: MetadataStore, root: Directory, *, read_only: bool) -> None:
    """Ask what a mount is asked first: the server takes milliseconds to plan a statement, and nobody waits yet."""
    metadata.refresh(root)
    metadata.find_child(root, _NOBODYS_NAME)
    next(metadata.list_children(root), None)
    metadata.list_each([root], 1)
    if not read_only:
        metadata.move_named(root, _NOBODYS_NAME, root, _NOBODYS_NAME, OnClash.REFUSE, 0)


def _read_settings(config: Config, dialect: Dialect, *, show_virtual: bool, read_only: bool) -> Settings:
    own = config.filesystem
    return Settings(
        defaults=Defaults(
            uid=os.getuid() if own.uid is None else own.uid,
            gid=os.getgid() if own.gid is None else own.gid,
            umask=own.umask,
        ),
        rules=config.paths,
        max_upload_bytes=config.max_upload_bytes,
        keep=own.on_overwrite is OnOverwrite.KEEP,
        durable_in_spool=own.durability is Durability.SPOOL,
        read_only=read_only,
        show_virtual=show_virtual,
        profiles=config.profiles,
        generation=config.variant_generation,
        dialect=dialect,
        capacity=own.capacity,
    )
