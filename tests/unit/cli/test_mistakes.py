"""A mistake in a command line says what was probably meant."""

import pytest

from streamdet.cli import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--confidence", "0.4", "x.mp4"), "unknown option --confidence; did you mean --conf"),
        (("run", "--cnf", "1"), "unknown option --cnf; did you mean --conf"),
        (("run", "--save-txt", "x.mp4"), "unknown option --save-txt; did you mean --detections NAME.txt?"),
        (("run", "--weights", "x"), "did you mean --model?"),
        (("run", "--qqqq"), "unknown option --qqqq (see: streamdet run --help)"),
        (("run", "--conf"), "requires an argument"),
        (("scene", "street.mp4"), "Got unexpected extra argument(s) (street.mp4); did you mean -o NAME?"),
        (("video.mp4",), "expected a command before video.mp4; did you mean: streamdet run video.mp4?"),
        (("rtsp://user:secret@host/a",), "did you mean: streamdet run SOURCE?"),
        (("rnu",), "No such command 'rnu'. Did you mean 'run'?"),
    ],
)
def test_one_line_says_what_was_meant(words, said, capsys):
    assert main(words) == 2
    text = capsys.readouterr().err
    assert said in text
    assert text.count("\n") == 1
    assert "secret" not in text
