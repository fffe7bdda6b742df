"""Statements made by chance from a seed: queries with attacks in their holes, and broken corpora."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tests.spark.sql.guard.corpus import attacks, honest

_HONEST_EXPRESSIONS = [
    "1", "'x'", "image_id", "upper(uri)", "mean + {e}", "coalesce({e}, {e})", "concat({e}, {e})",
    "cast({e} as string)", "case when {p} then {e} else {e} end", "xxhash64({e})", "length({e})",
    "(select max({e}) from {r} q)", "array({e})[0]", "named_struct('f', {e}).f", "-width",
    "max({e}) over (order by image_id)", "row_number() over (partition by {e} order by image_id)",
    "aggregate(array(1), {e}, (a, b) -> a)", "`uri`", ":n", "if({p}, {e}, {e})", "null",
    "date '2026-01-01'", "to_json(named_struct('k', {e}))", "pixels", "thumbnail", "X'f7'", "hex(pixels)",
    "unhex({e})", "reverse({e})", "concat(pixels, {e})", "substring({e}, 2)", "cast({e} as binary)",
    "decode({e}, 'UTF-8')",
]  # fmt: skip
_HONEST_PREDICATES = [
    "true", "{e} = {e}", "{e} in ({e}, {e})", "not {p}", "{p} and {p}", "{p} or {p}", "{e} is null",
    "exists (select 1 from {r} q where {p})", "image_id in (select image_id from images)",
    "uri like 'a%'", "{e} between 1 and 2", "{e} <=> {e}",
]  # fmt: skip
_HONEST_RELATIONS = [
    "images", "images", "(select * from images where {p})", "(select *, {e} as extra from images)",
    "images tablesample (50 percent)", "(select images.* from images join {r} b on {p})",
    "(select * from images union all select * from images)", "(images)",
    "(with t as (select * from images) select * from t)",
    "(select images.* from images left anti join labels l on l.image_id = images.image_id)",
]  # fmt: skip
_QUERIES = [
    "select {e} from {r} a", "select * from {r} a where {p}", "select {e}, {e} from {r} a order by {e}",
    "select count(*) from {r} a group by {e} having {p}", "select distinct {e} from {r} a limit 3",
    "with w as (select * from {r} a) select {e} from w where {p}", "select * from {r} a join {r} b on {p}",
    "select {e} from {r} a lateral view explode(array({e})) v as part", "values ({e}, {e})",
    "select {e} from {r} a union select {e} from {r} b", "from {r} a select {e}",
    "select a.* from {r} a, lateral (select {e} as one) l where {p}", "select {e} from {r} a cluster by {e}",
    "select sum(1) over w from {r} a window w as (partition by {e} order by {e})",
]  # fmt: skip
_BAD_EXPRESSIONS = [
    "reflect('java.lang.System', 'setProperty', 'labelmill.canary', '{canary}')",
    "java_method('java.lang.Runtime', 'getRuntime')", "`reflect`('a', 'b')", "input_file_name()",
    "system.builtin.reflect('a', 'b')", "current_user()", "my_udf({e})", "raise_error({e})",
    "identifier('ref' || 'lect')({e})", "xpath_string({e}, 'a')", "version()", "session_user", "?",
    "(select first(value) from text.`{canary}/secret.txt`)", "identifier('uri')", "user",
    "(select transform({e}) using 'touch {canary}/effect' from images)",
]  # fmt: skip
_BAD_RELATIONS = [
    "text.`{canary}/secret.txt`", "`text`.`{canary}/secret.txt`", "csv.`file://{canary}/secret.txt`",
    "binaryFile.`{canary}/secret.txt`", "parquet.`{canary}`", "default.images", "stream(images)",
    "identifier('images')", "global_temp.images", "my_function({e})", "spark_catalog.default.images",
    "(select transform(uri) using 'sh {canary}/x.sh' as (uri) from images)", "nosuchview",
    "images timestamp as of '2026-01-01'", "(table text.`{canary}/secret.txt`)",
]  # fmt: skip
_BAD_STATEMENTS = [
    "insert overwrite directory '{canary}/out' using csv {q}", "create table stolen as {q}",
    "create or replace temporary view images as {q}", "insert into images {q}", "explain {q}",
    "cache table stolen as {q}", "{q}; drop view images", "drop view images; {q}",
    "create table stolen using csv location '{canary}/out' as {q}",
    "insert overwrite local directory '{canary}/out' {q}", "describe query {q}",
    "from images insert overwrite directory '{canary}/out' select uri where image_id in ({q})",
    "with x as ({q}) insert overwrite directory '{canary}/out' using json select * from x",
]  # fmt: skip
_SPACES = [" ", " ", "  ", "\n", "\t", " /* drop table images */ ", " -- select\n", "\r\n"]
_NOISE = [
    ";", "`", "'", '"', "(", ")", "/*", "*/", "--", ",", ".", "\\", "\u200b", "\u00a0", "\ufeff", "\x00", "é", "😀",
    "::", "->", ":", "?", "@", "${env:HOME}", "|>", "/*+ x */", "\ud7ff",
]  # fmt: skip
_WORDS = [
    "select", "from", "insert", "overwrite", "directory", "table", "using", "transform", "reflect", "drop",
    "lateral", "with", "as", "union", "images", "text.`{canary}/secret.txt`", "'{canary}/effect'", "set", "values",
    "identifier", "create", "view", "reflect('a', 'b')", "using 'touch {canary}/effect'", "limit", "where", "into",
]  # fmt: skip
_TOKEN = re.compile(r"`[^`]*`|'[^']*'|\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class Made:
    """A statement.

    Attributes:
        sql: The text; ``{canary}`` stands for the watched folder.
        bad: Whether an attack is in it: then it must be refused, else it must pass. None where
            nobody knows, because the text was broken.
    """

    sql: str
    bad: bool | None


def composed(dice: random.Random) -> Made:
    """A query by the grammar, three times in ten with an attack in one of its holes, disguised."""
    filler = _Filler(dice, bad=dice.random() < 0.3)
    sql = filler.filled(dice.choice(_QUERIES))
    bad = filler.used
    if dice.random() < 0.15:
        sql, bad = dice.choice(_BAD_STATEMENTS).replace("{q}", sql), True
    return Made(_disguised(sql, dice), bad)


def broken(dice: random.Random) -> Made:
    """A statement of the corpora with pieces lost, doubled, moved, or taken from another one."""
    tokens = _TOKEN.findall(dice.choice(_CORPUS))
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(tokens) + 1)
        match dice.randrange(6):
            case 0:
                del tokens[place : place + dice.randint(1, 3)]
            case 1:
                tokens[place:place] = tokens[place : place + dice.randint(1, 6)]
            case 2:
                tokens.insert(place, dice.choice(_NOISE))
            case 3:
                tokens[place:place] = [" ", dice.choice(_WORDS), " "]
            case 4:
                other = _TOKEN.findall(dice.choice(_CORPUS))
                tokens[place:] = other[dice.randrange(len(other)) :]
            case _:
                tokens = ["select * from (", *tokens, ")"]
        tokens = tokens or ["select"]
    return Made(_disguised("".join(tokens), dice), None)


class _Filler:
    """Fills holes: ``{e}`` an expression, ``{p}`` a predicate, ``{r}`` a relation."""

    def __init__(self, dice: random.Random, bad: bool) -> None:
        self._dice, self._bad, self.used = dice, bad, False

    def filled(self, text: str, depth: int = 0) -> str:
        while found := re.search(r"\{([epr])\}", text):
            inner = self.filled(self._choice(found[1], depth), depth + 1)
            text = text[: found.start()] + inner + text[found.end() :]
        return text

    def _choice(self, hole: str, depth: int) -> str:
        if self._bad and not self.used and hole != "p" and self._dice.random() < 0.4:
            self.used = True
            return self._dice.choice(_BAD_EXPRESSIONS if hole == "e" else _BAD_RELATIONS)
        options = {
            "e": _HONEST_EXPRESSIONS, "p": _HONEST_PREDICATES, "r": _HONEST_RELATIONS
        }[hole]  # fmt: skip
        if depth > 2:
            options = [option for option in options if "{" not in option]
        return self._dice.choice(options)


def _disguised(sql: str, dice: random.Random) -> str:
    """Other letters' case and other spaces outside of quotes: the same statement to a parser."""
    cased = dice.random() < 0.5
    spaced = dice.random() < 0.5
    out = []
    for token in _TOKEN.findall(sql):
        if token.isspace():
            out.append(dice.choice(_SPACES) if spaced else token)
        elif cased and token[0] not in "`'{" and "canary" not in token:
            out.append("".join(dice.choice((c.lower(), c.upper())) for c in token))
        else:
            out.append(token)
    return "".join(out)


_CORPUS = [*attacks.ALL, *honest.PLAIN, *honest.SLICES, *(sql for sql, _ in honest.WITH_PARAMETERS)]
