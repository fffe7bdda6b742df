"""A mask covers its image: the same height and width."""

from __future__ import annotations

from labelmill.errors import InputError


def other_size(
    mask_id: object, mask: object, image_id: object, image: object, wrong: int
) -> InputError:
    """The error for masks that are not as high and wide as their images.

    Args:
        mask_id: Of one of them.
        mask: Its shape, as text.
        image_id: Of its image.
        image: The image's shape.
        wrong: How many there are.
    """
    return InputError(
        f"the mask {mask_id} is {mask}, its image {image_id} is {image}; "
        f"a mask is as high and wide as its image ({wrong:,} are not)"
    )
