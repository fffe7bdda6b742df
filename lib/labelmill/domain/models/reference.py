"""How people name a model version: ``digits:3``, ``digits@production``, ``digits``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from labelmill.errors import InputError

DEFAULT_ALIAS = "production"

_FORM = re.compile(r"(?P<model>.+?)(?::(?P<version>[0-9]+)|@(?P<alias>[^@]+))?", re.DOTALL)


@dataclass(frozen=True)
class ModelReference:
    """A version of a model by its number, or by an alias that points to one.

    Attributes:
        model: The model's name.
        version: Its version; None: what `alias` points to.
        alias: Used when `version` is None.
    """

    model: str
    version: int | None = None
    alias: str = DEFAULT_ALIAS

    @classmethod
    def parse(cls, text: str) -> ModelReference:
        """Reads ``MODEL:VERSION``, ``MODEL@ALIAS``, or ``MODEL`` for its alias ``production``.

        Raises:
            InputError: None of these.

        Example:
            >>> ModelReference.parse("digits:3")
            ModelReference(model='digits', version=3, alias='production')
            >>> ModelReference.parse("digits@challenger").alias
            'challenger'
        """
        found = _FORM.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None or found["model"][0] in "@:" or found["model"][-1] in "@:":
            raise InputError(
                f"model {text!r}; expected a name, NAME:VERSION or NAME@ALIAS, such as 'digits', "
                "'digits:3' or 'digits@production'"
            )
        version = None if found["version"] is None else int(found["version"])
        return cls(found["model"], version, found["alias"] or DEFAULT_ALIAS)

    def __str__(self) -> str:
        return (
            f"{self.model}@{self.alias}" if self.version is None else f"{self.model}:{self.version}"
        )
