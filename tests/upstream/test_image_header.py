"""Sizes from the first bytes of images, and from bytes that are none."""

import random
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.image_header import read_pixels


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of the ISO family (AVIF, HEIC)."""
    content = b"".join(parts)
    return struct.pack(">L4s", 8 + len(content), kind) + content


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def avif(width: int, height: int) -> bytes:
    size = box(b"ispe", struct.pack(">LLL", 0, width, height))
    associations = box(b"ipma", struct.pack(">LLHBB", 0, 1, 1, 1, 1))
    properties = box(b"iprp", box(b"ipco", size), associations)
    primary = box(b"pitm", struct.pack(">LH", 0, 1))
    meta = box(b"meta", b"\0\0\0\0", primary, properties)
    return box(b"ftyp", b"avif\0\0\0\0avif") + meta + struct.pack(">L4s", 10_000_000, b"mdat")


PNG = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">LLBBBBB", 1024, 768, 8, 6, 0, 0, 0))
EXIF = segment(0xE1, b"Exif\0\0" + bytes(60_000))
FRAME = segment(0xC2, struct.pack(">BHHB", 8, 768, 1024, 3) + bytes(9))
IMAGES = {
    "png": PNG,
    "jpeg": b"\xff\xd8" + segment(0xE0, b"JFIF\0" + bytes(9)) + FRAME,
    "jpeg behind a long preview": b"\xff\xd8" + EXIF + FRAME,
    "gif": b"GIF89a" + struct.pack("<HHBBB", 1024, 768, 0, 0, 0),
    "webp, lossy": b"RIFF\0\0\0\0WEBPVP8 " + bytes(4) + b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 1024, 768),
    "webp, lossless": b"RIFF\0\0\0\0WEBPVP8L" + bytes(4) + b"\x2f" + struct.pack("<L", 1023 | 767 << 14),
    "webp, extended": b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + struct.pack("<L", 1023)[:3] + struct.pack("<L", 767)[:3],
    "bmp": b"BM" + bytes(12) + struct.pack("<LllHH", 40, 1024, -768, 1, 24),
    "tiff": b"II*\0" + struct.pack("<LHHHLLHHLL", 8, 2, 256, 3, 1, 1024, 257, 3, 1, 768),
    "avif": avif(1024, 768),
}


@pytest.mark.parametrize("name", IMAGES)
def test_the_size_of_an_image_is_read_from_its_beginning(name: str) -> None:
    assert read_pixels(IMAGES[name] + bytes(64)) == 1024 * 768


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"<html><body>Not found",
        b'<svg width="1024" height="768"/>',
        b"P6 1024 768 255\n",
        b"\xff\xd8" + EXIF + EXIF,  # the frame comes later than is read
        PNG[:20],
        PNG.replace(struct.pack(">L", 1024), struct.pack(">L", 0)),
        b"GIF89a" + struct.pack("<hh", -1, 5) + bytes(20),
        avif(0, 768),
        avif(1024, 768)[:60],
    ],
)
def test_what_tells_no_size_has_none(head: bytes) -> None:
    assert read_pixels(head) is None


SIGNATURES = [b"\xff\xd8\xff", PNG[:16], b"GIF89a", b"BM", b"II*\0", b"II+\0", b"MM\0*", b"RIFF\0\0\0\0WEBPVP8X"]
SIGNATURES += [box(b"ftyp", b"avif\0\0\0\0"), avif(9, 9)[:80], b""]


@given(st.sampled_from([*SIGNATURES, *IMAGES.values()]), st.binary(max_size=300), st.integers(0, 100))
def test_no_bytes_make_the_reader_fail(head: bytes, tail: bytes, cut: int) -> None:
    for data in (head + tail, head[:cut] + tail, tail + head):
        pixels = read_pixels(data)
        assert pixels is None or pixels > 0


MOST = 64 * 1024
LONG = {
    "segments of nothing": b"\xff\xd8\xff" + b"\xff\xe2\x00\x02" * (MOST // 4),
    "markers only": b"\xff\xd8\xff" + b"\xff" * MOST,
    "no marker": b"\xff\xd8\xff" + bytes(MOST),
    "empty boxes": box(b"ftyp", b"avif\0\0\0\0") + box(b"free") * (MOST // 8),
    "empty properties": box(b"ftyp", b"avif\0\0\0\0")
    + box(b"meta", b"\0\0\0\0", box(b"iprp", box(b"ipco", box(b"free") * 7000))),
    "extents without end": box(b"ftyp", b"avif\0\0\0\0")
    + box(b"meta", b"\0\0\0\0", box(b"iloc", b"\2\0\0\0\0\0\xff\xff\xff\xff", b"\xff" * 60_000)),
    "a directory without end": b"II*\0" + struct.pack("<LH", 8, 0xFFFF) + bytes(MOST),
}


@pytest.mark.parametrize("name", LONG)
def test_bytes_made_to_take_long_take_no_memory_and_come_to_an_end(name: str) -> None:
    tracemalloc.start()
    try:
        assert read_pixels(LONG[name][:MOST]) is None
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_noise_is_no_image() -> None:
    noise = random.Random(7)
    for _ in range(300):
        head = noise.choice(SIGNATURES) + noise.randbytes(noise.choice([10, 100, 1000]))
        pixels = read_pixels(head)
        assert pixels is None or pixels > 0
