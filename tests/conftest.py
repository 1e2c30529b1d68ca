import atexit
import os
import tempfile
from pathlib import Path

# Two OpenMP threads that wait for each other on a busy machine are slower than one; must be set before torch loads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test finds what an earlier run left in the user's cache; matplotlib's list of fonts stays where it is.
_cache = tempfile.TemporaryDirectory(prefix="streamdet-cache-")
atexit.register(_cache.cleanup)
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))
os.environ["XDG_CACHE_HOME"] = _cache.name
