from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labelmill.domain.images.paths import path_of, uri_of


@given(
    st.binary(max_size=12)
    | st.lists(st.sampled_from([b"\\", b"\xff", b"udcff", b"x"])).map(b"".join)
)
def test_every_name_of_a_file_has_a_text_of_its_own(name: bytes) -> None:
    uri = uri_of(name.decode("utf-8", "surrogateescape"))
    uri.encode()
    assert path_of(uri) == name
    if b"\\" not in name and uri.isascii() and name.isascii():
        assert uri.encode() == name
