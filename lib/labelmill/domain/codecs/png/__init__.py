"""PNG files to arrays and back."""

from labelmill.domain.codecs.png.codec import decode_png, encode_png

__all__ = ["decode_png", "encode_png"]
