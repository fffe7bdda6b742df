"""Named slices: one query a file, with a header that says what it is for and what it asks for.

A file ``NAME.sql``::

    -- description: People's corrections since a day, to be learned from first.
    --   A line with more space before it goes on with the one above.
    -- param collection: the collection
    -- param since = timestamp '2026-01-01 00:00:00': from when on
    select …  where a.collection = :collection and a.annotated_at >= :since

A parameter without a default must be given. Values are read as `--param` reads them.
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
"""Bytes of a file; a query that people wrote is a page or two."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_PARAMETER = re.compile(
    r"(?P<name>[A-Za-z_]\w*)"
    # A default in quotes may hold colons, as times do.
    r"(?:\s*=\s*(?P<default>(?:(?:date|timestamp)\s*)?'(?:[^']|'')*'|[^\s':][^':]*?))?"
    r"\s*:\s*(?P<about>.+)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Parameter:
    """One ``:name`` of a slice's query.

    Attributes:
        name: Without the colon.
        about: What it means.
        default: As it would be given; None: it must be given.
    """

    name: str
    about: str
    default: str | None = None


@dataclass(frozen=True)
class NamedSlice:
    """A query that has a name.

    Attributes:
        name: The file's name without its ending.
        sql: The query, without the header.
        description: What it is for, one line.
        parameters: In the order of the header.
        path: Of the file, when it was asked for by its path.
    """

    name: str
    sql: str
    description: str
    parameters: tuple[Parameter, ...] = ()
    path: str = ""

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """Values of all parameters: what was given, and defaults.

        Args:
            given: Name → value.

        Raises:
            UnknownName: A parameter that the slice does not have.
            InputError: One without a default was not given; says what each means.
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
    """Where named slices lie: the setting, else ``conf/slices`` here, else those of labelmill.

    Raises:
        InputError: The setting names no folder.
    """
    if settings.slices:
        named = Path(settings.slices).expanduser()
        if not named.is_dir():
            raise InputError(f"setting slices: {settings.slices!r} is not a folder")
        return named
    here = Path(__file__).resolve()
    places = (Path("conf/slices"), here.parents[1] / "slices", here.parents[3] / "conf" / "slices")
    for place in places:
        if place.is_dir():
            return place
    raise InputError(
        "no folder of named slices: make conf/slices, or set `slices` (LABELMILL_SLICES)"
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
        name: Of a slice in `folder`; or the path of a file: with a ``/`` in it or ending in `.sql`.
        settings: Where the folder is.

    Raises:
        UnknownName: There is none by that name; the near one is suggested.
        InputError: The file is not there or is no named slice; says which line.
    """
    if "/" in name or name.endswith(SUFFIX):
        return replace(_read(Path(name).expanduser()), path=name)
    if name not in (known := names(settings)):
        raise UnknownName(f"slice in {folder(settings)}:", name, known)
    return _read(folder(settings) / (name + SUFFIX))


def parse(text: str, name: str) -> NamedSlice:
    """A file's text as a slice.

    Raises:
        InputError: Without a description or a query, or a header line that cannot be meant.
    """
    lines = text.lstrip("\ufeff").splitlines()
    head = list(itertools.takewhile(_is_header, lines))
    header: list[str] = []
    for line in head:
        said = line[2:]
        if said.startswith("  ") and said.strip() and header:
            header[-1] += " " + said.strip()
        elif line.strip():
            header.append(said.strip())
    description, parameters = "", []
    for said in header:
        key, _, rest = said.partition(" ")
        if key.lower() == "description:":
            description = rest.strip()
        elif key.lower() in ("param", "param:"):
            parameters.append(_parameter(rest.strip(), name))
    sql = "\n".join(lines[len(head) :]).strip()
    if not sql:
        raise InputError(f"slice {name!r} holds no query")
    if not description:
        raise InputError(
            f"slice {name!r} has no description; begin the file with `-- description: what it is for`"
        )
    twice = {p.name for p in parameters if sum(q.name == p.name for q in parameters) > 1}
    if twice:
        raise InputError(f"slice {name!r} explains {', '.join(sorted(twice))} twice")
    return NamedSlice(name, sql, description, tuple(parameters))


def _is_header(line: str) -> bool:
    return line.startswith("--") or not line.strip()


def _parameter(text: str, name: str) -> Parameter:
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise InputError(
            f"slice {name!r}: `-- param {text}`; expected `-- param NAME: what it means` or "
            "`-- param NAME = DEFAULT: what it means`"
        )
    return Parameter(found["name"], found["about"], found["default"])


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
        raise InputError(f"slice {str(path)!r} is larger than {LARGEST >> 10} KiB: not a query")
    return parse(text, path.stem)
