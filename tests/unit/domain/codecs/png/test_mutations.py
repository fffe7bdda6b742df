"""Damaged PNG files: an exact answer or a reason, nothing else. benchmarks/ takes 10,000 of them."""

from __future__ import annotations

from collections import Counter

import numpy as np

from labelmill.domain.codecs.png.codec import decode_png
from labelmill.errors import ImageError
from labelmill.testing.png.files import every_kind, promised_shapes
from labelmill.testing.png.mutations import KINDS, mutation, mutations

REASONS = {"not_png", "truncated", "bad_header", "too_many_pixels", "bad_data"}
FILES = every_kind()


def test_every_kind_of_png_is_decoded_to_the_shape_that_it_promises() -> None:
    assert len(FILES) == 15 * 2 + 11 * 2
    for data in FILES:
        assert decode_png(data).shape == max(promised_shapes(data))


def test_damaged_files_give_an_array_of_the_promised_shape_or_a_reason() -> None:
    outcomes: Counter[str] = Counter()
    for made in mutations(FILES, 1500, seed=4):
        try:
            pixels = decode_png(made.data, pixel_cap=1 << 16)
        except ImageError as error:
            assert error.reason in REASONS, made  # noqa: PT017
            assert len(str(error)) > 10, made  # noqa: PT017
            outcomes[error.reason] += 1
            continue
        assert pixels.shape in promised_shapes(made.data), made
        assert pixels.dtype == (np.uint16 if made.data[24] == 16 else np.uint8), made
        assert pixels.flags.c_contiguous, made
        outcomes["decoded"] += 1
    # The damage is of all kinds: some of it is harmless, and every reason comes up.
    assert set(outcomes) == REASONS | {"decoded"}, outcomes
    assert min(outcomes.values()) >= 5, outcomes


def test_a_sequence_of_mutations_can_be_made_again_in_parts() -> None:
    whole = list(mutations(FILES, 60, seed=1))
    assert whole == [*mutations(FILES, 30, seed=1), *mutations(FILES, 30, seed=1, start=30)]
    assert whole[7] == mutation(FILES, 7, seed=1)
    assert whole != list(mutations(FILES, 60, seed=2))
    assert {kind for made in whole for kind in made.kinds} == set(KINDS)
