"""What S3 must allow: what docs/OPERATING.md says, of which nothing can be missing. moto can hold to policies."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import boto3
import pytest

from konifer_fs.adapters.s3 import S3ObjectStore
from konifer_fs.domain.errors import KoniferFsError, StoreRefused
from konifer_fs.domain.variant import ObjectRef
from tests.servers import S3Server, run_moto

BUCKET: Final = "assets"
REF: Final = ObjectRef(BUCKET, "key.jpeg")
PARTS: Final = ObjectRef(BUCKET, "in-parts.jpeg")
# Of a user: it is made, its policy, its key. And the bucket.
ACTIONS_BEFORE: Final = 3 * 5 + 1

Use = Callable[[S3ObjectStore, Path], object]


def policy(*, without: tuple[str, ...] = ()) -> str:
    """Give the policy of the page, without some actions."""
    page = (Path(__file__).parents[2] / "docs" / "OPERATING.md").read_text()
    found = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert found
    said: dict[str, Any] = json.loads(found[1])
    for statement in said["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        # AWS asks for s3:ListBucket when a bucket is looked for, and moto for an action of its own.
        actions += ["s3:HeadBucket"] * ("s3:ListBucket" in actions)
        statement["Action"] = [action for action in actions if action not in without] or ["s3:GetBucketTagging"]
    return json.dumps(said)


CHANGING: Final = ("s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload")
POLICIES: Final[Mapping[str, tuple[str, ...]]] = {
    "all": (),
    "reading": CHANGING,
    "no get": ("s3:GetObject",),
    "no delete": ("s3:DeleteObject",),
    "no list": ("s3:ListBucket",),
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, S3ObjectStore]]:
    """Give a store for each policy, of one server that holds to them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INITIAL_NO_AUTH_ACTION_COUNT", str(ACTIONS_BEFORE))
        with run_moto(tmp_path_factory.mktemp("moto")) as server:
            made = {name: make_store(server, name, policy(without=without)) for name, without in POLICIES.items()}
            server.make_bucket(BUCKET)
            yield made
            for store in made.values():
                store.close()


def make_store(server: S3Server, name: str, text: str) -> S3ObjectStore:
    user = name.replace(" ", "-")
    session = boto3.session.Session(aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1")
    with closing(session.client("iam", endpoint_url=server.endpoint_url)) as client:
        client.create_user(UserName=user)
        client.put_user_policy(UserName=user, PolicyName="mount", PolicyDocument=text)
        key = client.create_access_key(UserName=user)["AccessKey"]
    return server.make_store(access_key=key["AccessKeyId"], secret_key=key["SecretAccessKey"])


@pytest.fixture
def source(tmp_path: Path, stores: dict[str, S3ObjectStore]) -> Path:
    """Give a file that is the object `REF`, too."""
    path = tmp_path / "source"
    path.write_bytes(b"picture")
    stores["all"].put(REF, path, "image/jpeg")
    return path


def put_in_parts(store: S3ObjectStore, source: Path) -> None:
    with source.open("r+b") as file:
        file.truncate(20 << 20)
    store.put(PARTS, source, "image/jpeg")


READING: Final[Mapping[str, Use]] = {
    "fetch": lambda store, _: store.fetch(REF, BytesIO()),
    "size": lambda store, _: store.size(REF),
    "find": lambda store, _: store.find_object(REF),
    "list": lambda store, _: list(store.list_objects(BUCKET)),
}
WRITING: Final[Mapping[str, Use]] = {
    "check": lambda store, _: store.check(BUCKET),
    "put": lambda store, source: store.put(REF, source, "image/jpeg"),
    "put in parts": put_in_parts,
    "delete": lambda store, _: store.delete(REF),
}


@pytest.mark.parametrize("use", [*READING, *WRITING])
def test_the_policy_of_the_page_allows_all_that_a_mount_does(
    stores: dict[str, S3ObjectStore], source: Path, use: str
) -> None:
    {**READING, **WRITING}[use](stores["all"], source)


@pytest.mark.parametrize("use", READING)
def test_who_only_reads_needs_less(stores: dict[str, S3ObjectStore], source: Path, use: str) -> None:
    READING[use](stores["reading"], source)


@pytest.mark.parametrize(
    ("name", "use"),
    [("reading", "put"), ("reading", "check"), ("no get", "fetch"), ("no delete", "delete"), ("no list", "list")],
)
def test_nothing_of_it_can_be_missing(stores: dict[str, S3ObjectStore], source: Path, name: str, use: str) -> None:
    with pytest.raises(KoniferFsError) as raised:
        {**READING, **WRITING}[use](stores[name], source)
    assert raised.type is StoreRefused
