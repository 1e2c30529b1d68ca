"""The source's audio lies beside the new video: same packets, same times, nothing lost that the container can hold."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import av
import pytest

from streamdet.frames import RgbPicture
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.writer import VideoWriter


@pytest.fixture
def transcode(tmp_path, info_of, copy_frames):
    """Write a source's frames and audio to a file of that name."""

    def run(source, name, limit=None, start_s=None, end_s=None, **options):
        path = tmp_path / name
        with VideoWriter(path, info_of(source), EncodeOptions(**options), start_s=start_s, end_s=end_s) as writer:
            copy_frames(source, writer, limit, start_s or 0, end_s)
        return path

    return run


def distances(times, others):
    return {abs(time - other) for time, other in zip(times, others, strict=True)}


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_several_tracks_are_copied_bit_for_bit(write_source, transcode, read_audio, Track, ending):
    source = write_source("in.mp4", [Track("aac"), Track("aac", "fra", 44_100), Track("libmp3lame", "ita")])

    before, after = read_audio(source), read_audio(transcode(source, f"out{ending}"))

    assert [track.data for track in after] == [track.data for track in before]
    assert [track.codec for track in after] == [track.codec for track in before]
    # Matroska counts milliseconds; mp4 and mov count samples.
    tolerance = Fraction(1, 2000) if ending == ".mkv" else 0
    for track, original in zip(after, before, strict=True):
        assert max(distances(track.times, original.times)) <= tolerance


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_language_and_disposition_are_kept(write_source, transcode, read_audio, Track, ending):
    visual_impaired = int(av.stream.Disposition.visual_impaired)
    source = write_source("in.mkv", [Track("aac", disposition=1), Track("aac", "deu", disposition=visual_impaired)])

    after = read_audio(transcode(source, f"out{ending}"))

    assert [track.language for track in after] == ["eng", "deu"]
    assert [track.disposition & (1 | visual_impaired) for track in after] == [1, visual_impaired]


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_opus_flac_and_pcm_of_matroska(write_source, transcode, read_audio, Track, ending):
    source = write_source("in.mkv", [Track("libopus"), Track("flac", "deu"), Track("pcm_s16le", "fra")])
    before, after = read_audio(source), read_audio(transcode(source, f"out{ending}"))
    assert [track.data for track in after] == [track.data for track in before]
    for track, original in zip(after, before, strict=True):
        assert max(distances(track.times, original.times)) <= Fraction(1, 2000)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_mpegts_audio_loses_only_its_repeated_headers(write_source, transcode, read_audio, Track, ending):
    source = write_source("in.ts", [Track("aac"), Track("ac3", "deu")], format="mpegts")

    before, after = read_audio(source), read_audio(transcode(source, f"out{ending}"))

    adts_header = 7
    assert after[0].data == [data[adts_header:] for data in before[0].data]
    assert after[1].data == before[1].data
    assert max(distances(after[0].times, before[0].times)) <= Fraction(1, 2000)
    assert after[0].times[0] >= before[0].times[0] - Fraction(1, 2000)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
@pytest.mark.parametrize(("first", "start_s"), [(0, 0.7), (20, 0.0), (7, 1.5), (30, 0.25)])
def test_audio_and_video_keep_their_offset(
    write_source, transcode, read_audio, read_video, Track, ending, first, start_s
):
    source = write_source("in.mp4", [Track("aac", start_s=start_s)], first=first)
    path = transcode(source, f"out{ending}")
    tolerance = Fraction(1, 2000) if ending == ".mkv" else 0
    assert max(distances(read_audio(path)[0].times, read_audio(source)[0].times)) <= tolerance
    assert read_video(path).times == read_video(source).times


def test_audio_priming_does_not_delay_the_video_of_matroska(write_source, transcode, read_audio, read_video, Track):
    source = write_source("in.mp4", [Track("aac")])
    path = transcode(source, "out.mkv")
    assert read_audio(path)[0].times[0] == Fraction(-21, 1000)
    assert read_video(path).times[0] == 0


def test_audio_moves_with_video_that_begins_before_zero(write_source, tmp_path, info_of, read_audio, pictures, Track):
    source = write_source("in.mp4", [Track("aac")])
    with VideoWriter(tmp_path / "out.mp4", info_of(source)) as writer:
        for number, image in enumerate(pictures(55)):
            writer.write(RgbPicture(image), number - 5, Fraction(1, 25), 1)
    before, after = read_audio(source)[0], read_audio(tmp_path / "out.mp4")[0]
    assert distances(after.times, before.times) == {Fraction(5, 25)}


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_audio_longer_than_the_video_is_copied_to_its_end(write_source, transcode, read_audio, Track, ending):
    source = write_source("in.mp4", [Track("aac", seconds=5.0)])
    assert read_audio(transcode(source, f"out{ending}"))[0].data == read_audio(source)[0].data


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_audio_ends_where_a_stopped_run_ended(write_source, transcode, read_audio, Track, ending):
    source = write_source("in.mp4", [Track("aac", seconds=5.0)], frames=100)

    before, after = read_audio(source)[0], read_audio(transcode(source, f"out{ending}", limit=25))[0]

    assert after.data == before.data[: len(after.data)]
    assert Fraction(1) - Fraction(1024, 48_000) <= after.times[-1] < Fraction(1)


def test_every_other_frame_keeps_all_audio(write_source, tmp_path, info_of, read_audio, pictures, Track):
    source = write_source("in.mp4", [Track("aac")], frames=51)
    with VideoWriter(tmp_path / "out.mp4", info_of(source)) as writer:
        for number, image in enumerate(pictures(12)):
            writer.write(RgbPicture(image), number * 4, Fraction(1, 25), 4)
    assert read_audio(tmp_path / "out.mp4")[0].data == read_audio(source)[0].data


@pytest.mark.parametrize("source_name", ["in.mp4", "in.mkv", "in.ts"])
def test_only_the_part_is_copied(write_source, transcode, read_audio, Track, source_name):
    source = write_source(source_name, [Track("libmp3lame")], frames=100, codec="mpeg4")
    original = read_audio(source)[0]
    with av.open(str(source)) as container:
        beginning = min(stream.start_time * stream.time_base for stream in container.streams)

    path = transcode(source, "out.mp4", start_s=1.0, end_s=2.5)
    part = read_audio(path)[0]

    packet_s = Fraction(1152, 48_000)
    assert beginning + 1 - packet_s <= part.times[0] <= beginning + 1
    assert beginning + Fraction(5, 2) - packet_s <= part.times[-1] <= beginning + Fraction(5, 2)
    first = original.data.index(part.data[0])
    assert part.data == original.data[first : first + len(part.data)]
    assert max(distances(part.times, original.times[first : first + len(part.times)])) <= Fraction(1, 2000)


def test_a_codec_that_the_container_cannot_hold_is_named_with_a_remedy(
    write_source, transcode, read_audio, Track, caplog
):
    source = write_source("in.mkv", [Track("libopus", "eng"), Track("aac", "deu")])

    after = read_audio(transcode(source, "out.mov"))

    assert [track.language for track in after] == [None]  # QuickTime's own codes know no "deu"
    assert [track.data for track in after] == [read_audio(source)[1].data]
    (warning,) = [record.message for record in caplog.records]
    assert all(word in warning for word in ("in.mkv", "track 1", "opus", "eng", "mov", "-o x.mkv"))


def test_webm_takes_opus_only(write_source, transcode, read_audio, Track, caplog):
    source = write_source("in.mkv", [Track("aac"), Track("libopus")])
    after = read_audio(transcode(source, "out.webm", codec="av1"))
    assert [track.data for track in after] == [read_audio(source)[1].data]
    assert "aac" in caplog.text


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_track_that_begins_late_holds_nothing_back(write_source, transcode, read_audio, read_video, Track, ending):
    source = write_source("in.mkv", [Track("aac"), Track("aac", "deu", start_s=12, seconds=2.0)], frames=350)

    path = transcode(source, f"out{ending}")

    before, after = read_audio(source), read_audio(path)
    assert [track.data for track in after] == [track.data for track in before]
    for track, original in zip(after, before, strict=True):
        assert max(distances(track.times, original.times)) <= Fraction(1, 2000)
    assert read_video(path).times == read_video(source).times
    data = path.read_bytes()
    assert ending == ".mkv" or data.index(b"moov") < data.index(b"mdat")


def test_audio_is_dropped_when_asked(write_source, transcode, read_audio, Track):
    source = write_source("in.mp4", [Track("aac")])
    assert read_audio(transcode(source, "out.mp4", audio="drop")) == []


def test_a_source_that_is_gone_costs_only_the_audio(
    write_source, tmp_path, info_of, pictures, read_video, Track, caplog
):
    info = replace(info_of(write_source("in.mp4", [Track("aac")])), path=str(tmp_path / "gone.mp4"))
    with VideoWriter(tmp_path / "out.mp4", info) as writer:
        for number, image in enumerate(pictures(5)):
            writer.write(RgbPicture(image), number, Fraction(1, 25))
    assert len(read_video(tmp_path / "out.mp4").times) == 5
    assert "gone.mp4" in caplog.text


def test_audio_and_video_are_interleaved(write_source, transcode, Track):
    with av.open(str(transcode(write_source("in.mp4", [Track("aac")], frames=100), "out.mp4"))) as container:
        packets = [packet for packet in container.demux() if packet.size]
    by_position = sorted(packets, key=lambda packet: packet.pos)
    begins = [float(packet.dts * packet.time_base) for packet in by_position]
    assert max(before - after for before, after in pairwise(begins)) < 0.6


def test_audio_of_a_truncated_file_is_copied_as_far_as_it_goes(write_source, transcode, read_audio, Track):
    source = write_source("in.mkv", [Track("aac")], frames=100)
    original = read_audio(source)[0]
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 2 // 3])
    (track,) = read_audio(transcode(source, "out.mp4"))
    assert 20 < len(track.data) < len(original.data)
    assert track.data == original.data[: len(track.data)]


def test_audio_goes_on_where_a_joined_stream_begins_anew(write_source, tmp_path, info_of, pictures, read_audio, Track):
    half = write_source("half.ts", [Track("libmp3lame")], format="mpegts")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(half.read_bytes() * 2)
    info = info_of(joined)
    with VideoWriter(tmp_path / "out.mp4", info) as writer:
        for number, image in enumerate(pictures(100)):
            writer.write(RgbPicture(image), number * 3600 + 7200, Fraction(1, 90_000), 3600)
    before, after = read_audio(joined)[0], read_audio(tmp_path / "out.mp4")[0]
    assert after.data == before.data
    assert max(distances(after.times, sorted(after.times))) == 0
    gaps = {after - before for before, after in pairwise(after.times)}
    assert max(gaps) < 3 * Fraction(1152, 48_000)
    assert min(gaps) > Fraction(1152, 48_000) / 2


def test_damaged_mpegts_audio_loses_only_what_is_damaged(write_source, transcode, read_audio, Track):
    source = write_source("in.ts", [Track("aac")], frames=100, format="mpegts")
    data = bytearray(source.read_bytes())
    for position in range(len(data) // 3, len(data) // 3 + 10 * 188):
        data[position] ^= 0x5A
    source.write_bytes(data)
    (track,) = read_audio(transcode(source, "out.mp4"))
    assert len(track.data) > 150
    assert track.times[-1] > 3.5
