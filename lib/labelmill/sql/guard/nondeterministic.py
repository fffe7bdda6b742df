"""Functions that may answer otherwise when a query runs again, and what to use instead."""

from __future__ import annotations

from labelmill.sql.guard.allowlist import listed

_DRAW = (
    "to draw a share of the images use `images tablesample (10 percent) repeatable (7)`, or a hash "
    "of their id, for example `where pmod(xxhash64(image_id), 10) = 0`"
)
CLOCK = "write the time out, or give it as a parameter: `where ingested_at < :until`"
_ANY = (
    "say which row by `first_value(x) over (partition by … order by …, image_id)` or by "
    "`max(struct(probability, image_id, x)).x`"
)
_LIST = "sort what it gathers: `sort_array({0}(…))`"
_APPROXIMATE = "use `percentile(x, 0.5)`, which is exact"

LISTS = listed("collect_list collect_set array_agg")
"""Functions that gather values in the order in which they come."""

ADVICE: dict[str, str] = {
    **dict.fromkeys(
        listed("rand randn random uuid shuffle monotonically_increasing_id spark_partition_id"),
        _DRAW,
    ),
    **dict.fromkeys(
        listed(
            """now current_date curdate current_timestamp localtimestamp current_timezone
            unix_timestamp"""
        ),
        CLOCK,
    ),
    **dict.fromkeys(listed("any_value first last first_value last_value max_by min_by mode"), _ANY),
    **dict.fromkeys(LISTS, _LIST),
    **dict.fromkeys(listed("approx_percentile percentile_approx histogram_numeric"), _APPROXIMATE),
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
"""Class → function of `ADVICE`, where Spark's grammar has a rule of its own for it."""

BARE = listed("current_date current_timestamp localtimestamp")
"""Functions of `ADVICE` that may be written without parentheses."""

BY_ORDER = listed(
    """
    row_number ntile lag lead nth_value first first_value last last_value any_value collect_list
    array_agg
    """
)
"""Window functions whose answer depends on the order of rows that tie."""

SORTS = listed(
    "sort_array array_sort size array_size cardinality array_contains array_max array_min"
)
"""Functions that answer the same whatever order their array is in."""
