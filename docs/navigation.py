"""Every decision is in the site's navigation, without being listed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def on_config(config: Any) -> Any:
    """Called by mkdocs when it has read its settings."""
    folder = Path(config["docs_dir"], "decisions")
    (section,) = (entry["Decisions"] for entry in config["nav"] if "Decisions" in entry)
    section += sorted(f"decisions/{page.name}" for page in folder.glob("[0-9]*.md"))
    return config
