"""Where the class of a file comes from: its folder, its name, or nowhere.

Rules, as text:

``folder``      the parent folder's name (`labelmill.domain.images.folders`)
``none``        no class
a pattern       matched against the whole file name, or against the end of the path where the pattern
                has ``/``: ``{class}`` is the class, other names in braces become attributes, ``*`` is
                anything but ``/``; ``{class}.{number}.png`` reads ``cat.100.jpg``-like names
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from labelmill.domain.images.folders import ALONE, FolderLayout
from labelmill.errors import InputError

_PART = re.compile(r"\{([^{}]*)\}|(\*)|([^{}*]+)|([{}])")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ANYTHING = "*"


@dataclass(frozen=True)
class LabelRule:
    """One rule.

    Attributes:
        origin: First part of the annotation's source: ``folder`` or ``name``; empty without classes.
        parts: For a pattern: texts and names in turn; names are in braces or ``*``.
    """

    origin: str
    parts: tuple[str, ...] = ()

    def read(self, uri: str, layout: FolderLayout = ALONE) -> tuple[str | None, str | None]:
        """Class and attributes (a JSON object) that the path gives, each None when there is none.

        Args:
            uri: Path below the root, POSIX.
            layout: What the source's folders mean.
        """
        if not self.parts:
            return (layout.read(uri)[0] if self.origin else None), None
        found = _matched(self.parts, uri)
        if found is None:
            return None, None
        label = found.pop("class")
        return label, json.dumps(found, sort_keys=True, ensure_ascii=False) if found else None


def parse_label_rule(text: str) -> LabelRule:
    """The rule that `text` writes.

    Raises:
        InputError: No rule, or a pattern without ``{class}``, with a name twice or a stray brace.
    """
    if text in ("folder", "none"):
        return LabelRule("folder" if text == "folder" else "")
    if "{" not in text:
        raise InputError(
            f"--labels {text!r}: expected folder, none, or a pattern with {{class}} for file names, "
            "for example '{class}.{number}.png'"
        )
    parts: list[str] = []
    for name, star, plain, stray in _PART.findall(text):
        wrong = ""
        if stray or not (star or plain or _NAME.fullmatch(name)):
            wrong = f"invalid {stray or '{' + name + '}'}"
        elif not plain and f"{{{name}}}" in parts:
            wrong = f"{{{name}}} is given twice"
        elif not plain and parts and _is_name(parts[-1]):
            wrong = "two names need a text between them"
        if wrong:
            raise InputError(
                f"--labels {text!r}: {wrong}; expected names of small letters, digits and _ in braces, "
                "each once, with texts between them"
            )
        parts.append(plain or star or f"{{{name}}}")
    if "{class}" not in parts:
        raise InputError(f"--labels {text!r} names no {{class}}; the others become attributes")
    return LabelRule("name", tuple(parts))


def _is_name(part: str) -> bool:
    return part == _ANYTHING or part[0] == "{"


def _matched(parts: tuple[str, ...], uri: str) -> dict[str, str] | None:
    """Name → text, found from the end: linear in the length of the path, whatever is in it.

    The first name takes what the later ones leave: ``{class}_{number}.png`` reads
    ``great_pyrenees_12.png`` as ``great_pyrenees`` and ``12``.
    """
    rest, found = "/" + uri, {}
    for i in range(len(parts) - 1, -1, -1):
        part = parts[i]
        if not _is_name(part):
            if not rest.endswith(part):
                return None
            rest = rest[: len(rest) - len(part)]
            continue
        start = rest.rfind("/") + 1
        if i and (at := rest.rfind(parts[i - 1], start)) >= 0:
            start = at + len(parts[i - 1])
        elif i and rest[:start].endswith(parts[i - 1]):
            pass
        elif i:
            return None
        if start == len(rest):
            return None
        if part != _ANYTHING:
            found[part[1:-1]] = rest[start:]
        rest = rest[:start]
    return found if rest.endswith("/") else None
