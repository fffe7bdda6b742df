"""Functions whose result may differ when a query runs again, and what to use instead."""

from __future__ import annotations

from labelmill.sql.guard.allowlist import split_words

_DRAW = (
    "to draw a share of the images use `images tablesample (10 percent) repeatable (7)`, or a hash "
    "of their id, for example `where pmod(xxhash64(image_id), 10) = 0`"
)
CLOCK = "write the time as a literal, or pass it as a parameter: `where ingested_at < :until`"
_ANY = (
    "choose the row with `first_value(x) over (partition by … order by …, image_id)` or "
    "`max(struct(probability, image_id, x)).x`"
)
_LIST = "sort the collected values: `sort_array({0}(…))`"
_APPROXIMATE = "use `percentile(x, 0.5)`, which is exact"

COLLECTING = split_words("collect_list collect_set array_agg")
"""Functions that collect values in the order in which rows arrive."""

ADVICE: dict[str, str] = {
    **dict.fromkeys(
        split_words(
            "rand randn random uuid shuffle monotonically_increasing_id spark_partition_id"
        ),
        _DRAW,
    ),
    **dict.fromkeys(
        split_words(
            """now current_date curdate current_timestamp localtimestamp current_timezone
            unix_timestamp"""
        ),
        CLOCK,
    ),
    **dict.fromkeys(
        split_words("any_value first last first_value last_value max_by min_by mode"), _ANY
    ),
    **dict.fromkeys(COLLECTING, _LIST),
    **dict.fromkeys(
        split_words("approx_percentile percentile_approx histogram_numeric"), _APPROXIMATE
    ),
}
"""Function → what to use instead; ``{0}`` stands for its name."""

CLASSES = {
    "First": "first",
    "Last": "last",
    "AnyValue": "any_value",
    "CurrentDate": "current_date",
    "CurrentTimestamp": "current_timestamp",
    "CurrentTimeZone": "current_timezone",
}
"""Class → function of `ADVICE` that Spark's grammar parses by a rule of its own."""

WITHOUT_PARENTHESES = split_words("current_date current_timestamp localtimestamp")
"""Functions of `ADVICE` that may be written without parentheses."""

ORDER_DEPENDENT = split_words(
    """
    row_number ntile lag lead nth_value first first_value last last_value any_value collect_list
    array_agg
    """
)
"""Window functions whose result depends on the order of rows that tie."""

ORDER_BLIND = split_words(
    "sort_array array_sort size array_size cardinality array_contains array_max array_min"
)
"""Functions whose result does not depend on the order of their array."""
