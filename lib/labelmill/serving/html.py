"""What all pages share. Everything is inline, so a page works offline and can be sent by mail."""

from __future__ import annotations

import base64
from datetime import datetime, timezone
from pathlib import Path

import jinja2


def template(name: str, package: str = "labelmill.serving") -> jinja2.Template:
    """Loads a template; text is escaped, and an undefined name is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["size"] = size
    environment.filters["percent"] = percent
    return environment.get_template(name)


def write_page(text: str, path: Path) -> Path:
    """Writes a page to ``path`` in one step, so that a reader never sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    return part.replace(path)


def picture(png: bytes | str | None) -> str:
    """A PNG (bytes, or base64 text) as a data URI; empty for None."""
    if not png:
        return ""
    text = png if isinstance(png, str) else base64.b64encode(png).decode()
    return "data:image/png;base64," + text


def size(count: float) -> str:
    """A number of bytes in a readable unit."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def percent(share: float) -> str:
    """A share, 0..1, in percent; small shares are not shown as 0."""
    if share < 0.0005:
        return "< 0.1 %" if share else "0 %"
    return f"{100 * share:.1f} %"


def utc_text(snapshot_ms: int) -> str:
    """A time in milliseconds since 1970 UTC as text."""
    at = datetime.fromtimestamp(snapshot_ms / 1000, timezone.utc)
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
