"""Parameters that are compared with text are text, whatever they look like.

``--param class=1`` is a number as long as nothing says otherwise. Compared with a text column, Spark
turns the column into numbers, so that '1', '01' and '1.0' all match. The comparison's other side says
what was meant: the parameter is bound again as the text that was given.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from labelmill.errors import InputError, UnknownName

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from labelmill.sql.plan.reader import Casts

Analyse = Callable[[Mapping[str, Any]], "tuple[DataFrame, Casts]"]
"""The answer with some values bound, and the casts of its plan; nothing runs."""


def bind_as_text(
    analyse: Analyse, values: Mapping[str, Any], texts: Mapping[str, str]
) -> tuple[DataFrame, Casts]:
    """The answer, with parameters that are compared with text bound as text.

    Args:
        analyse: Analyses the query.
        values: Parameter → value.
        texts: Parameter → text that it was parsed from; a parameter without one stays as it is.

    Returns:
        The answer and its casts.

    Raises:
        InputError: The query cannot be analysed; or a parameter is compared with text and also used
            where only a number fits.
    """
    numbers = [
        name
        for name, value in values.items()
        if name in texts and isinstance(value, (bool, int, float, Decimal))
    ]
    values, answer = _first_answer(analyse, values, texts, numbers)
    for name in numbers:
        if not answer[1].compared:
            break
        if isinstance(value := values[name], str):
            continue
        bound = {**values, name: texts[name].strip()}
        try:
            as_text = analyse(bound)
        except InputError:
            if _is_compared(value, answer[1].compared):
                raise InputError(
                    f"parameter {name} = {texts[name]} is compared with text "
                    f"({answer[1].compared[0]}) and used as a number elsewhere in the query; expected "
                    f"one of both: write `cast(:{name} as string)` in the comparison"
                ) from None
            continue
        if len(as_text[1].compared) < len(answer[1].compared):
            values, answer = bound, as_text
    return answer


def _first_answer(
    analyse: Analyse, values: Mapping[str, Any], texts: Mapping[str, str], numbers: list[str]
) -> tuple[Mapping[str, Any], tuple[DataFrame, Casts]]:
    """The answer with the values as they are, or as text where only text fits, as in `array_contains`."""
    try:
        return values, analyse(values)
    except UnknownName:
        raise
    except InputError as error:
        for names in (*((name,) for name in numbers), tuple(numbers)):
            bound = {**values, **{name: texts[name].strip() for name in names}}
            with contextlib.suppress(InputError):
                return bound, analyse(bound)
        raise error from None


def _is_compared(value: object, comparisons: tuple[str, ...]) -> bool:
    shown = str(value).lower()
    return any(shown in comparison.lower() for comparison in comparisons)
