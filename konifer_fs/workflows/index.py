"""Recording the sizes of all objects that Konifer stored, from a listing of the buckets: 1,000 keys a request.

`konifer-fs index` runs it. What is recorded stays so when it is cut off: it goes on with what is left.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from uuid import UUID

from konifer_fs.domain.errors import StoreRefused
from konifer_fs.ports import Examiner, ObjectStore
from konifer_fs.workflows.compare import BATCH, in_order, paged


def index(
    examiner: Examiner, objects: ObjectStore, buckets: Iterable[str], progress: Callable[[int], None]
) -> tuple[int, Sequence[StoreRefused]]:
    """Record them; gives how many, and why buckets could not be listed. `progress` is told of how many more.

    Raises:
        StoreUnreachable: a store does not answer; what was recorded until then stays.
    """
    recorded, refused = 0, []
    for bucket in sorted(buckets):
        try:
            for page in paged(_look_for_all(examiner, objects, bucket), BATCH):
                sizes = {variant: size for variant, size in page if size is not None}
                recorded += examiner.record_sizes(sizes)
                progress(len(page))
        except StoreRefused as error:
            refused.append(error)
    return recorded, refused


def _look_for_all(examiner: Examiner, objects: ObjectStore, bucket: str) -> Iterator[tuple[UUID, int | None]]:
    """Give each variant whose size is not known, and the size of its object, None where it is not there."""
    rows = chain.from_iterable(examiner.stream_unsized(bucket))
    first = next(rows, None)
    if first is None:
        return
    # What comes before the first is passed over; its key but for the last character sorts before it.
    listed = in_order(chain.from_iterable(objects.list_objects(bucket, first.ref.key[:-1])), bucket)
    found = next(listed, None)
    for row in chain([first], rows):
        while found is not None and found.key < row.ref.key:
            found = next(listed, None)
        if row.variant is not None:
            yield row.variant, found.size if found is not None and found.key == row.ref.key else None
