"""What all pages share: everything inline, so that a page opens offline and can be mailed."""

from __future__ import annotations

import base64
from datetime import datetime, timezone
from pathlib import Path

import jinja2


def template(name: str, package: str = "labelmill.serving") -> jinja2.Template:
    """A template of a room; text is escaped, and a name that is not there is an error."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["size"] = size
    made.filters["percent"] = percent
    return made.get_template(name)


def put(text: str, path: Path) -> Path:
    """Puts a page at ``path`` in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    return part.replace(path)


def picture(png: bytes | str | None) -> str:
    """A PNG (bytes, or base64 already) as a data URI; empty for none."""
    if not png:
        return ""
    text = png if isinstance(png, str) else base64.b64encode(png).decode()
    return "data:image/png;base64," + text


def size(count: float) -> str:
    """Bytes, in the unit that reads best."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def percent(share: float) -> str:
    """A share, 0..1, in percent; a little is not nothing."""
    if share < 0.0005:
        return "< 0.1 %" if share else "0 %"
    return f"{100 * share:.1f} %"


def moment(snapshot_ms: int) -> str:
    """Milliseconds since 1970 UTC as people read it."""
    at = datetime.fromtimestamp(snapshot_ms / 1000, timezone.utc)
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
