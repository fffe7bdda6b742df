"""Netpbm files (PBM, PGM, PPM, PAM) to arrays and back."""

from labelmill.domain.codecs.netpbm.codec import decode_netpbm, encode_netpbm
from labelmill.domain.codecs.netpbm.header import guesses_colours

__all__ = ["decode_netpbm", "encode_netpbm", "guesses_colours"]
