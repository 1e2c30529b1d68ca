"""Whether a picture file holds one picture or many: their names do not tell (.webp, .png)."""

from pathlib import Path

_PNG = b"\x89PNG\r\n\x1a\n"
_HAS_ANIMATION = 0x02


def is_animated(path: Path) -> bool:
    """Whether a file is an animated WebP or PNG; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            start = file.read(33)
            if start[:8] != _PNG:
                return _is_animated_webp(start)
            # The chunk that says so comes before the pixels. Source: PNG specification (third edition), 5.6.
            while len(header := file.read(8)) == 8 and header[4:] != b"IDAT":
                if header[4:] == b"acTL":
                    return True
                file.seek(int.from_bytes(header[:4], "big") + 4, 1)
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        pass
    return False


def is_animated_webp(path: Path) -> bool:
    """Whether a file is an animated WebP; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return _is_animated_webp(file.read(33))
    except (OSError, ValueError):
        return False


def _is_animated_webp(start: bytes) -> bool:
    # Source: RFC 9649, 2.7.
    is_extended = len(start) >= 30 and start[:4] == b"RIFF" and start[8:16] == b"WEBPVP8X"
    return is_extended and bool(start[20] & _HAS_ANIMATION)
