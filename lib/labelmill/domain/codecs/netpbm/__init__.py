"""Netpbm files (PBM, PGM, PPM, PAM) to arrays and back."""

from labelmill.domain.codecs.netpbm.codec import decode_netpbm, encode_netpbm

__all__ = ["decode_netpbm", "encode_netpbm"]
