"""The state of all trees as one HTML page without scripts. Documents of `usecases.status` in."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from .health import ATTENTION, OK, TROUBLE, ago

_WORDS = {OK: "well", ATTENTION: "look at it", TROUBLE: "needs you"}
_MARKS = {OK: "✓", ATTENTION: "!", TROUBLE: "✗"}

_STYLE = """
:root { color-scheme: light dark;
  --back: #f6f7f9; --card: #fff; --text: #1b1f24; --soft: #59636e; --line: #d5dae1;
  --ok: #1a7f37; --attention: #8a5a00; --trouble: #b3261e; }
@media (prefers-color-scheme: dark) { :root {
  --back: #0f1318; --card: #171c23; --text: #e4e8ed; --soft: #9aa5b1; --line: #2e3742;
  --ok: #56c271; --attention: #e2b03c; --trouble: #ff8078; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 3rem; background: var(--back);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 0; }
.when { color: var(--soft); margin: 0 0 1.2rem; }
section { background: var(--card); border: 1px solid var(--line); border-left-width: .35rem;
  border-radius: .5rem; margin: 0 0 1rem; padding: .9rem 1.1rem; }
section.ok { border-left-color: var(--ok); }
section.attention { border-left-color: var(--attention); }
section.trouble { border-left-color: var(--trouble); }
header { display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: baseline;
  justify-content: space-between; }
.level { font-weight: 600; }
.ok .level { color: var(--ok); } .attention .level { color: var(--attention); }
.trouble .level { color: var(--trouble); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: .6rem 0 .3rem; width: 100%; }
th, td { border-top: 1px solid var(--line); padding: .3rem .8rem .3rem 0; text-align: left;
  vertical-align: top; white-space: nowrap; }
th { border: 0; color: var(--soft); font-weight: 500; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
code { font: .93em ui-monospace, monospace; }
ul { margin: .5rem 0 .2rem; padding-left: 1.2rem; overflow-wrap: anywhere; }
li.trouble { color: var(--trouble); } li.attention { color: var(--attention); }
.facts { color: var(--soft); margin: .3rem 0 0; }
"""


def render(trees: Sequence[Mapping[str, Any]], now: float, tool: str) -> bytes:
    """UTF-8. `now` in seconds since the epoch."""
    made = _utc(int(now))
    body = "".join(_tree(tree, now) for tree in trees) or "<p>No tree is configured.</p>"
    page = (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # It names hosts and errors: for the operator alone.
        '<meta name="robots" content="noindex"><meta http-equiv="refresh" content="60">\n'
        f"<title>{escape(summary(trees))}</title>\n<style>{_STYLE}</style></head>\n"
        f"<body><main><h1>{escape(summary(trees))}</h1>\n"
        f'<p class="when">As of {made}, by {escape(tool)}</p>\n{body}</main></body></html>\n'
    )
    return page.encode()


def summary(trees: Sequence[Mapping[str, Any]]) -> str:
    """`3 trees: 2 well, 1 needs you`."""
    levels = [tree["level"] for tree in trees]
    if not levels:
        return "no tree is configured"
    counts = [f"{levels.count(level)} {_WORDS[level]}" for level in _WORDS if level in levels]
    number = f"{len(levels)} tree" if len(levels) == 1 else f"{len(levels)} trees"
    return f"{number}: {', '.join(counts)}"


def word(level: str) -> str:
    """A mark and what it means: never by colour alone."""
    return f"{_MARKS[level]} {_WORDS[level]}"


def _tree(tree: Mapping[str, Any], now: float) -> str:
    level = tree["level"]
    found = "".join(
        f'<li class="{finding["level"]}">{escape(finding["text"])}</li>'
        for finding in tree["findings"]
    )
    return (
        f'<section class="{level}"><header><h2>{escape(tree["tree"])}</h2>'
        f'<span class="level">{word(level)}</span></header>\n'
        f"{f'<ul>{found}</ul>' if found else ''}"
        f'<div class="scroll"><table><thead><tr><th scope="col">channel</th>'
        '<th scope="col">snapshot</th><th scope="col" class="number">packages</th>'
        '<th scope="col">made</th><th scope="col">still served</th></tr></thead>\n<tbody>'
        f"{_rows(tree, now)}</tbody></table></div>"
        f'<p class="facts">{escape(", ".join(facts(tree, now)))}</p>{_quarantine(tree)}</section>\n'
    )


def _rows(tree: Mapping[str, Any], now: float) -> str:
    rows = {**tree["channels"], "candidate": tree["candidate"]}
    return "".join(_row(name, state, now) for name, state in rows.items())


def _row(name: str, state: Mapping[str, Any] | None, now: float) -> str:
    if state is None:
        return f"<tr><td>{escape(name)}</td><td colspan=4>shows nothing</td></tr>"
    snapshot = f"<code>{escape(str(state.get('snapshot', '')))}</code>"
    if "error" in state:
        return (
            f"<tr><td>{escape(name)}</td><td>{snapshot}</td>"
            f"<td colspan=3>{escape(str(state['message']))}</td></tr>"
        )
    kept = f"{state['retained']} expired files" if state.get("retained") else ""
    return (
        f"<tr><td>{escape(name)}</td><td>{snapshot}</td>"
        f'<td class="number">{state["packages"]}</td><td>{ago(state["created"], now)}</td>'
        f"<td>{kept}</td></tr>"
    )


def facts(tree: Mapping[str, Any], now: float) -> list[str]:
    """What is neither good nor bad."""
    found = [
        f"last {tree['comes_by']} {ago(tree['last_sync'], now) if tree['last_sync'] else 'never'}"
    ]
    if tree["upstream_time"]:
        found.append(f"upstream moved {ago(tree['upstream_time'], now)}, by its TIME")
    found.append(_verified(tree.get("last_verify"), now))
    for channel, policy in tree.get("policy", {}).items():
        if policy["held"]:
            until = policy["until"]
            when = f", the next until {_utc(until)}" if until else ""
            found.append(f"{policy['held']} packages kept back from {channel} by its policy{when}")
    if tree["metadata_signature"] == "pinned":
        found.append("metadata without a signature: pinned by SHA-256")
    if tree["metadata_signature"] == "local":
        found.append("packages of our own")
    return found


def _verified(last: Mapping[str, Any] | None, now: float) -> str:
    if not last:
        return "never verified"
    what = "damaged" if last["damaged"] else "all as it was"
    if last["repaired"] and not last["damaged"]:
        what = f"{last['repaired']} repaired"
    return f"verified {ago(last['time'], now)}: {what}"


def _utc(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _quarantine(tree: Mapping[str, Any]) -> str:
    items = "".join(
        f"<li>{escape(str(error.get('path')))}: {escape(str(error['message']))}"
        f"<br><code>{escape(str(error['file']))}</code></li>"
        for error in tree["quarantine"]
    )
    return f"<ul>{items}</ul>" if items else ""
