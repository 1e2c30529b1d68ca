"""How video is encoded: every default stands here."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from streamdet.yaml_file import Section


def _number_as_text(value: Any) -> Any:
    """SVT-AV1 numbers its presets: YAML reads an integer."""
    return str(value) if type(value) is int else value


class EncodeOptions(Section):
    """What every video output takes. Which crf and presets a codec has, its encoder knows.

    Attributes:
        codec: of the video; playlists and servers get h264 only.
        crf: constant quality; the smaller the better. None: 23 for h264, 28 for hevc, 35 for av1.
        preset: the encoder's speed. None: veryfast, 8 for av1; ultrafast where a picture must leave at once.
        audio: "copy" all tracks of the source or "drop" them.
        threads: of the encoder, on which its bytes depend; None: as the machine has cores.
    """

    codec: Literal["h264", "hevc", "av1"] = "h264"
    crf: int | None = None
    preset: Annotated[str | None, BeforeValidator(_number_as_text)] = None
    audio: Literal["copy", "drop"] = "copy"
    threads: int | None = Field(default=None, ge=1, le=64)


DEFAULTS = EncodeOptions()
