"""Named slices: one query per file, with a header that documents it and its parameters.

A file ``NAME.sql``::

    -- description: People's corrections since a day, to be learned from first.
    --   A line that is indented further continues the one above.
    -- param collection: the collection
    -- param since = timestamp '2026-01-01 00:00:00': first time to include
    select …  where a.collection = :collection and a.annotated_at >= :since

A parameter without a default is required. Values are parsed as those of `--param`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from labelmill.errors import InputError, UnknownName
from labelmill.settings import Settings

SUFFIX = ".sql"
LARGEST = 256 << 10
"""Most bytes of a file; a query written by people is a page or two."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PARAMETER = re.compile(
    r"(?P<name>[A-Za-z_]\w*)"
    # A quoted default may contain colons, as times do.
    r"(?:\s*=\s*(?P<default>(?:(?:date|timestamp)\s*)?'(?:[^']|'')*'|[^\s':][^':]*?))?"
    r"\s*:\s*(?P<about>.+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SliceParameter:
    """One ``:name`` of a slice's query.

    Attributes:
        name: Without the colon.
        about: What it means.
        default: Text, as for `--param`; None: required.
    """

    name: str
    about: str
    default: str | None = None


@dataclass(frozen=True)
class NamedSlice:
    """A query with a name and a header.

    Attributes:
        name: The file's name without its extension.
        sql: The query, without the header.
        description: What it is for, one line.
        parameters: In the order of the header.
        path: Path of the file, when it was loaded by path.
    """

    name: str
    sql: str
    description: str
    parameters: tuple[SliceParameter, ...] = ()
    path: str = ""

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """Texts of all parameters: given ones, and defaults for the rest.

        Args:
            given: Name → text.

        Raises:
            UnknownName: A parameter that the slice does not have.
            InputError: A required one is missing; says what each of those means.

        Example:
            >>> month = SliceParameter("month", "month to look at", "1")
            >>> NamedSlice("recent", "select …", "Recent images.", (month,)).values({})
            {'month': '1'}
        """
        known = [parameter.name for parameter in self.parameters]
        for name in given:
            if name not in known:
                raise UnknownName(f"parameter of slice {self.name!r}", name, known)
        found: dict[str, str] = {}
        for parameter in self.parameters:
            value = given.get(parameter.name, parameter.default)
            if value is not None:
                found[parameter.name] = value
        missing = [parameter for parameter in self.parameters if parameter.name not in found]
        if missing:
            raise InputError(
                f"slice {self.name!r} needs "
                + ", ".join(f"{p.name} ({p.about})" for p in missing)
                + "; give "
                + " ".join(f"--param {p.name}=…" for p in missing)
            )
        return found


def folder(settings: Settings) -> Path:
    """The folder of named slices: the setting, else ``./conf/slices``, else the one of labelmill.

    Raises:
        InputError: The setting does not name a folder, or there is no folder at all.
    """
    if settings.slices:
        named = Path(settings.slices).expanduser()
        if not named.is_dir():
            raise InputError(f"setting slices: {settings.slices!r} is not a folder")
        return named
    here = Path(__file__).resolve()
    candidates = (
        Path("conf/slices"),
        here.parents[1] / "slices",
        here.parents[3] / "conf" / "slices",
    )
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise InputError(
        "no folder of named slices: create conf/slices, or set `slices` (LABELMILL_SLICES)"
    )


def names(settings: Settings) -> list[str]:
    """Names of all slices, sorted."""
    return sorted(
        path.stem
        for path in folder(settings).glob(f"*{SUFFIX}")
        if path.is_file() and _NAME.fullmatch(path.stem)
    )


def load(name: str, settings: Settings) -> NamedSlice:
    """Reads one slice.

    Args:
        name: Name of a slice in `folder`; or the path of a file, which contains a ``/`` or ends in
            ``.sql``.
        settings: Where the folder is.

    Raises:
        UnknownName: There is no slice of that name; suggests the closest match.
        InputError: The file does not exist or is not a named slice; says which line is wrong.
    """
    if "/" in name or name.endswith(SUFFIX):
        return replace(_read(Path(name).expanduser()), path=name)
    if name not in (known := names(settings)):
        raise UnknownName(f"slice in {folder(settings)}:", name, known)
    return _read(folder(settings) / (name + SUFFIX))


def parse(text: str, name: str) -> NamedSlice:
    """Parses a file's text.

    Raises:
        InputError: There is no description or no query, or a header line is invalid.

    Example:
        >>> parse("-- description: All images.\\nselect * from images", "all").description
        'All images.'
    """
    lines = text.lstrip("\ufeff").splitlines()
    head = list(itertools.takewhile(_is_header, lines))
    header: list[str] = []
    for line in head:
        comment = line[2:]
        if comment.startswith("  ") and comment.strip() and header:
            header[-1] += " " + comment.strip()
        elif line.strip():
            header.append(comment.strip())
    description, parameters = "", []
    for entry in header:
        key, _, rest = entry.partition(" ")
        if key.lower() == "description:":
            description = rest.strip()
        elif key.lower() in ("param", "param:"):
            parameters.append(_parse_parameter(rest.strip(), name))
    sql = "\n".join(lines[len(head) :]).strip()
    if not sql:
        raise InputError(f"slice {name!r} has no query")
    if not description:
        raise InputError(
            f"slice {name!r} has no description; begin the file with `-- description: what it is for`"
        )
    twice = {p.name for p in parameters if sum(q.name == p.name for q in parameters) > 1}
    if twice:
        raise InputError(f"slice {name!r} declares {', '.join(sorted(twice))} twice")
    return NamedSlice(name, sql, description, tuple(parameters))


def _is_header(line: str) -> bool:
    return line.startswith("--") or not line.strip()


def _parse_parameter(text: str, name: str) -> SliceParameter:
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise InputError(
            f"slice {name!r}: `-- param {text}`; expected `-- param NAME: what it means` or "
            "`-- param NAME = DEFAULT: what it means`"
        )
    return SliceParameter(found["name"], found["about"], found["default"])


def _read(path: Path) -> NamedSlice:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
        text = data.decode()
    except OSError as error:
        raise InputError(f"slice {str(path)!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"slice {str(path)!r} is not UTF-8 text: {error}") from None
    if len(data) > LARGEST:
        raise InputError(
            f"slice {str(path)!r} is larger than {LARGEST >> 10} KiB, so it is not a query"
        )
    return parse(text, path.stem)
