"""What others say of CVEs, from files: scores, vectors, dates.

Known by their shape, whatever a file is called:

    NVD       API 2.0: {"vulnerabilities": [{"cve": {"id": …, "metrics": …}}]}
    OSV       {"id": "GHSA-…", "aliases": ["CVE-…"], "severity": [{"type": "CVSS_V3", …}]}
    vendor    the Red Hat Security Data API: {"name": "CVE-…", "cvss3": …, "public_date": …}
    cves      ours: {"source": "vendor", "cves": [{"id": …, "scores": […], "disclosed": …}]}
    tracker   {"CVE": …, "OS name": "AlmaLinux 9.2 ESU", "Status": …}, one or a list: statuses

A score must be one of its vector and version: what contradicts itself is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Callable, NamedTuple

from ..errors import AdvisoryError
from .cve import Cve, Disclosure
from .formats.context import plain
from .model import Scope, is_cve
from .severity import NVD, VENDOR, Score
from .status import Status, StatusRecord

_NVD_SOURCE = "nvd@nist.gov"
_METRICS = {
    "cvssMetricV2": "2.0",
    "cvssMetricV30": "3.0",
    "cvssMetricV31": "3.1",
    "cvssMetricV40": "4.0",
}
_OSV_TYPES = {"CVSS_V2": "2.0", "CVSS_V3": "3", "CVSS_V4": "4.0"}
_VERSIONS = ("2.0", "3.0", "3.1", "4.0")
_OS_NAME = re.compile(r"AlmaLinux (\d+(?:\.\d+)?) ([A-Za-z]+)")
_SOURCE = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_Json = Mapping[str, Any]


class Data(NamedTuple):
    cves: list[Cve]
    statuses: list[StatusRecord]


def parse(data: bytes, name: str, wanted: Collection[str] | None = None) -> Data:
    """What one file says, of the CVEs in `wanted` (None: of all).

    Raises:
        AdvisoryError: not one of the shapes above, a score out of range or unlike its vector, a
            date that is none; names the file and the CVE.
    """
    try:
        document = json.loads(data)
    except ValueError as error:
        raise AdvisoryError(f"not JSON: {error}", path=name) from None
    reader = _reader(document)
    if reader is None:
        raise AdvisoryError(
            "data of CVEs in a form that nobody here knows",
            expected="NVD 2.0, OSV, Red Hat's security data, or ours (docs/advisory-files.md)",
            path=name,
        )
    try:
        found = reader(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise AdvisoryError(f"malformed data of CVEs: {error!r}", path=name) from None
    except AdvisoryError as error:
        raise error.located(path=name) from None
    cves = [_shown(cve) for cve in found.cves if wanted is None or cve.id in wanted]
    return Data(cves, [r._replace(statement=plain(r.statement)) for r in found.statuses])


def _shown(cve: Cve) -> Cve:
    """With a text that pages and other formats can carry."""
    text = plain(cve.description)
    return cve if text == cve.description else replace(cve, description=text)


def _reader(document: Any) -> Callable[[Any], Data] | None:
    first = document[0] if isinstance(document, list) and document else document
    if not isinstance(first, dict):
        return None
    if "vulnerabilities" in first:
        return _nvd
    if "cves" in first:
        return _ours
    if "CVE" in first and "Status" in first:
        return _tracker
    if "cve" in first and isinstance(first["cve"], dict):
        return lambda one: _nvd({"vulnerabilities": one if isinstance(one, list) else [one]})
    if "name" in first and is_cve(str(first["name"])):
        return lambda one: Data(
            [_red_hat(c) for c in (one if isinstance(one, list) else [one])], []
        )
    if "id" in first and ("affected" in first or "modified" in first):
        return lambda one: Data(
            [c for o in (one if isinstance(one, list) else [one]) for c in _osv(o)], []
        )
    return None


# --- scores -----------------------------------------------------------------------------------


def checked(
    cve: str, source: str, version: str, value: Any, vector: str, date: int | None
) -> Score:
    """A score that can be one.

    Raises:
        AdvisoryError: out of range, of no version, or not what its vector says.
    """
    if version not in _VERSIONS:
        raise AdvisoryError(
            f"{cve}: no CVSS version", expected=", ".join(_VERSIONS), found=repr(version)
        )
    computed = _of_vector(cve, version, vector) if vector else None
    if value is None:
        if computed is None:
            raise AdvisoryError(f"{cve}: neither a score nor a vector", path=None)
        return Score(source, version, computed, vector, date)
    number = float(value)
    if isinstance(value, bool) or not 0.0 <= number <= 10.0:
        raise AdvisoryError(
            f"{cve}: a score out of range", expected="0.0 to 10.0", found=repr(value)
        )
    number = round(number, 1)
    if computed is not None and computed != number:
        raise AdvisoryError(
            f"{cve}: {source}'s score is not that of its vector",
            expected=f"{computed} for {vector}",
            found=str(number),
        )
    return Score(source, version, number, vector, date)


def _of_vector(cve: str, version: str, vector: str) -> float:
    from cvss import CVSS2, CVSS3, CVSS4, CVSSError

    makers = {"2": CVSS2, "3": CVSS3, "4": CVSS4}
    try:
        made = makers[version[0]](vector.strip("()") if version[0] == "2" else vector)
    except CVSSError as error:
        raise AdvisoryError(
            f"{cve}: a vector that is none", found=f"{vector[:200]!r}: {error}"
        ) from None
    return float(made.base_score)


# --- the forms --------------------------------------------------------------------------------


def _nvd(document: _Json) -> Data:
    return Data([_nvd_cve(item["cve"]) for item in document["vulnerabilities"]], [])


def _nvd_cve(cve: _Json) -> Cve:
    name = _name(cve["id"])
    date = _date(cve["lastModified"]) if "lastModified" in cve else None
    scores = []
    for key, metrics in cve.get("metrics", {}).items():
        for metric in metrics if key in _METRICS else ():
            data = metric["cvssData"]
            source = (
                NVD if metric.get("source") == _NVD_SOURCE else _source(metric.get("source", ""))
            )
            version = str(data.get("version", _METRICS[key]))
            vector = str(data.get("vectorString", ""))
            scores.append(checked(name, source, version, data["baseScore"], vector, date))
    texts = [d["value"] for d in cve.get("descriptions", ()) if d.get("lang") == "en"]
    cwes = {
        d["value"]
        for w in cve.get("weaknesses", ())
        for d in w.get("description", ())
        if str(d.get("value", "")).startswith("CWE-")
    }
    disclosed = [_disclosure(NVD, cve["published"])] if "published" in cve else []
    rejected = cve.get("vulnStatus") == "Rejected"
    return Cve(
        name, texts[0] if texts else "", tuple(sorted(set(scores), key=_key)), tuple(disclosed),
        tuple(sorted(cwes)), rejected=rejected,
    )  # fmt: skip


def _osv(document: _Json) -> list[Cve]:
    names = [n for n in (document["id"], *document.get("aliases", ())) if is_cve(str(n))]
    source = _source(str(document["id"]).partition("-")[0])
    date = _date(document["modified"])
    disclosed = [_disclosure(source, document["published"])] if "published" in document else []
    found = []
    for name in names:
        scores = []
        for item in document.get("severity") or ():
            version = _OSV_TYPES.get(item["type"])
            vector = str(item["score"])
            if version is None:
                continue
            if version == "3":
                version = "3.0" if vector.startswith("CVSS:3.0/") else "3.1"
            scores.append(checked(name, source, version, None, vector, date))
        text = str(document.get("details") or document.get("summary") or "")
        found.append(Cve(name, text, tuple(sorted(set(scores), key=_key)), tuple(disclosed)))
    return found


def _red_hat(document: _Json) -> Cve:
    name = _name(document["name"])
    scores = []
    cvss3 = document.get("cvss3") or {}
    if cvss3:
        vector = str(cvss3.get("cvss3_scoring_vector", ""))
        version = "3.0" if vector.startswith("CVSS:3.0/") else "3.1"
        scores.append(checked(name, VENDOR, version, cvss3.get("cvss3_base_score"), vector, None))
    text = " ".join(document.get("details") or ())
    public = document.get("public_date")
    disclosed = [_disclosure(VENDOR, public)] if public else []
    cwe = document.get("cwe")
    cwes = tuple(re.findall(r"CWE-\d+", cwe)) if isinstance(cwe, str) else ()
    return Cve(name, text, tuple(scores), tuple(disclosed), cwes)


def _ours(document: _Json) -> Data:
    source = _source(document.get("source", VENDOR))
    found = []
    seen: set[str] = set()
    for item in document["cves"]:
        unknown = item.keys() - {"id", "description", "scores", "disclosed", "cwes", "rejected"}
        if unknown:
            raise AdvisoryError(f"{item.get('id')}: unknown key '{sorted(unknown)[0]}'")
        name = _name(item["id"])
        if name in seen:
            raise AdvisoryError(f"{name} is there twice", expected="all of it in one place")
        seen.add(name)
        scores = [
            checked(
                name, _source(s.get("source", source)), str(s["version"]), s.get("score"),
                str(s.get("vector", "")), _date(s["date"]) if "date" in s else None,
            )
            for s in item.get("scores", ())
        ]  # fmt: skip
        disclosed = [_disclosure(source, item["disclosed"])] if "disclosed" in item else []
        found.append(
            Cve(
                name, str(item.get("description", "")), tuple(sorted(set(scores), key=_key)),
                tuple(disclosed), tuple(map(str, item.get("cwes", ()))),
                rejected=item.get("rejected") is True,
            )
        )  # fmt: skip
    return Data(found, [])


def _tracker(document: Any) -> Data:
    cves, statuses = [], []
    for item in document if isinstance(document, list) else [document]:
        name = _name(item["CVE"])
        match = _OS_NAME.fullmatch(item["OS name"])
        if match is None:
            continue
        updated = _date(item["Last updated"])
        status = Status(item["Status"])
        if status is not Status.RELEASED:
            scope = Scope(match[1], match[2].lower())
            statuses.append(
                StatusRecord(
                    name, scope, str(item["Project name"]), status, str(item.get("Version", "")),
                    str(item.get("Statement", "")), updated,
                )
            )  # fmt: skip
        if item.get("Score"):
            score = checked(name, "tracker", "3.1", item["Score"], "", updated)
            cves.append(Cve(name, scores=(score,)))
    return Data(cves, statuses)


def _name(text: Any) -> str:
    if not isinstance(text, str) or not is_cve(text):
        raise AdvisoryError(
            "an id that is no CVE's", expected="CVE-YYYY-NNNN", found=repr(text)[:100]
        )
    return text


def _source(text: Any) -> str:
    name = str(text).lower()
    return name if _SOURCE.fullmatch(name) else "other"


def _key(score: Score) -> tuple[object, ...]:
    return (*score[:4], score.date or 0)


def _disclosure(source: str, text: Any) -> Disclosure:
    seconds = _date(text)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    midnight = (moment.month, moment.day, moment.hour, moment.minute, moment.second) == (
        1,
        1,
        0,
        0,
        0,
    )
    return Disclosure(source, seconds, midnight)


def _date(text: Any) -> int:
    from .documents import Node

    # Nobody has told the time here: what lies in the future is noticed where the clock is known.
    return Node(str(text), "").date("a date", 4_102_444_800)
