"""H.264 as RTP packets, and what a session says about it."""

import base64
import re
import secrets
import struct
from collections.abc import Iterator, Sequence

CLOCK_RATE = 90_000  # of the timestamps
PAYLOAD_TYPE = 96
_LARGEST_PAYLOAD = 1400  # fits any path, with room for the headers of tunnels
_SPS, _PPS, _FU_A = 7, 8, 28
_NTP_FROM_UNIX_S = 2_208_988_800  # NTP counts from 1900
_START_CODE = re.compile(rb"\x00\x00\x00?\x01")


def nal_units(access_unit: bytes) -> list[bytes]:
    """Split an encoded picture at its start codes.

    Source: ITU-T H.264, annex B.
    """
    return [unit for unit in _START_CODE.split(access_unit) if unit]


def session_description(parameter_sets: Sequence[bytes], host: str) -> str:
    """SDP of one video stream.

    Args:
        parameter_sets: NAL units, among them SPS and PPS.
        host: that it is sent to.

    Source: RFC 8866; RFC 6184, 8.1 for the line fmtp.
    """
    kept = [unit for unit in parameter_sets if unit[0] & 0x1F in (_SPS, _PPS)]
    sets = ",".join(base64.b64encode(unit).decode() for unit in kept)
    profile = next((unit[1:4].hex().upper() for unit in kept if unit[0] & 0x1F == _SPS), "42E01F")
    family = "IP6" if ":" in host else "IP4"
    lines = (
        "v=0",
        f"o=- 0 0 IN {family} {host}",
        "s=streamdet",
        f"c=IN {family} {host}",
        "t=0 0",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_RATE}",
        f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1; sprop-parameter-sets={sets}; profile-level-id={profile}",
        "a=control:streamid=0",
    )
    return "".join(f"{line}\r\n" for line in lines)


class RtpSender:
    """Turns the pictures of one session into packets, and tells their times by the sender's clock.

    Source: RFC 3550, 5.1 and 6.4.1; RFC 6184, 5.6 and 5.8.
    """

    def __init__(self) -> None:
        self._ssrc = secrets.randbits(32)
        self._first_timestamp = secrets.randbits(32)
        self._sequence = secrets.randbits(16)
        self._packets = self._bytes = 0

    def packets(self, access_unit: bytes, pts: int) -> Iterator[bytes]:
        """All packets of a picture; pts in units of 1/90000 s."""
        payloads = [payload for unit in nal_units(access_unit) for payload in _payloads(unit)]
        for number, payload in enumerate(payloads):
            last = number == len(payloads) - 1
            header = struct.pack(
                ">BBHII", 0x80, PAYLOAD_TYPE | last << 7, self._sequence, self._timestamp(pts), self._ssrc
            )
            self._sequence = (self._sequence + 1) & 0xFFFF
            self._packets += 1
            self._bytes += len(payload)
            yield header + payload

    def report(self, wall_s: float, pts: int) -> bytes:
        """A sender report: pts was at wall_s, in seconds since 1970."""
        seconds, fraction = divmod(wall_s + _NTP_FROM_UNIX_S, 1)
        return struct.pack(
            ">BBHIIIIII",
            *(0x80, 200, 6, self._ssrc),
            *(int(seconds) & 0xFFFFFFFF, int(fraction * 2**32), self._timestamp(pts)),
            *(self._packets & 0xFFFFFFFF, self._bytes & 0xFFFFFFFF),
        )

    def _timestamp(self, pts: int) -> int:
        return (self._first_timestamp + pts) & 0xFFFFFFFF


def _payloads(unit: bytes) -> Iterator[bytes]:
    """A NAL unit as it is, or in pieces (FU-A) where it is larger than a packet."""
    if len(unit) <= _LARGEST_PAYLOAD:
        yield unit
        return
    indicator, kind = unit[0] & 0xE0 | _FU_A, unit[0] & 0x1F
    step = _LARGEST_PAYLOAD - 2
    for first in range(1, len(unit), step):
        start, end = first == 1, first + step >= len(unit)
        yield bytes((indicator, start << 7 | end << 6 | kind)) + unit[first : first + step]
