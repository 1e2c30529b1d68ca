"""Packets of H.264 and what a session says about it, read back as a receiver does."""

import struct
from itertools import pairwise

import pytest

from streamdet.media.write.rtp import RtpSender, nal_units, session_description

SPS, PPS, IDR = b"\x67\x42\xc0\x1e\x01", b"\x68\xce\x3c", b"\x65" + bytes(range(256)) * 20


def unpacked(packets):
    """NAL units of packets: RFC 6184, 5.6 and 5.8."""
    units = []
    for packet in packets:
        payload = packet[12:]
        if payload[0] & 0x1F != 28:
            units.append(payload)
        elif payload[1] & 0x80:
            units.append(bytes((payload[0] & 0xE0 | payload[1] & 0x1F,)) + payload[2:])
        else:
            units[-1] += payload[2:]
    return units


def test_start_codes_of_both_lengths_part_units():
    access_unit = b"\x00\x00\x00\x01" + SPS + b"\x00\x00\x01" + PPS + b"\x00\x00\x01" + IDR
    assert nal_units(access_unit) == [SPS, PPS, IDR]


def test_a_receiver_gets_the_picture_back():
    sender = RtpSender()
    access_unit = b"".join(b"\x00\x00\x00\x01" + unit for unit in (SPS, PPS, IDR))
    first, second = list(sender.packets(access_unit, 0)), list(sender.packets(access_unit, 3600))
    for packets in (first, second):
        assert unpacked(packets) == [SPS, PPS, IDR]
        assert max(map(len, packets)) <= 1412
        markers = [packet[1] >> 7 for packet in packets]
        assert markers == [0] * (len(packets) - 1) + [1]
    numbers = [struct.unpack_from(">H", packet, 2)[0] for packet in first + second]
    assert {(after - before) % 65536 for before, after in pairwise(numbers)} == {1}
    times = [struct.unpack_from(">I", packet, 4)[0] for packet in (first[0], first[-1], second[0])]
    assert times[0] == times[1]
    assert (times[2] - times[0]) % 2**32 == 3600
    assert len({packet[8:12] for packet in first + second}) == 1


@pytest.mark.parametrize("length", [1400, 1401, 1399 + 1398, 1400 + 1398])
def test_units_near_the_limit(length):
    unit = b"\x41" + bytes(length - 1)
    assert unpacked(RtpSender().packets(b"\x00\x00\x01" + unit, 0)) == [unit]


def test_a_report_ties_a_time_to_the_clock():
    sender = RtpSender()
    (packet,) = sender.packets(b"\x00\x00\x01" + PPS, 900)
    fields = struct.unpack(">BBHIIIIII", sender.report(1_000_000_000.25, 900))
    timestamp = struct.unpack_from(">I", packet, 4)[0]
    assert fields == (0x80, 200, 6, fields[3], 1_000_000_000 + 2_208_988_800, 2**30, timestamp, 1, len(PPS))


def test_the_description_names_the_parameter_sets():
    text = session_description([SPS, PPS, IDR], "::1")
    assert "sprop-parameter-sets=Z0LAHgE=,aM48; profile-level-id=42C01E\r\n" in text
    assert "c=IN IP6 ::1\r\n" in text
