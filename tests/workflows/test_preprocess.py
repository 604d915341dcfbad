"""What is stored of a file that was written, with an engine that notes what it is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import cast

import pytest

from konifer_fs.config import PathSettings, Preprocessing
from konifer_fs.domain.errors import ContentTooLarge, ContentUnreadable, KoniferFsError
from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import DECODABLE, Limits, Placeholder, Request, Rotate, Transformation
from konifer_fs.domain.variant import Attributes, Fingerprint, Json
from konifer_fs.ports import ImageEngine, Rendered
from konifer_fs.spool import Spool, SpoolFile
from konifer_fs.workflows.preprocess import Upload, preprocess
from konifer_fs.workflows.store_asset import plan_attempt

WRITTEN = b"what was written"
MADE = b"what was made of it"
SOURCE = Attributes(format=ImageFormat.PNG, width=40, height=20)
BLURHASH = frozenset({Placeholder.BLURHASH})
SHRINKING = PathSettings(preprocessing=Preprocessing(enabled=True, max_width=10))


@dataclass(slots=True)
class Engine:
    """Writes `MADE`, or fails; notes the operations."""

    failure: KoniferFsError | None = None
    asked: list[str] = field(default_factory=list)

    def orientation(self, source: Path) -> int:
        assert source.read_bytes() == WRITTEN
        self.asked.append("orientation")
        return 6

    def render(
        self, source: Path, target: Path, wanted: Transformation, limits: Limits, placeholders: frozenset[Placeholder]
    ) -> Rendered:
        assert (source.read_bytes(), limits) == (WRITTEN, DECODABLE)
        self.asked.append("render")
        if self.failure:
            raise self.failure
        target.write_bytes(MADE)
        made = Attributes(format=wanted.format, width=wanted.width, height=wanted.height)
        return Rendered(attributes=made, lqip={kind.value: "of the result" for kind in placeholders})

    def find_placeholders(self, source: Path, kinds: frozenset[Placeholder]) -> Json:
        assert source.read_bytes() == WRITTEN
        self.asked.append("find_placeholders")
        if self.failure:
            raise self.failure
        return {kind.value: "of what was written" for kind in kinds}


@dataclass(slots=True)
class Bench:
    """A file in a spool, and the engine."""

    spool: Spool
    file: SpoolFile
    engine: Engine = field(default_factory=Engine)

    @contextmanager
    def preprocessed(self, settings: PathSettings) -> Iterator[Upload]:
        with preprocess(cast(ImageEngine, self.engine), self.spool, self.file, SOURCE, settings) as upload:
            yield upload


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    spool = Spool(tmp_path / "spool", owner="tests", max_bytes=200, local_max_bytes=0)
    file = spool.create()
    file.pwrite(WRITTEN, 0)
    yield Bench(spool, file)
    assert list((tmp_path / "spool" / "renderings").iterdir()) == []
    file.discard()
    spool.close()


def fingerprint(content: bytes) -> Fingerprint:
    return Fingerprint(len(content), sha256(content).digest())


@pytest.mark.parametrize(
    "settings",
    [
        PathSettings(),
        PathSettings(preprocessing=Preprocessing(request=Request(width=1), max_width=1)),
        PathSettings(preprocessing=Preprocessing(enabled=True, max_width=40)),
        PathSettings(preprocessing=Preprocessing(enabled=True, request=Request(quality=1))),
    ],
)
def test_what_needs_no_work_is_stored_as_it_is_and_never_decoded(bench: Bench, settings: PathSettings) -> None:
    with bench.preprocessed(settings) as upload:
        assert (upload.path, upload.attributes, upload.lqip) == (bench.file.path, SOURCE, {})
        assert upload.content == upload.received == fingerprint(WRITTEN)
        assert upload.is_faithful
    assert bench.engine.asked == []


def test_what_is_made_of_it_is_stored_instead(bench: Bench) -> None:
    with bench.preprocessed(replace(SHRINKING, placeholders=BLURHASH)) as upload:
        assert upload.path.read_bytes() == MADE
        assert (upload.content, upload.received) == (fingerprint(MADE), fingerprint(WRITTEN))
        assert (upload.attributes.width, upload.attributes.height) == (10, 5)
        assert upload.lqip == {"blurhash": "of the result"}
        assert not upload.is_faithful
    assert bench.engine.asked == ["render"]


def test_the_orientation_is_read_where_it_counts(bench: Bench) -> None:
    settings = PathSettings(preprocessing=Preprocessing(enabled=True, request=Request(rotate=Rotate.AUTO)))
    with bench.preprocessed(settings) as upload:
        assert (upload.attributes.width, upload.attributes.height) == (20, 40)
    assert bench.engine.asked == ["orientation", "render"]


@pytest.mark.parametrize(
    ("failure", "lqip"), [(None, {"blurhash": "of what was written"}), (ContentUnreadable("a crash"), {})]
)
def test_placeholders_are_left_out_where_they_cannot_be_computed(
    bench: Bench, failure: KoniferFsError | None, lqip: Json
) -> None:
    bench.engine.failure = failure
    with bench.preprocessed(PathSettings(placeholders=BLURHASH)) as upload:
        assert (upload.path, upload.lqip) == (bench.file.path, lqip)
    assert bench.engine.asked == ["find_placeholders"]


def test_what_cannot_be_made_is_not_stored(bench: Bench) -> None:
    bench.engine.failure = ContentUnreadable("a crash")
    with pytest.raises(ContentUnreadable, match="a crash"), bench.preprocessed(SHRINKING):
        pytest.fail("there is nothing to store")


def test_a_result_over_the_limits_is_not_rendered(bench: Bench) -> None:
    settings = replace(SHRINKING, transform_limits=Limits(max_width=9))
    with pytest.raises(ContentTooLarge, match=r"the limit is 9$"), bench.preprocessed(settings):
        pytest.fail("there is nothing to store")
    assert bench.engine.asked == []


def test_an_upload_is_tried_again_under_its_names_unless_its_bytes_are_others(bench: Bench) -> None:
    with bench.preprocessed(PathSettings()) as upload:
        first = plan_attempt(None, upload, PathSettings(bucket="pictures"))
        assert first.original.bucket == "pictures"
        assert first.original.key.endswith(".png")
        assert plan_attempt(first, upload, PathSettings()) is first
    with bench.preprocessed(SHRINKING) as other:
        again = plan_attempt(first, other, PathSettings())
    assert (again.asset_id, again.original) != (first.asset_id, first.original)
    assert again.content == other.content
