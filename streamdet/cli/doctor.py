"""`streamdet doctor`: checks the installation, and says how to repair it."""

import hashlib
import importlib
import importlib.metadata
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

import typer

from streamdet.cli.exit_status import DONE, FAILED
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import Verbose
from streamdet.runtimes.devices import has_torch
from streamdet.version import __version__

# Distribution, and what it is imported as.
_PACKAGES = {
    "av": "av",
    "numpy": "numpy",
    "onnx": "onnx",
    "opencv-python-headless": "cv2",
    "openvino": "openvino",
    "pydantic": "pydantic",
    "pyyaml": "yaml",
    "rich": "rich",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "torch": "torch",
    "torchvision": "torchvision",
    "typer": "typer",
}
_NEED_TORCH = "train, export, --runtime torch and GPUs need it: pip install torch torchvision"
_OPTIONAL = {"torch": _NEED_TORCH, "torchvision": _NEED_TORCH}
_CPU_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16")


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    Attributes:
        name: what.
        detail: the result of the check.
        remedy: what to do about it; None where all is well.
        missing: an optional part that is not installed, which is no failure.
    """

    name: str
    detail: str
    remedy: str | None = None
    missing: bool = False

    @property
    def mark(self) -> str:
        """The first word of its line."""
        return "--" if self.missing else "ok" if self.remedy is None else "FAIL"


def doctor(verbose: Verbose = False) -> int:
    """Check the installation.

    Looks at packages, processor, GPU, encoders and the model, and runs the whole pipeline on one frame.
    """
    start_messages(verbose=verbose)
    findings = [
        finding
        for look in (_system, _packages, _processor, _gpu, _hwaccel, _encoders, _model, _smoke_run)
        for finding in _safely(look)
    ]
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        typer.echo(f"{finding.mark:4}  {finding.name:{width}}  {finding.detail}")
        if finding.remedy is not None:
            typer.echo(f"{'':{width + 8}}-> {finding.remedy}")
    wrong = sum(finding.remedy is not None for finding in findings)
    without = any(finding.missing for finding in findings)
    well = "all is well for files and cameras on the CPU" if without else "all is well"
    typer.echo(f"{wrong} of {len(findings)} checks failed" if wrong else well)
    return FAILED if wrong else DONE


def _safely(look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a look finds; where it breaks, that is a finding as well."""
    try:
        yield from look()
    except Exception as error:
        log.debug("%s", look.__name__, exc_info=True)
        yield Finding(
            look.__name__.strip("_").replace("_", " "),
            f"{type(error).__name__}: {str(error).partition(chr(10))[0]}",
            "see the failures above; streamdet doctor -v shows where it broke",
        )


def _system() -> Iterator[Finding]:
    yield Finding("streamdet", __version__)
    yield Finding("python", f"{platform.python_version()}, {platform.platform()}")


def _packages() -> Iterator[Finding]:
    from streamdet.runtimes.openvino import import_openvino  # keeps it from reporting to its maker

    for package, module in _PACKAGES.items():
        if package in _OPTIONAL and find_spec(module) is None:
            yield Finding(package, f"not installed; {_OPTIONAL[package]}", missing=True)
            continue
        try:
            found = import_openvino() if module == "openvino" else importlib.import_module(module)
        except Exception as error:  # a package that is half there raises anything
            reason = str(error).partition("\n")[0]
            yield Finding(package, reason, f"{sys.executable} -m pip install --force-reinstall {package}")
        else:
            yield Finding(package, getattr(found, "__version__", "") or _version(package))


def _version(package: str) -> str:
    """Of a package that does not say it itself."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> Iterator[Finding]:
    flags = set()
    with_flags = Path("/proc/cpuinfo")
    if with_flags.exists():
        for line in with_flags.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith(("flags", "features")):
                flags = set(line.partition(":")[2].split())
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    features = " ".join(feature for feature in _CPU_FEATURES if feature in flags)
    yield Finding("cpu", f"{cores} {'core' if cores == 1 else 'cores'}, {platform.machine()} {features}".rstrip())


def _gpu() -> Iterator[Finding]:
    if not has_torch():
        yield Finding("gpu", "not used without torch; detectors run on the CPU", missing=True)
        return
    import torch

    if not torch.cuda.is_available():
        yield Finding("gpu", "none that torch can use; detectors run on the CPU")
    for number in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(number)
        yield Finding(f"gpu {number}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB")


def _hwaccel() -> Iterator[Finding]:
    from streamdet.media.read.hwaccel import kinds, why_not

    problems = {kind: why_not(kind) for kind in kinds()}
    found = [f"{kind}: {problem or 'can decode video'}" for kind, problem in problems.items()]
    yield Finding("hwaccel", ", ".join(found) or "none that PyAV knows; video is decoded in software")


def _encoders() -> Iterator[Finding]:
    from streamdet.errors import ConfigError
    from streamdet.media.write.encoder import CODECS, encoder_settings
    from streamdet.media.write.options import EncodeOptions

    for codec in CODECS:
        try:
            yield Finding(f"encoder {codec}", encoder_settings(EncodeOptions.model_validate({"codec": codec})).name)
        except ConfigError as error:
            yield Finding(f"encoder {codec}", str(error), f"{sys.executable} -m pip install --force-reinstall av")


def _model() -> Iterator[Finding]:
    reinstall = f"{sys.executable} -m pip install --force-reinstall streamdet"
    with as_file(files("streamdet") / "weights" / "street.safetensors") as path:
        if not path.is_file():
            yield Finding("model street", f"{path} is missing", reinstall)
            return
        data = path.read_bytes()
    from streamdet.errors import ModelError
    from streamdet.runtimes.loading import load

    try:
        detector = load("street")
    except ModelError as error:
        yield Finding("model street", str(error), reinstall)
        return
    what = f"{len(data) / 1e6:.1f} MB, sha256 {hashlib.sha256(data).hexdigest()}"
    yield Finding("model street", f"{what}, {detector.runtime}, {' '.join(detector.spec.classes)}")


def _smoke_run() -> Iterator[Finding]:
    """One rendered frame: encoded, read back, detected in."""
    from streamdet.cli.scene import film
    from streamdet.jobs.stream import stream
    from streamdet.scenes.ground_truth import GroundTruth
    from streamdet.scenes.scene import SceneSpec

    with tempfile.TemporaryDirectory(prefix="streamdet-doctor-") as folder:
        clip = Path(folder) / "one.mp4"
        film(SceneSpec(width=320, height=192, frames=1), clip, GroundTruth(), progress=False)
        results = list(stream(clip, "street", conf=0.0))
    if len(results) == 1 and results[0].image.shape == (192, 320, 3):
        yield Finding("smoke run", "one frame was rendered, encoded, decoded and run through the detector")
    else:
        yield Finding("smoke run", f"expected one frame of 320x192, got {len(results)}", "report this as a bug")
