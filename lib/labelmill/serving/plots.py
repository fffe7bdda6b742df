"""Plots as inline SVG, so that a page is one file that works offline."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import numpy as np
from matplotlib import dates, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from labelmill.domain.models.metrics import Evaluation
from labelmill.serving.run_data import MicroBatchRow, Run, best_curve
from labelmill.serving.shown_confusion import shown_matrix

# Okabe and Ito's palette: distinguishable with every common kind of colour blindness.
VERSION_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
CONFUSED = 40
"""Most classes of a confusion matrix whose names can be read."""

_INK, _FAINT = "#1f2933", "#cbd2d9"
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: small, searchable
    "svg.hashsalt": "labelmill",  # the same plot is the same bytes
    "font.family": "sans-serif",
    "font.size": 10,
    "text.parse_math": False,  # a class may be called $x$
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def sweep(run: Run) -> str:
    """The metric per epoch, one line per trial; the best is highlighted and named."""
    with rc_context(_STYLE):
        figure, axes = _figure(7.4, 3.6)
        drawn = [c for c in run.curves if c.values]
        strongest = best_curve(drawn, run.goal)
        for curve in drawn:
            strong = curve is strongest
            axes.plot(
                curve.steps,
                curve.values,
                color=VERSION_COLOURS[0] if strong else "#9aa5b1",
                linewidth=2.4 if strong else 1.2,
                marker="o" if len(curve.steps) == 1 else None,
                zorder=3 if strong else 2,
            )
        if strongest is not None:
            axes.annotate(
                f"version {strongest.version}: {strongest.values[-1]:.4f}",
                (strongest.steps[-1], strongest.values[-1]),
                textcoords="offset points",
                xytext=(6, 0),
                va="center",
                color=VERSION_COLOURS[0],
                fontweight="bold",
            )
            low = min(min(c.values[len(c.values) // 3 :]) for c in drawn)
            high = max(max(c.values) for c in drawn)
            margin = max(0.004, (high - low) * 0.12)
            axes.set_ylim(low - margin, high + margin)
            # Room for the name of the best, beside its end.
            epochs = max(c.steps[-1] for c in drawn)
            axes.set_xlim(min(1, epochs - 1), 1 + 1.24 * (epochs - 1))
            ticks = MaxNLocator(8, integer=True).tick_values(1, epochs)
            axes.set_xticks([tick for tick in ticks if 1 <= tick <= epochs])
        axes.set_xlabel("epoch")
        axes.set_ylabel(run.metric.replace("_", " "))
        axes.grid(axis="y", color="#e4e7eb", linewidth=0.8)
        return _svg(figure)


def confusion(measured: Evaluation) -> str:
    """The confusion matrix: rows are true classes; mistakes are shaded by share of the row.

    Of more than `CONFUSED` classes, the most confused are shown and the others are one.
    """
    with rc_context(_STYLE):
        shown = shown_matrix(measured, CONFUSED)
        matrix, classes = shown.counts.astype(float), shown.names
        side = min(8.0, 1.6 + 0.42 * len(classes))
        figure, axes = _figure(side, side)
        share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        wrong = share.copy()
        np.fill_diagonal(wrong, 0.0)
        right = np.zeros_like(share)
        np.fill_diagonal(right, np.diag(share))
        axes.imshow(np.ma.masked_equal(right, 0), cmap="Blues", vmin=0, vmax=1.6)
        axes.imshow(
            np.ma.masked_equal(wrong, 0), cmap="OrRd", vmin=-0.05, vmax=max(0.1, wrong.max())
        )
        if len(classes) <= 20:
            for (row, column), count in np.ndenumerate(matrix):
                if count:
                    axes.text(column, row, f"{int(count)}", ha="center", va="center", fontsize=8)
        names = [n if len(n) <= 24 else f"{n[:23]}…" for n in classes]
        turned = 90 if max((len(n) for n in names), default=0) > 3 else 0
        axes.set_xticks(range(len(names)), names, rotation=turned)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("label")
        axes.set_ylabel("true class")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return _svg(figure)


def timeline(batches: Sequence[MicroBatchRow], moved_at: datetime | None) -> str:
    """Micro-batches over time, coloured by pinned version; a line marks when the alias moved."""
    with rc_context(_STYLE):
        figure, axes = _figure(7.4, 2.6)
        versions = list(dict.fromkeys(b.version for b in batches))
        colour = {v: VERSION_COLOURS[i % len(VERSION_COLOURS)] for i, v in enumerate(versions)}
        day = 86_400_000.0
        tops: dict[datetime, int] = {}
        for batch in batches:
            below = tops.get(batch.started_at, 0)
            tops[batch.started_at] = below + batch.rows
            axes.bar(
                float(dates.date2num(batch.started_at)),
                batch.rows,
                bottom=below,
                width=max(batch.milliseconds, 120) / day,
                align="edge",
                color=colour[batch.version],
                edgecolor="white",
                linewidth=0.6,
            )
        if moved_at is not None and batches and moved_at >= batches[0].started_at:
            moment = float(dates.date2num(moved_at))
            axes.axvline(moment, color=_INK, linestyle="--", linewidth=1)
            axes.annotate(
                "alias moved",
                (moment, 1.0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                xytext=(4, -2),
                va="top",
                fontsize=9,
            )
        axes.set_ylim(0, 1.2 * max(1, *tops.values(), 1))  # room for the words above
        axes.xaxis_date(tz=timezone.utc)
        locator = dates.AutoDateLocator(minticks=3, maxticks=7)
        axes.xaxis.set_major_locator(locator)
        days = bool(batches) and (batches[-1].started_at - batches[0].started_at).days > 0
        shown = "%m-%d %H:%M" if days else "%H:%M:%S"
        axes.xaxis.set_major_formatter(dates.DateFormatter(shown, tz=timezone.utc))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        several = any(batch.batches > 1 for batch in batches)
        what = "a bar adds up several micro-batches" if several else "its width is its duration"
        axes.set_xlabel(f"time (UTC); {what}")
        axes.set_ylabel("images labelled")
        axes.legend(
            handles=[Patch(color=colour[v], label=f"version {v}") for v in versions],
            frameon=False,
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
        )
        return _svg(figure)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _svg(figure: Figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None}, transparent=True)
    text = out.getvalue()
    return text[text.index("<svg") :]
