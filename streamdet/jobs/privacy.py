"""What a job must not do when objects of some classes shall not be recognised."""

from streamdet.errors import ConfigError
from streamdet.jobs.config import PipelineConfig
from streamdet.media.packets import PacketLimits
from streamdet.models.options import DetectOptions
from streamdet.stages.anonymise import AnonymiseSettings
from streamdet.stages.detect import DetectSettings
from streamdet.stages.registry import stage_entry

_STAGE = "anonymise"


def with_privacy(config: PipelineConfig) -> PipelineConfig:
    """The job with the stage anonymise where classes are to be anonymised: before all that takes pictures.

    Raises:
        ConfigError: they would be seen all the same.
    """
    classes = config.settings(AnonymiseSettings).classes
    stages = list(config.stages)
    if _STAGE in stages and not classes:
        raise ConfigError("anonymise: expected the classes, such as anonymise: [person]")
    if not classes:
        return config
    if _STAGE not in stages:
        stages.insert(stages.index("track" if "track" in stages else "detect") + 1, _STAGE)
    for name in stages:
        if stage_entry(name).copies_video(config.settings_of(name)):
            raise ConfigError(
                f"anonymise: the stage {name} copies the video, so nothing in it can be hidden; "
                "use --annotate draw and --encode all"
            )
    check_found(config, config.settings(DetectSettings))
    return config.model_copy(update={"stages": tuple(stages)})


def check_found(config: PipelineConfig, detect: DetectOptions) -> None:
    """Make sure that what is to be anonymised is looked for, and not with less care than the job started with.

    Args:
        config: of the job.
        detect: what is looked for from now on.

    Raises:
        ConfigError: it is not.
    """
    before = config.settings(DetectSettings)
    for name in config.settings(AnonymiseSettings).classes:
        if detect.classes is not None and name not in detect.classes:
            raise ConfigError(f"detect.classes: {name} is anonymised, so it must be looked for; expected it among them")
        most = before.class_conf.get(name, before.conf)
        if detect.class_conf.get(name, detect.conf) > most:
            raise ConfigError(f"detect.conf: {name} is anonymised; expected at most {most:g} for it, see class_conf")


def packets_of(config: PipelineConfig) -> PacketLimits | None:
    """How much of the packets of its live sources a job keeps: none where somebody is anonymised, as they show them."""
    wanted = (stage_entry(name).packets(config.settings_of(name)) for name in config.stages)
    limits = [each for each in wanted if each is not None]
    if not limits or _STAGE in config.stages:
        return None
    return PacketLimits(max(each.seconds for each in limits), max(each.bytes for each in limits))
