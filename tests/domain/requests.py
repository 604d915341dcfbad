"""Random requests, originals and profiles, for claims that hold for all of them."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from konifer_fs.domain.formats import ImageFormat
from konifer_fs.domain.transformation import ColorSpace, Filter, Fit, Flip, Gravity, Metadata, Request, Rotate
from konifer_fs.domain.variant import Attributes

_levels = st.integers(0, 255)
_fields = {
    "width": st.integers(1, 9000),
    "height": st.integers(1, 9000),
    "fit": st.sampled_from(Fit),
    "gravity": st.sampled_from(Gravity),
    "format": st.sampled_from(ImageFormat),
    "rotate": st.sampled_from(Rotate),
    "flip": st.sampled_from(Flip),
    "filter": st.sampled_from(Filter),
    "blur": st.integers(0, 150),
    "quality": st.integers(1, 100),
    "pad": st.integers(0, 300),
    "pad_color": st.tuples(_levels, _levels, _levels, _levels),
    "strip": st.frozensets(st.sampled_from(Metadata)),
    "color_space": st.sampled_from(ColorSpace),
}
_RARELY = 3

# The machine may be busy.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

requests = st.builds(Request, **{name: st.one_of([st.none()] * _RARELY + [one]) for name, one in _fields.items()})
originals = st.builds(
    Attributes,
    format=st.sampled_from(ImageFormat),
    width=st.integers(1, 3000),
    height=st.integers(1, 3000),
    color_space=st.sampled_from(["srgb", "p3", "grayscale", "adobe_rgb", "unknown", "a display's own"]),
)
orientations = st.integers(1, 8)
_names = st.text("ab.-_~é1", min_size=1, max_size=5) | st.sampled_from(["a.webp", "b.jpg", "original", "blurhash"])
profiles = st.dictionaries(_names, requests, max_size=3)
