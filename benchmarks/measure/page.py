"""Results as Markdown and as pictures; made from what the JSON files hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

MET = {True: "yes", False: "no", None: "–"}

_ROOM, _BAR, _GAP = 380, 18, 8
_LETTER = 6.8
"""Pixels that a letter takes at most, on the mean of a text."""


def number(value: float | None) -> str:
    """Three digits, thousands apart."""
    if value is None:
        return "–"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def promised(figure: Mapping[str, Any]) -> str:
    """``≥ 0.5``, ``≤ 10``, or a dash."""
    if figure.get("at_least") is not None:
        return f"≥ {number(figure['at_least'])}"
    if figure.get("at_most") is not None:
        return f"≤ {number(figure['at_most'])}"
    return "–"


def ratio(value: float) -> str:
    """Three places: a comparison is about hundredths."""
    return f"{value:.3f} ×"


def markdown(
    results: Sequence[Mapping[str, Any]], against: Sequence[Mapping[str, Any]] = ()
) -> str:
    """The page: all figures first, then comparisons with another commit, then each benchmark."""
    lines = [
        "# Measured",
        "",
        "Made by `bin/bench`; do not edit. min / median / max over the repetitions. Ratios are taken",
        "pair by pair within one run, so they hold on other machines better than the rates do.",
        "",
    ]
    if not results and not against:
        return "\n".join([*lines, "Nothing has been measured yet.", ""])
    lines += [
        "| benchmark | what | min | median | max | promised | aim | met |",
        "|---|---|--:|--:|--:|--:|--:|---|",
    ]
    for result in results:
        name = result["benchmark"]
        for figure in result["figures"]:
            unit = f" {figure['unit']}"
            cells = [f"[{name}](#{name})", figure["what"]]
            cells += [number(figure[key]) + unit for key in ("min", "median", "max")]
            cells += [promised(figure), number(figure["aim"]), MET[figure["met"]]]
            lines.append(f"| {' | '.join(cells)} |")
    if against:
        lines += ["", *_comparisons(against)]
    for result in results:
        lines += ["", *_section(result)]
    return "\n".join(lines) + "\n"


def _comparisons(against: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [
        "## Against another commit",
        "",
        "`bin/bench NAME --against COMMIT`: this / that, pair by pair in one run.",
        "",
        "| benchmark | who | min | median | max | this | that | repetitions | load average | date |",
        "|---|---|--:|--:|--:|---|---|--:|--:|---|",
    ]
    for one in against:
        name = one["benchmark"] + (" (quick: says nothing)" if one["quick"] else "")
        for row in one["ratios"]:
            cells = [name, row["who"], *(ratio(row[key]) for key in ("min", "median", "max"))]
            cells += [one["this"], one["that"], str(one["repetitions"])]
            cells += [str(one["load_average_at_start"][0]), one["date"]]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def _section(result: Mapping[str, Any]) -> list[str]:
    machine = result["machine"]
    lines = [f"## {result['benchmark']}", "", result["claim"], ""]
    if result["quick"]:
        lines += ["**A quick run: too small to say anything about speed.**", ""]
    lines += ["| who | min | median | max | unit | what exactly |", "|---|--:|--:|--:|---|---|"]
    for row in result["rows"]:
        cells = [row["who"], *(number(row[key]) for key in ("min", "median", "max"))]
        lines.append(f"| {' | '.join([*cells, row['unit'], row['note']])} |")
    lines += ["", f"![{result['benchmark']}]({result['benchmark']}.svg)", ""]
    lines += [f"- {sentence}" for sentence in [result["limit"], *result["notes"]] if sentence]
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    load = ", ".join(str(value) for value in result["load_average_at_start"])
    lines += [
        (
            f"- {result['date']}, commit {result['commit']}, {result['repetitions']} repetitions; load "
            f"average at the start {load}; busy with something else at {result['restless_starts']} of "
            f"{result['starts']} starts."
        ),
        (
            f"- {machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB; "
            f"{machine['system']}; Python {machine['python']}; {machine['java']}; {versions}."
        ),
    ]
    return lines


def bars(rows: Sequence[Mapping[str, Any]]) -> str:
    """Medians as bars with their range, as SVG; one scale for each unit."""
    largest: dict[str, float] = {}
    for row in rows:
        largest[row["unit"]] = max(largest.get(row["unit"], 0.0), row["max"])
    labels = [f"{number(row['median'])} {row['unit']}" for row in rows]
    left, right = (
        _LETTER * max(map(len, texts), default=0) + 2 * _GAP
        for texts in ([row["who"] for row in rows], labels)
    )
    width, height = left + _ROOM + right, len(rows) * (_BAR + _GAP) + _GAP
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
            'font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{width:.0f}" height="{height}" fill="white"/>',
    ]
    for position, (row, label) in enumerate(zip(rows, labels, strict=True)):
        top = _GAP + position * (_BAR + _GAP)
        middle = top + _BAR / 2
        low, median, high = (
            left + _ROOM * row[key] / (largest[row["unit"]] or 1.0)
            for key in ("min", "median", "max")
        )
        parts += [
            (
                f'<text x="{left - _GAP:.0f}" y="{middle + 4:.0f}" text-anchor="end">'
                f"{escape(row['who'])}</text>"
            ),
            (
                f'<rect x="{left:.1f}" y="{top}" width="{max(median - left, 1):.1f}" height="{_BAR}" '
                'fill="#4878a8"/>'
            ),
            f'<path d="M{low:.1f} {middle}H{high:.1f}" stroke="black" stroke-width="2"/>',
            f'<text x="{high + 6:.0f}" y="{middle + 4:.0f}">{escape(label)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"
