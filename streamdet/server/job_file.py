"""The job that is served, and its file: single sections are written again, all else stays, comments too."""

import re
from pathlib import Path
from typing import Any

import yaml

from streamdet.errors import ConfigError
from streamdet.jobs.config import PipelineConfig
from streamdet.media.write.part_file import write_at_once

_STAGES = ("decode", "batch", "detect", "track", "zones", "clips")


def served_job(config: PipelineConfig, data: Path) -> PipelineConfig:
    """A job with what a page shows: areas and lines, and clips in the folder of the data."""
    stages = list(config.stages) if "stages" in config.model_fields_set else list(_STAGES)
    if "track" in stages and "zones" not in stages:
        stages.insert(stages.index("track") + 1, "zones")
    changes: dict[str, Any] = {"stages": tuple(stages)}
    clips = config.settings_of("clips")
    if "path" not in clips.model_fields_set:
        changes["clips"] = clips.model_copy(update={"path": str(data / "clips")})
    alerts = config.settings_of("alert")
    if "outbox" not in alerts.model_fields_set:
        changes["alert"] = alerts.model_copy(update={"outbox": str(data / "alerts.sqlite")})
    return config.model_copy(update=changes)


def write_section(path: Path, name: str, value: Any) -> None:
    """Put a section into a YAML file in place of the one that it has, or at its end.

    Args:
        path: the file; made where it is missing.
        name: of the section, a key of the top level.
        value: as JSON holds it; what equals a default may be left out by the caller.

    Raises:
        ConfigError: it cannot be read.
        SinkError: it cannot be written.
    """
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    write_at_once(path, replaced(text, name, value).encode())


def replaced(text: str, name: str, value: Any) -> str:
    """The text of a YAML file with another value of a section.

    Args:
        text: of the file.
        name, value: as in `write_section`.
    """
    section = yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
    lines = text.splitlines(keepends=True)
    start = next((n for n, line in enumerate(lines) if re.match(rf"{re.escape(name)}\s*:", line)), None)
    if start is None:
        before = text if not text or text.endswith("\n") else f"{text}\n"
        return f"{before}\n{section}" if before else section
    end = start + 1
    while end < len(lines) and re.match(r"\s|#|-|$", lines[end]):
        end += 1
    while end > start + 1 and re.match(r"#|\s*$", lines[end - 1]):  # they belong to what follows
        end -= 1
    return "".join([*lines[:start], section, *lines[end:]])
