"""Which split keeps an image that sources have in several, and what its attributes say."""

from __future__ import annotations

import json
from itertools import permutations

from labelmill.domain.splits.held_out import ORDER, also_in, held_out_of, in_several


def test_the_order_of_splits() -> None:
    assert held_out_of(None, "train") == "train"
    assert held_out_of("validation", "train", None) == "validation"
    assert held_out_of("test", "validation") == "test"
    assert held_out_of(None) is None


def test_the_others_are_named_in_any_order_of_sources() -> None:
    for order in permutations((*ORDER, None)):
        split, attributes = None, '{"pen": "blue"}'
        for found in order:
            told = in_several({split, *also_in(attributes), found}, attributes)
            split, attributes = told["split"], str(told["attributes"])
        assert split == "test"
        assert json.loads(attributes) == {"also_in_splits": ["train", "validation"], "pen": "blue"}


def test_what_is_in_one_split_keeps_its_attributes() -> None:
    assert in_several({"train", None}, None) == {"split": "train", "attributes": None}
    own = '{ "b": 1, "a": 2 }'
    assert in_several({"test"}, own) == {"split": "test", "attributes": own}


def test_a_sources_own_attribute_of_the_name_is_no_split() -> None:
    assert also_in('{"also_in_splits": "train"}') == []
    assert also_in('{"also_in_splits": [1, "elsewhere"]}') == []
    assert also_in('{"note": "also_in_splits"}') == []
