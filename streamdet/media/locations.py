"""What a user may name as a source: files, folders, globs, lists, URLs and cameras; and how URLs are shown."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from glob import escape, glob, has_magic
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from streamdet.errors import ConfigError, SourceOpenError
from streamdet.media.animated import is_animated

Kind = Literal["file", "images", "network", "camera", "arrays"]

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_MAYBE_ANIMATED = frozenset({".png", ".webp"})
VIDEO_SUFFIXES = frozenset(
    {".264", ".265", ".3gp", ".apng", ".asf", ".avi", ".avif", ".dav", ".divx", ".dv", ".f4v", ".flv", ".gif"}
    | {".h264", ".h265", ".heic", ".heif", ".hevc", ".hif", ".ivf", ".m2ts", ".m2v", ".m4v", ".mj2", ".mjpeg"}
    | {".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mpv", ".mts", ".mxf", ".nut", ".ogv", ".rm", ".rmvb"}
    | {".ts", ".vob", ".webm", ".wmv", ".y4m"}
)
SCHEMES = frozenset({"http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt", "tcp", "udp"})

_STANDARD_INPUT = "/dev/stdin"
_DEVICE = re.compile(r"/dev/video(\d+)")
_PAGES = frozenset(
    {"dailymotion.com", "facebook.com", "tiktok.com", "twitch.tv", "vimeo.com", "youtu.be", "youtube.com"}
)

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_URL_START = r"(\b[a-z][a-z0-9+.-]*://)"
# The authority of a URL ends at the first of / ? #, and its last @ ends the credentials: RFC 3986, 3.2.
_CREDENTIALS = re.compile(_URL_START + r"[^\s/?#]*@", re.IGNORECASE)
# A password with an unescaped / ? or # in it breaks that rule; it must not be shown even so. host:554/ is no password.
_BROKEN_CREDENTIALS = re.compile(_URL_START + r"[^\s/@:\[]*:(?!\d{1,5}[/?#])\S*@", re.IGNORECASE)
_SECRET_PARAMETERS = re.compile(
    r"([?&;/](?:x-amz-(?:signature|credential|security-token)|x-goog-(?:signature|credential)|awsaccesskeyid|"
    r"user(?:name)?|login|pass(?:word|wd)?|pwd|pw|(?:access_?|auth_?)?token|auth|api_?key|key|secret|sig(?:nature)?)=)"
    r"[^&;\s'\"]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """One source to open.

    Attributes:
        location: a file, a folder or glob of images, a URL (credentials included), a camera's number.
        name: unique within a run; names outputs.
        kind: how it is read.
        hwaccel: kind of device that decodes it, from hwaccel.choose_device; None: software.
        track_index: of its video that is read, as `probe` numbers them; None: the one that is meant, see tracks.
        arrays: of the kind arrays: its frames, (H, W, 3) uint8 RGB each.
    """

    location: str
    name: str
    kind: Kind
    hwaccel: str | None = None
    track_index: int | None = None
    arrays: Iterable[Any] = field(default=(), repr=False, compare=False)

    @property
    def shown(self) -> str:
        """The location as messages may show it."""
        return f"camera {self.location}" if self.kind == "camera" else redact(self.location)


def redact(text: str) -> str:
    """Remove the credentials from every URL in a text: user names, passwords, tokens in queries."""
    text = _CREDENTIALS.sub(r"\1", text)
    text = _BROKEN_CREDENTIALS.sub(r"\1", text)
    return _SECRET_PARAMETERS.sub(r"\1***", text)


def expand_sources(arguments: Sequence[str], taken: Iterable[str] = ()) -> list[SourceSpec]:
    """Turn what the user named into sources, in that order, with unique names.

    A folder or glob of videos gives one source each; its images together are one more. A WebP or PNG with many pictures
    is a video. Folders are not searched recursively; a glob with ** is. Videos of a glob over folders are named by
    their path below the part without wildcards: in/**/*.mp4 gives a/clip for in/a/clip.mp4. A list (@list.txt) holds
    one source a line, blank lines and # comments aside; its relative paths start at the list's folder.

    Args:
        arguments: what the user named.
        taken: names that others have already.

    Raises:
        SourceOpenError: a file or list does not exist.
        ConfigError: a folder or glob holds nothing to read, or a URL has an unknown scheme.
    """
    return list(with_unique_names((spec for argument in arguments for spec in _expand(argument)), taken))


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Sort key that puts frame2.png before frame10.png; equal ones by their exact name."""
    parts = re.split(r"(\d+)", path.name.casefold())
    return [int(part) if number % 2 else part for number, part in enumerate(parts)], str(path)


def list_images(location: str) -> list[Path]:
    """The images of a file, folder or glob, in natural order; without those that are animated."""
    path = Path(location)
    if path.is_file():
        return [path]
    return sorted(filter(_is_image, _members(location)), key=natural_key)


def _expand(argument: str, base: Path = Path()) -> Iterator[SourceSpec]:
    scheme = _SCHEME.match(argument)
    if scheme and scheme[1].lower() == "file":
        argument, scheme = argument[len(scheme[0]) :], None
    if scheme:
        if scheme[1].lower() not in SCHEMES:
            known = ", ".join(sorted(SCHEMES))
            raise ConfigError(f"{redact(argument)}: unknown scheme {scheme[1]}://, expected one of {known}")
        _check_url(argument)
        yield SourceSpec(argument, _name_of_url(argument), "network")
    elif argument == "-":
        yield SourceSpec(_STANDARD_INPUT, "stdin", "file")
    elif device := _DEVICE.fullmatch(argument):
        yield SourceSpec(device[1], f"camera-{device[1]}", "camera")
    elif argument.startswith("@"):
        yield from _expand_list(base / argument[1:])
    elif argument.isascii() and argument.isdigit():
        yield SourceSpec(str(int(argument)), f"camera-{int(argument)}", "camera")
    else:
        yield from _expand_path(str(base / argument))


def _check_url(url: str) -> None:
    """Refuse what no server could be asked for, and would be tried forever.

    Raises:
        ConfigError: its password is not written as an address needs it, or it is a page about a video.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        hint = "host:port is not one"
        if "@" in url:
            hint = "in its password or user name write @ : / ? # as %40 %3A %2F %3F %23, and % as %25"
        raise ConfigError(f"{redact(url)}: is no valid address: {hint}") from None
    host = (parts.hostname or "").removeprefix("www.").removeprefix("m.")
    if parts.scheme.startswith("http") and host in _PAGES:
        raise ConfigError(
            f"{redact(url)}: is a web page, not a video; download it first, such as with yt-dlp, and name the file"
        )


def _expand_list(path: Path) -> Iterator[SourceSpec]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise SourceOpenError(f"{path}: cannot read this list of sources: {reason}") from error
    entries = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not entries:
        raise ConfigError(f"{path}: this list names no sources; expected one on each line")
    for entry in entries:
        if entry.startswith("@"):
            raise ConfigError(f"{path}: {entry}: a list cannot hold another list")
        yield from _expand(entry, path.parent)


def _expand_path(location: str) -> Iterator[SourceSpec]:
    path = Path(location)
    if path.is_dir() or (not path.exists() and has_magic(location)):
        yield from _expand_many(location, path if path.is_dir() else path.parent)
    elif path.exists():
        yield SourceSpec(location, path.stem, "images" if _is_image(path) else "file")
    else:
        raise SourceOpenError(f"{location}: no such file or folder")


def _expand_many(location: str, folder: Path) -> Iterator[SourceSpec]:
    members = _members(location)
    media = [path for path in members if path.suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES]
    images = [path for path in media if _is_image(path)]
    videos = sorted(set(media) - set(images), key=natural_key)
    if not videos and not images:
        problem = "matches" if has_magic(location) and not Path(location).is_dir() else "holds"
        raise ConfigError(f"{location}: {problem} no videos or images (known by their endings, such as .mp4 or .jpg)")
    root = _fixed_part(location)
    for video in videos:
        yield SourceSpec(str(video), video.relative_to(root).with_suffix("").as_posix(), "file")
    if images:
        name = folder.name if not has_magic(folder.name) else "images"
        yield SourceSpec(location, name or folder.resolve().name or "images", "images")


def _fixed_part(location: str) -> Path:
    """The folder below which a folder's or a glob's members are: all before the first wildcard."""
    path = Path(location)
    if path.is_dir():
        return path
    return next(folder for folder in path.parents if folder.is_dir() or not has_magic(str(folder)))


def _members(location: str) -> list[Path]:
    path = Path(location)
    if path.is_dir():
        found = list(path.iterdir())
    else:  # folders may be called such as cam[1]
        folder = escape(str(path.parent)) if path.parent.is_dir() else str(path.parent)
        found = [Path(name) for name in glob(str(Path(folder, path.name)), recursive=True)]
    return [member for member in found if member.is_file() and not member.name.startswith(".")]


def _is_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    return suffix in IMAGE_SUFFIXES and not (suffix in _MAYBE_ANIMATED and is_animated(path))


def _name_of_url(url: str) -> str:
    """A file's stem, or host and path of anything else; never a query, which may hold a token."""
    parts = urlsplit(redact(url))
    path = Path(parts.path)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return path.stem
    words = re.findall(r"[A-Za-z0-9.]+", f"{parts.hostname or ''}/{parts.path}")
    return "-".join(words) or parts.scheme


def with_unique_names(specs: Iterable[SourceSpec], others: Iterable[str]) -> Iterator[SourceSpec]:
    """The same sources; a name that another one or one before has gets a number."""
    taken = set(others)
    for spec in specs:
        name, number = spec.name, 1
        while name in taken:
            number += 1
            name = f"{spec.name}-{number}"
        taken.add(name)
        yield replace(spec, name=name)
