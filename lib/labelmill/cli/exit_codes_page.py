"""``docs/reference/exit_codes.md`` from `labelmill.errors`.

Run ``python -m labelmill.cli.exit_codes_page > docs/reference/exit_codes.md``.
"""

from __future__ import annotations

from labelmill import errors

_HEAD = """# Exit codes

Generated from `lib/labelmill/errors.py` by
`python -m labelmill.cli.exit_codes_page > docs/reference/exit_codes.md`; a test keeps it in step.

The codes are the same for `labelmill`, every job and `bin/demo`. Each job's `--help` lists those that
it may end with, and what they mean there.
"""

_ERRORS = """
## Errors

Every error that labelmill raises on purpose is a `labelmill.errors.LabelmillError`; many also
inherit the built-in error that they refine.
"""


def page() -> str:
    """The whole page, Markdown."""
    codes = ["| code | means |", "|---|---|"]
    codes += [f"| {code} | {text} |" for code, text in errors.EXIT_CODES.items()]
    classes = ["| error | inherits | code | raised for |", "|---|---|---|---|"]
    classes += [_row(kind) for kind in _tree(errors.LabelmillError)]
    return "\n".join([_HEAD, *codes, _ERRORS, *classes, ""])


def _tree(kind: type[errors.LabelmillError]) -> list[type[errors.LabelmillError]]:
    """`kind` and all classes of this package below it, each before its own."""
    ours = (child for child in kind.__subclasses__() if child.__module__.startswith("labelmill."))
    return [kind, *(below for child in ours for below in _tree(child))]


def _row(kind: type[errors.LabelmillError]) -> str:
    bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
    summary = (kind.__doc__ or "").splitlines()[0].rstrip(".")
    return f"| `{kind.__name__}` | {bases} | {kind.exit_code} | {summary} |"


if __name__ == "__main__":
    print(page(), end="")
