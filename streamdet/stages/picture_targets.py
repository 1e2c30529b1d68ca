"""Where the pictures that are made of still pictures go."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streamdet.errors import ConfigError
from streamdet.media.locations import SourceSpec, list_images
from streamdet.media.read.heif import is_photo
from streamdet.media.write.pictures import PICTURE_SUFFIXES, picture_name
from streamdet.stages.outputs import Target
from streamdet.stages.targets import is_folder


@dataclass(frozen=True, slots=True)
class PictureTargets:
    """Of sources that become pictures.

    Attributes:
        targets: by name of the source: a file, or a folder as text that ends in /.
        earlier: files with the names of pictures that will be written into folders.
    """

    targets: dict[str, Target] = field(default_factory=dict)
    earlier: list[Path] = field(default_factory=list)


def is_picture(target: Target) -> bool:
    """Whether a target is one picture."""
    return isinstance(target, Path) and target.suffix.lower() in PICTURE_SUFFIXES


def is_picture_folder(target: Target) -> bool:
    """Whether a target is a folder of pictures."""
    return isinstance(target, str) and target.endswith("/") and "://" not in target


def picture_targets(path: str | None, sources: Sequence[SourceSpec]) -> PictureTargets:
    """Those of the sources that become pictures: all where all are stills, and the output is a folder or a picture.

    Without an output, a single picture becomes one; a folder of pictures is taken for a video then.

    Raises:
        ConfigError: one picture is asked for, and the sources are more, or none; or a source would be replaced.
    """
    to_folder = path is not None and is_folder(path)
    if path is not None and not to_folder:
        return _one(path, sources) if Path(path).suffix.lower() in PICTURE_SUFFIXES else PictureTargets()
    if not all(_is_still(source) for source in sources):
        return PictureTargets()
    found = PictureTargets()
    for source in sources:
        if _is_single(source):
            name = f"{source.name}{Path(source.location).suffix}" if to_folder else _annotated(source)
            found.targets[source.name] = Path(path or ".", picture_name(name))
        elif path is not None:
            folder = Path(path) if len(sources) == 1 else Path(path, source.name)
            found.targets[source.name] = f"{folder}/"
            found.earlier.extend(_earlier(folder, source))
    return found


def _one(path: str, sources: Sequence[SourceSpec]) -> PictureTargets:
    pictures = sum(1 if _is_single(source) else len(list_images(source.location)) for source in sources)
    if not all(_is_still(source) for source in sources):
        raise ConfigError(f"output {path}: expected a video such as .mp4, since a source is a video")
    if pictures != 1:
        raise ConfigError(f"output {path}: {pictures} pictures need a folder; end its name with /")
    return PictureTargets({sources[0].name: Path(path)})


def _annotated(source: SourceSpec) -> str:
    return f"{source.name}.annotated{Path(source.location).suffix}"


def _is_still(source: SourceSpec) -> bool:
    return source.kind == "images" or (source.kind == "file" and is_photo(Path(source.location)))


def _is_single(source: SourceSpec) -> bool:
    return source.kind == "file" or Path(source.location).is_file()


def _earlier(folder: Path, source: SourceSpec) -> list[Path]:
    """Pictures of these names that are there.

    Raises:
        ConfigError: one is the source itself.
    """
    there = []
    for picture in list_images(source.location):
        path = folder / picture_name(picture.name)
        if path.exists() and path.samefile(picture):
            raise ConfigError(f"output {folder}/: its pictures would replace those that are read; name another folder")
        there += [path] if path.exists() else []
    return there
