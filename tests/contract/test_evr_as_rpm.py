"""Newer as rpm says: its own labelCompare is the judge."""

import rpm
from hypothesis import given
from hypothesis import strategies as st

from tuxmirror.core import evr

VERSIONS = st.text(alphabet="0123456789abAB.~^_+", min_size=1, max_size=9)


@given(VERSIONS, VERSIONS)
def test_it_agrees_with_rpm(one, other):
    ours, theirs = ("0", one, "1"), ("0", other, "1")
    expected = rpm.labelCompare(ours, theirs)
    found = evr.compare(one, other)
    assert (found > 0) - (found < 0) == expected
