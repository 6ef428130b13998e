"""What `tuxctl verify` looks at, a module a subject; each yields rows.

    repositories   the repository files, dnf's settings, the plugin
    keys           signing keys: files, fingerprints, rpm's own
    packages       the rpm database against the pins, signatures, files on disk
    crypto         FIPS mode of kernel, boot loader, OpenSSL and crypto policy

Rows carry the ids of DISA's STIG for AlmaLinux OS 9 (V1R3 and later) where one asks the same; they
are stricter where its command misses something, and say so.
"""

from typing import Any, Dict, List, NamedTuple, Optional

PASS = "pass"  # noqa: S105  # a verdict
FAIL = "fail"
WARN = "warn"
SKIP = "skip"


class Row(NamedTuple):
    """One thing that was looked at. `state`: pass, fail, warn or skip; `hint`: the way out."""

    id: str
    stig: Optional[str]
    title: str
    state: str
    detail: str = ""
    hint: Optional[str] = None

    def document(self) -> Dict[str, Any]:
        return dict(self._asdict())


def judge(
    id: str, stig: Optional[str], title: str, problems: List[str], hint: str, good: str = ""
) -> Row:
    """A row that fails if there are problems."""
    if problems:
        return Row(id, stig, title, FAIL, "; ".join(problems), hint)
    return Row(id, stig, title, PASS, good)
