"""What a query over the catalogue may consist of; anything not listed here is refused.

Names of Spark 3.5's classes in ``org.apache.spark.sql.catalyst``, as its parser produces them, and
of SQL functions. Deliberately left out: functions that call Java or read the environment
(``reflect``, ``java_method``, ``input_file_name``, ``current_user``, ``version``), XML functions
(external entities), ``raise_error``, and everything with side effects.
"""

from __future__ import annotations


def split_words(text: str) -> frozenset[str]:
    """The words of a text, separated by white space."""
    return frozenset(text.split())


PLANS = split_words(
    """
    Project Filter Aggregate UnresolvedHaving Sort GlobalLimit LocalLimit Offset Distinct
    Union Intersect Except Join LateralJoin SubqueryAlias UnresolvedSubqueryColumnAliases
    UnresolvedRelation UnresolvedWith UnresolvedInlineTable UnresolvedTableValuedFunction
    UnresolvedTVFAliases Generate Sample Pivot Unpivot WithWindowDefinition UnresolvedHint
    OneRowRelation RepartitionByExpression
    """
)

EXPRESSIONS = split_words(
    """
    UnresolvedAttribute UnresolvedAlias UnresolvedStar UnresolvedRegex UnresolvedFunction
    UnresolvedGenerator UnresolvedExtractValue UnresolvedWindowExpression
    UnresolvedOrdinal UnresolvedNamedLambdaVariable LambdaFunction NamedParameter
    Alias MultiAlias Literal Cast NamePlaceholder SortOrder WindowExpression WindowSpecDefinition
    WindowSpecReference SpecifiedWindowFrame
    And Or Not EqualTo EqualNullSafe LessThan LessThanOrEqual GreaterThan GreaterThanOrEqual
    In InSubquery ListQuery Exists ScalarSubquery LateralSubquery IsNull IsNotNull IsNaN
    Like ILike LikeAll LikeAny NotLikeAll NotLikeAny RLike
    Add Subtract Multiply Divide IntegralDivide Remainder UnaryMinus UnaryPositive
    BitwiseAnd BitwiseOr BitwiseXor BitwiseNot
    CaseWhen If Coalesce Concat Extract SubtractDates SubtractTimestamps TimestampAdd TimestampDiff
    CurrentDate CurrentTimestamp CurrentTimeZone
    Substring StringTrim StringTrimLeft StringTrimRight StringTrimBoth StringLocate Overlay
    CreateStruct CreateNamedStruct UpCast MakeInterval
    GroupingSets Cube Rollup GroupingAnalytics GroupingID Grouping PivotColumn
    AggregateExpression Count First Last AnyValue Percentile PercentileCont PercentileDisc
    """
)

PLAIN_VALUES = split_words(
    """
    Ascending Descending NullsFirst NullsLast Inner LeftOuter RightOuter FullOuter Cross LeftSemi
    LeftAnti UsingJoin NaturalJoin ExprId JoinHint AliasIdentifier FunctionIdentifier Complete
    CurrentRow RowFrame RangeFrame UnboundedPreceding UnboundedFollowing UnspecifiedFrame
    """
)
"""Plain values inside nodes: sort directions, join types, window bounds, ids."""

FUNCTIONS = split_words(
    """
    any any_value approx_count_distinct approx_percentile avg bit_and bit_or bit_xor bool_and bool_or
    collect_list collect_set corr count count_if covar_pop covar_samp every first first_value grouping
    grouping_id histogram_numeric kurtosis last last_value max max_by mean median min min_by mode
    percentile percentile_approx percentile_cont percentile_disc regr_avgx regr_avgy regr_count
    regr_intercept regr_r2 regr_slope skewness some std stddev stddev_pop stddev_samp sum try_avg
    try_sum var_pop var_samp variance

    cume_dist dense_rank lag lead nth_value ntile percent_rank rank row_number

    abs acos acosh asin asinh atan atan2 atanh bin bround cbrt ceil ceiling conv cos cosh cot csc
    degrees div e exp expm1 factorial floor greatest hex hypot least ln log log10 log1p log2 mod
    negative nanvl nullif pi pmod positive pow power radians rint round sec shiftleft shiftright
    shiftrightunsigned sign signum sin sinh sqrt tan tanh try_add try_divide try_multiply
    try_subtract unhex width_bucket bit_count bit_get getbit

    rand randn random uuid shuffle monotonically_increasing_id spark_partition_id

    ascii base64 bit_length btrim char char_length character_length chr concat concat_ws contains
    decode elt encode endswith find_in_set format_number format_string initcap instr lcase left len
    length levenshtein locate lower lpad ltrim luhn_check mask octet_length overlay position printf
    regexp regexp_count regexp_extract regexp_extract_all regexp_instr regexp_like regexp_replace
    regexp_substr repeat replace reverse right rlike like ilike rpad rtrim sentences soundex space
    split split_part startswith substr substring substring_index to_binary to_char to_number
    to_varchar translate trim try_to_binary try_to_number ucase unbase64 upper url_decode url_encode
    parse_url try_element_at

    add_months convert_timezone curdate current_date current_timestamp current_timezone date
    date_add date_diff date_format date_from_unix_date date_part date_sub date_trunc dateadd datediff
    datepart day dayofmonth dayofweek dayofyear extract from_unixtime from_utc_timestamp hour
    last_day localtimestamp make_date make_dt_interval make_interval make_timestamp make_ym_interval
    minute month months_between next_day now quarter second timestamp timestamp_micros
    timestamp_millis timestamp_seconds to_date to_timestamp to_unix_timestamp to_utc_timestamp trunc
    try_to_timestamp unix_date unix_micros unix_millis unix_seconds unix_timestamp weekday weekofyear
    window window_time session_window year

    bigint binary boolean cast decimal double float int smallint string tinyint typeof try_cast

    coalesce if ifnull isnan isnotnull isnull not nvl nvl2 when equal_null zeroifnull nullifzero

    aggregate array array_agg array_append array_compact array_contains array_distinct array_except
    array_insert array_intersect array_join array_max array_min array_position array_prepend
    array_remove array_repeat array_size array_sort array_union arrays_overlap arrays_zip
    cardinality element_at exists filter flatten forall get map map_concat map_contains_key
    map_entries map_filter map_from_arrays map_from_entries map_keys map_values map_zip_with
    named_struct reduce sequence size slice sort_array str_to_map struct transform transform_keys
    transform_values zip_with

    explode explode_outer posexplode posexplode_outer inline inline_outer stack json_tuple

    from_json get_json_object json_array_length json_object_keys schema_of_json to_json from_csv
    to_csv schema_of_csv

    crc32 hash md5 sha sha1 sha2 xxhash64
    + - * / % = == <> != < > <= >= <=> & | ^ ~ || and or between in
    """
)

TABLE_FUNCTIONS = split_words(
    "range explode explode_outer posexplode posexplode_outer inline inline_outer stack json_tuple"
)

HINTS = split_words(
    """
    broadcast broadcastjoin mapjoin merge shuffle_merge mergejoin shuffle_hash shuffle_replicate_nl
    coalesce repartition repartition_by_range rebalance
    """
)

READ_ENVIRONMENT = frozenset({"current_user", "user", "session_user"})
"""Names that Spark resolves to the user who runs the query, unless they are columns; no view has them."""
