"""The run page: one self-contained HTML file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from labelmill.domain.codecs.png.codec import encode_png
from labelmill.serving import html, plots
from labelmill.serving.run_data import Card, Curve, Run, best_curve, headline_evaluation
from labelmill.version import __version__


def render(run: Run) -> str:
    """The page as HTML; everything is inline, so it works offline and can be sent by mail."""
    shown = headline_evaluation(run)
    return html.template("run.html.j2").render(
        run=run,
        version=__version__,
        varied=_varying_parameters(run.curves),
        setting=_setting,
        sweep_plot=plots.sweep(run) if any(c.values for c in run.curves) else "",
        best=best_curve(run.curves, run.goal),
        shown=shown,
        confusion_plot=plots.confusion(shown.measures) if shown and shown.measures else "",
        left_out=max(0, len(shown.measures.classes) - plots.CONFUSED + 1)
        if shown and shown.measures and len(shown.measures.classes) > plots.CONFUSED
        else 0,
        timeline_plot=plots.timeline(run.batches, run.production_moved_at) if run.batches else "",
        picture=_picture,
        mistakes=sum(1 for card in run.cards if wrong(card)),
        wrong=wrong,
    )


def write(run: Run, path: Path) -> Path:
    """Renders the page and writes it to ``path``."""
    return html.write_page(render(run), path)


def wrong(card: Card) -> bool:
    """Whether the true class is known and differs from the label."""
    return card.truth is not None and card.truth != card.label


def _picture(card: Card) -> str:
    """The image as a data URI; empty when neither pixels nor thumbnail are small enough."""
    return html.picture(encode_png(card.pixels) if card.pixels is not None else card.thumbnail)


def _varying_parameters(curves: list[Curve]) -> list[str]:
    """Parameters that differ between trials; they are the table's columns."""
    keys = dict.fromkeys(key for curve in curves for key in _flat(curve.setting))
    return [
        key
        for key in keys
        if len({json.dumps(_flat(curve.setting).get(key)) for curve in curves}) > 1
    ]


def _flat(setting: dict[str, Any]) -> dict[str, Any]:
    """A setting with its nested learning parameters at one level."""
    flat: dict[str, Any] = {}
    for key, value in setting.items():
        flat.update(value if isinstance(value, dict) else {key: value})
    return flat


def _setting(curve: Curve, key: str) -> str:
    value = _flat(curve.setting).get(key, "")
    return "-".join(str(v) for v in value) if isinstance(value, list) else str(value)
