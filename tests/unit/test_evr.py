"""Newer as rpm says: test_evr_as_rpm asks rpm itself."""

import pytest

from tuxmirror.core import evr


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0", "1.0.1"), ("1.9", "1.10"), ("1.0~rc1", "1.0"), ("1.0", "1.0^git1"),
        ("1.0^git1", "1.0.1"), ("1.a", "1.1"), ("1.0a", "1.0b"), ("6.el9_2", "6.el9_2.tuxcare.1"),
    ],
)  # fmt: skip
def test_known_pairs(older, newer):
    assert evr.compare(older, newer) < 0 < evr.compare(newer, older)


def test_the_epoch_outweighs_all():
    assert max([(0, "9", "9"), (1, "1", "1"), (1, "1", "2")], key=evr.key) == (1, "1", "2")
