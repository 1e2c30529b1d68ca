"""Which stages the options of `run` take away or add."""

import pytest

from streamdet.cli.job_options import with_stages
from streamdet.jobs.config import job_model

NONE = {
    "no_video": False,
    "show": False,
    "track": None,
    "output": None,
    "detections": None,
    "csv": None,
    "save_crop": None,
    "classify": None,
    "annotate": None,
    "audio": None,
}
START = ("decode", "batch", "detect")


@pytest.mark.parametrize(
    ("stages", "options", "expected"),
    [
        (("track", "annotate", "encode"), {}, ("track", "annotate", "encode")),
        (("track", "annotate", "encode"), {"no_video": True}, ("track",)),
        (("track", "annotate", "encode"), {"track": False}, ("annotate", "encode")),
        (("track", "annotate", "encode"), {"track": True}, ("track", "annotate", "encode")),
        (("annotate", "encode"), {"track": True}, ("track", "annotate", "encode")),
        (("record",), {"output": "x.mp4"}, ("record", "annotate", "encode")),
        (("annotate", "record"), {"output": "x.mp4"}, ("annotate", "record", "encode")),
        (("annotate", "encode"), {"detections": "x.jsonl"}, ("annotate", "encode", "record")),
        (("encode",), {"output": "x.mp4", "detections": "-"}, ("encode", "record")),
        (("encode",), {"csv": "x.csv", "detections": "-"}, ("encode", "record", "table")),
        (("track", "annotate", "encode"), {"classify": "x"}, ("track", "classify", "annotate", "encode")),
        (("track", "annotate", "encode"), {"save_crop": "x"}, ("track", "crops", "annotate", "encode")),
        (("track", "annotate", "encode"), {"save_crop": "x", "no_video": True}, ("track", "crops")),
        (("annotate", "encode", "record"), {"no_video": True, "detections": "-"}, ("record",)),
        (("track", "annotate", "encode"), {"no_video": True, "show": True}, ("track", "annotate")),
        (("track", "annotate", "encode"), {"annotate": "overlay"}, ("track", "overlay")),
        (
            ("track", "annotate", "encode", "record"),
            {"annotate": "overlay", "show": True},
            ("track", "annotate", "record", "overlay"),
        ),
        (("track", "overlay"), {"output": "x.mkv"}, ("track", "overlay")),
        (("track", "overlay"), {"annotate": "draw"}, ("track", "annotate", "encode")),
        (("track", "overlay"), {"no_video": True}, ("track",)),
    ],
)
def test_with_stages(stages, options, expected):
    changed = with_stages(job_model()(stages=START + stages), NONE | options)
    assert changed.stages == START + expected
    job_model().model_validate(changed.model_dump())  # still a valid order


def test_an_overlay_takes_what_the_job_says_of_drawing_and_encoding():
    job = job_model().model_validate(
        {"annotate": {"labels": "id", "line_width": 3}, "encode": {"path": "a.mkv"}, "overlay": {"line_width": 5}}
    )
    overlay = with_stages(job, NONE | {"annotate": "overlay"}).settings_of("overlay")
    assert (overlay.labels, overlay.line_width, overlay.path, overlay.audio) == ("id", 5, "a.mkv", "copy")
