"""Image headers: the size of an image from its first bytes, which anybody may have written."""

import io

import imagesize  # type: ignore[import-untyped]  # it brings no types

#: What upstream's models take. The reader knows more formats, some of which take long where the bytes are hostile.
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*")


def read_pixels(head: bytes) -> int | None:
    """Give width times height of an image; None where these bytes do not tell, whatever they are."""
    if not head.startswith(_SIGNATURES) and not _is_webp(head) and not _is_heif(head):
        return None
    # It answers (-1, -1) to what it cannot read. Turned images are left unturned: the area is the same.
    width, height = map(int, imagesize.get(io.BytesIO(head), exif_rotation=False))
    return width * height if width > 0 and height > 0 else None


def _is_webp(head: bytes) -> bool:
    return head.startswith(b"RIFF") and head[8:12] == b"WEBP"


def _is_heif(head: bytes) -> bool:
    """Tell an image of the ISO family, AVIF or HEIC, by its first box; the reader looks at the brands."""
    return head[4:8] == b"ftyp"
