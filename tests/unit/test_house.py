"""The layout of the house: sizes of rooms, folders and files, and names with one meaning."""

from __future__ import annotations

import ast
import statistics
from collections import Counter, defaultdict
from pathlib import Path

import labelmill

LIB = Path(labelmill.__file__).parent
SOURCES = sorted(path for path in LIB.rglob("*") if path.suffix in (".py", ".java"))
LINES = {path.relative_to(LIB): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
MODULES = {path: count for path, count in LINES.items() if path.name != "__init__.py"}


def test_no_room_holds_more_than_a_fifth_of_the_lines() -> None:
    rooms: Counter[str] = Counter()
    for path, count in LINES.items():
        rooms[path.parts[0] if len(path.parts) > 1 else "(top)"] += count
    room, most = rooms.most_common(1)[0]
    assert most <= 0.2 * rooms.total(), f"{room} has {most:,} of {rooms.total():,} lines"


def test_no_folder_is_a_flat_heap_of_modules() -> None:
    folders = Counter(path.parent for path in MODULES)
    assert {str(folder): n for folder, n in folders.items() if n > 16} == {}


def test_files_have_one_subject() -> None:
    assert {str(path): count for path, count in MODULES.items() if count > 400} == {}
    assert statistics.median(MODULES.values()) <= 130


def test_a_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        if path.suffix == ".py":
            for node in ast.walk(ast.parse((LIB / path).read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(str(path))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_the_package_of_a_folder_is_one_docstring() -> None:
    # Executors import `….worker`; a package that imports more pulls in the driver's half.
    faces = {"__init__.py", "domain/codecs/__init__.py", "domain/codecs/png/__init__.py",
             "domain/codecs/netpbm/__init__.py", "devcluster/__init__.py", "sources/__init__.py",
             "learning/families/__init__.py", "store/schema/tables/__init__.py",
             "testing/store_contract/__init__.py"}  # fmt: skip
    for path in LINES:
        if path.name == "__init__.py" and path.as_posix() not in faces:
            body = ast.parse((LIB / path).read_text("utf-8")).body
            assert len(body) == 1, f"{path} holds more than a docstring"
