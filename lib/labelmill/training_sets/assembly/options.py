"""Options of a freeze beyond its query."""

from __future__ import annotations

from dataclasses import dataclass, field

from labelmill.domain.splits.assign import Division
from labelmill.errors import InputError


@dataclass(frozen=True)
class Options:
    """How a slice becomes a training set.

    Attributes:
        division: Fractions, salt, and whether classes get exact shares.
        group_by: Column of the query whose equal values stay in one split; default ``group`` where
            the query gives one.
        balance: Cut the train rows of every class down to the smallest class.
        limit_per_class: At most N rows of each class in each split.
        class_list: Classes in the order of their indices; default: the classes that occur, sorted.
        no_target: Freeze images or features alone.
        source_splits: Where the query gives no column ``split``, take that of ``images``.

    Raises:
        InputError: Options that contradict each other.
    """

    division: Division = field(default_factory=Division)
    group_by: str | None = None
    balance: bool = False
    limit_per_class: int | None = None
    class_list: tuple[str, ...] | None = None
    no_target: bool = False
    source_splits: bool = False

    def __post_init__(self) -> None:
        if self.limit_per_class is not None and self.limit_per_class < 1:
            raise InputError(f"limit per class {self.limit_per_class}; expected 1 or more")
        if self.class_list is not None:
            twice = sorted({c for c in self.class_list if self.class_list.count(c) > 1})
            if twice or not self.class_list:
                raise InputError(
                    f"class list {', '.join(self.class_list) or '(empty)'}; expected each class once"
                )
            if not all(self.class_list):
                raise InputError(
                    f"class list {','.join(self.class_list)} has an empty name; expected a,b,c without a "
                    "comma at either end or two in a row"
                )
        if self.no_target and (self.balance or self.limit_per_class or self.class_list):
            raise InputError(
                "balance, limit per class and class list are about classes; without a target there "
                "are none (--no-target)"
            )

    @property
    def leaves_out(self) -> bool:
        """Whether rows may be dropped after their keys and classes have been read."""
        return self.balance or self.limit_per_class is not None
