"""What this machine is, and how much of it inference may take."""

import os
import platform
from pathlib import Path


def inference_threads() -> int:
    """Threads for inference: half the cores, unless OMP_NUM_THREADS says otherwise.

    Decoding and encoding need the other half. Threads of an inference runtime wait for each other by spinning: one
    thread too many, on a core that the encoder also wants, makes every step many times slower.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    return max(1, cores() // 2)


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Name and instruction sets of the processor: where it is the same, speeds are."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    facts: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        facts.setdefault(name.strip().lower(), value.strip())
    return " ".join([platform.machine(), *(facts.get(name, "") for name in ("model name", "flags", "features"))])
