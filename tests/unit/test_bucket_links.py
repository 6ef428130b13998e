"""How long a signature is good with which nginx fetches from a bucket."""

import pytest

from tuxmirror.adapters.http_bucket import BucketContent
from tuxmirror.core.snapshot import File


class Contents:
    def presigned(self, name, seconds):
        return f"https://s3.example/bucket/{name}?Expires={seconds}"


@pytest.mark.parametrize(
    ("size", "seconds"), [(1, 3600), (10 << 30, 3600 + 81920), (1 << 40, 604800)]
)
def test_a_large_content_may_be_read_for_longer(size, seconds):
    content = BucketContent(Contents(), Contents())
    sha = "ab" * 32
    assert content.presigned(File("x", sha, size)) == f"/bucket/ab/{sha}?Expires={seconds}"
