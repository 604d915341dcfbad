"""What a transformation makes of a picture: whether a crop can be cut out of it. `test_transformation` has the rest."""

import pytest

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.outcome import is_within
from konifer_fs.domain.transformation import Fit, Rotate, Transformation
from konifer_fs.domain.variant import Attributes

PICTURE = Attributes(format=ImageFormat.PNG, width=40, height=20)


@pytest.mark.parametrize(
    ("width", "height", "rotate", "fits"),
    [
        (40, 10, Rotate.ZERO, True),
        (30, 20, Rotate.ZERO, True),
        (41, 20, Rotate.ZERO, False),
        (40, 21, Rotate.ZERO, False),
        (20, 40, Rotate.NINETY, True),
        (40, 20, Rotate.NINETY, False),
    ],
)
def test_a_crop_has_to_be_within_the_turned_picture(width: int, height: int, rotate: Rotate, fits: bool) -> None:
    wanted = Transformation(width=width, height=height, format=ImageFormat.PNG, fit=Fit.CROP, rotate=rotate)
    assert is_within(wanted, PICTURE) is fits


def test_what_enlarges_and_a_crop_that_may_not_have_what_they_need() -> None:
    fill = Transformation(width=50, height=30, format=ImageFormat.PNG, fit=Fit.FILL)
    crop = Transformation(width=50, height=30, format=ImageFormat.PNG, fit=Fit.CROP, can_upscale=False)
    assert is_within(fill, PICTURE)
    assert is_within(crop, PICTURE)
