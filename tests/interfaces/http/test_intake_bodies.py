"""Bodies are inflated as they are encoded, in bounded memory, and never to something else."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from honed.errors import MalformedSignal
from honed.interfaces.http.bodies import Larger, Refused, check_encoding, inflate, inflate_head

MB = 2**20


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


PACK: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "old name of gzip": ("x-gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
    "brotli": ("br", lambda body: brotli.compress(body, quality=1)),
    "members": ("gzip", lambda body: gzip.compress(body[:3]) + gzip.compress(body[3:])),
}


@pytest.mark.parametrize(("encoding", "pack"), PACK.values(), ids=PACK)
@given(body=st.binary(max_size=500))
def test_what_was_packed_is_what_is_read(
    encoding: str, pack: Callable[[bytes], bytes], body: bytes
) -> None:
    assert inflate(pack(body), encoding) == body


@pytest.mark.parametrize(("encoding", "pack"), PACK.values(), ids=PACK)
@given(data=st.data())
def test_what_is_cut_off_is_malformed(
    encoding: str, pack: Callable[[bytes], bytes], data: st.DataObject
) -> None:
    whole = pack(b"hello, this is a body of some length" * 3)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        said = inflate(cut, encoding)
    except MalformedSignal:
        return
    # A cut between two members cannot be seen.
    assert said == b"hel"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
@given(body=st.binary(min_size=1, max_size=300))
def test_noise_is_malformed_or_says_something(encoding: str, body: bytes) -> None:
    try:
        inflate(body, encoding, 1000)
    except (MalformedSignal, Larger):
        return


@pytest.mark.parametrize(("encoding", "pack"), PACK.values(), ids=PACK)
def test_no_more_than_was_asked_for_is_held(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(b"0" * (64 * MB))
    assert len(bomb) < MB
    tracemalloc.start()
    try:
        with pytest.raises(Larger):
            inflate(bomb, encoding, MB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MB
    body = b"0" * MB
    assert inflate(pack(body), encoding, MB) == body


@pytest.mark.parametrize(("encoding", "pack"), PACK.values(), ids=PACK)
@given(body=st.binary(max_size=100), most_bytes=st.integers(0, 110))
def test_the_head_is_how_a_body_begins(
    encoding: str, pack: Callable[[bytes], bytes], body: bytes, most_bytes: int
) -> None:
    assert inflate_head(pack(body), encoding, most_bytes) == body[:most_bytes]
    assert inflate_head(body, "", most_bytes) == body[:most_bytes]


def test_what_cannot_be_inflated_has_no_head() -> None:
    assert inflate_head(b"no gzip", "gzip", 10) == b""


def test_a_body_that_is_not_encoded_is_bounded_too() -> None:
    assert inflate(b"abc", "", 3) == inflate(b"abc", "identity", 3) == b"abc"
    with pytest.raises(Larger):
        inflate(b"abcd", "", 3)


@pytest.mark.parametrize("encoding", ["zstd", "gzip, gzip", "gzip,deflate", "nonsense", "\0"])
def test_other_encodings_are_refused_with_those_that_are_read(encoding: str) -> None:
    with pytest.raises(Refused) as refused:
        check_encoding(encoding)
    assert refused.value.refusal.status == 415
    assert "gzip" in refused.value.refusal.hint
