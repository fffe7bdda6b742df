"""The documentation: it builds without a warning, needs no network, and names what exists."""

from __future__ import annotations

import re
import subprocess
import textwrap
from pathlib import Path

import pytest

import labelmill
from labelmill.cli.exit_codes_page import page as exit_codes_page
from labelmill.errors import EXIT_CODES, LabelmillError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
OUTSIDE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "findings/README.md")]
PAGES = [*sorted(DOCS.rglob("*.md")), *OUTSIDE]
FILES = ("labelmill.json", "labelmill.toml")


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [ROOT / "bin" / "docs", "--out", folder], capture_output=True, text=True, timeout=300
    )
    assert built.returncode == 0, built.stderr
    assert built.stderr == ""
    assert built.stdout == f"{folder}/index.html\n"
    return folder


def test_the_site_builds_without_a_warning(site: Path) -> None:
    for page in ("index", "guides/slices", "reference/python", "decisions/0090-the-house"):
        assert (site / f"{page}.html").stat().st_size > 1000
    reference = (site / "reference" / "python.html").read_text()
    assert 'id="labelmill.Connection.freeze"' in reference
    assert [name for name in labelmill.__all__ if f'id="labelmill.{name}"' not in reference] == [
        "__version__"
    ]


def test_the_site_loads_nothing_from_the_network(site: Path) -> None:
    loads = re.compile(
        r"""(?:<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)\s*=\s*["']?|url\(\s*["']?|@import\s+["']?)"""
        r"""(?:https?:)?//""",
        re.IGNORECASE,
    )
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(pages) > 60
    assert [page.name for page in pages if loads.search(page.read_text(errors="replace"))] == []


def test_a_broken_link_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[gone](gone.md) and [here](#nowhere)\n")
    settings = (ROOT / "mkdocs.yml").read_text()
    validation = settings[settings.index("validation:") : settings.index("exclude_docs:")]
    (tmp_path / "mkdocs.yml").write_text(f"site_name: broken\n{validation}")
    built = subprocess.run(
        [ROOT / ".venv/bin/python", "-m", "mkdocs", "build", "--strict"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert built.returncode == 1
    assert "gone.md" in built.stderr
    assert "#nowhere" in built.stderr


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_modules_and_names_exist(page: Path) -> None:
    names = {
        match.rstrip(".")
        for match in re.findall(r"(?<![\w/.-])labelmill(?:\.\w+)+", page.read_text())
        if match not in FILES
    }
    assert [name for name in sorted(names) if not exists(name)] == []


def exists(dotted: str) -> bool:
    """Whether the name is a public one, or a module, or what a module's text defines."""
    place = ROOT / "lib" / "labelmill"
    names = dotted.split(".")[1:]
    if names[0] in labelmill.__all__:
        return True
    while names and (place / names[0]).is_dir():
        place /= names.pop(0)
    if names and (place / f"{names[0]}.py").is_file():
        place /= f"{names.pop(0)}.py"
    if not names or names == ["room", "module"]:  # a template's placeholder
        return True
    text = (place / "__init__.py" if place.is_dir() else place).read_text()
    return re.search(rf"^(?:class|def) {names[0]}\b|^{names[0]}\b", text, re.MULTILINE) is not None


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_paths_exist(page: Path) -> None:
    found = re.findall(
        r"(?<![\w/.<-])(?:docs|lib|bin|conf|tests|jobs|benchmarks|findings)/[\w./-]*\w",
        page.read_text(),
    )
    written = {path for path in found if not re.search("NAME|SETTING", path)}
    assert [path for path in sorted(written) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_have_the_flags_that_they_are_given(page: Path) -> None:
    command_line = "".join(path.read_text() for path in (ROOT / "lib/labelmill/cli").glob("*.py"))
    every_job = (ROOT / "lib/labelmill/spark/job.py").read_text()
    wrong = []
    for line in re.findall(r"(?:bin/labelmill|labelmill|jobs/\w+\.py) [^`\n]*", page.read_text()):
        words = re.sub(r"\s#.*", "", line).split()
        source = command_line
        if words[0].startswith("jobs/"):
            source = (ROOT / words[0]).read_text() + every_job
        for flag in re.findall(r"(?<!\S)\[?--([a-z][a-z-]*)", " ".join(words[1:])):
            if not re.search(rf"--{flag}\b|\b{flag.replace('-', '_')}\b", source):
                wrong.append(f"{words[0]} --{flag}")
    assert wrong == []


@pytest.mark.parametrize("page", OUTSIDE, ids=ids)
def test_links_outside_the_site_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_example_in_python_is_that_of_the_package() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert labelmill.__doc__
    assert textwrap.indent(block, "    ") in labelmill.__doc__


def test_the_page_of_exit_codes_is_in_step() -> None:
    written = (DOCS / "reference" / "exit_codes.md").read_text()
    expected = "python -m labelmill.cli.exit_codes_page > docs/reference/exit_codes.md"
    assert written == exit_codes_page(), f"run: {expected}"


def test_every_error_has_a_code_that_is_explained() -> None:
    kinds = [LabelmillError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    assert {kind.exit_code for kind in kinds} | {0, 130, 143} == set(EXIT_CODES)


def test_decisions_have_a_status_that_the_index_repeats() -> None:
    expected = []
    for path in DECISIONS:
        heading, empty, status = path.read_text().splitlines()[:3]
        number, title = heading.removeprefix("# ").split(" ", 1)
        assert (number, empty) == (path.name[:4], "")
        known = re.match(
            r"Status: (accepted|superseded(?: in part)? by \[\d{4}\]\([\w-]+\.md\))[.,;:]", status
        )
        assert known, f"{path.name}: {status}"
        expected.append(f"| [{number}]({path.name}) | {title} | {known[1]} |")
    index = (DOCS / "decisions" / "README.md").read_text()
    assert [line for line in index.splitlines() if line.startswith("| [")] == expected


@pytest.mark.parametrize("page", DECISIONS, ids=ids)
def test_decisions_are_wrapped(page: Path) -> None:
    prose = [line for line in page.read_text().splitlines() if not line.startswith("|")]
    assert [line for line in prose if len(line) > 100] == []


def test_the_glossary_explains_a_word_once() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \| ([^|]+) \|$", (DOCS / "glossary.md").read_text(), re.MULTILINE
    )
    words = [word for word, _ in rows if word not in ("word", "---")]
    assert len(words) > 60
    assert sorted(set(words)) == sorted(words)
