"""What must stand in the environment before Ray is imported."""

import os
import secrets


def prepare_ray(*, local: bool) -> None:
    """No usage reports, nothing of Ray's own on standard output, and a token for one that is started here.

    Ray prints what it knows of lost workers, which the driver reports itself. It listens on all addresses of the
    machine, and whoever reaches it may run code. Its workers have niceness 15: on a busy machine they get little.

    Args:
        local: one will be started here.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    if local:
        os.environ.setdefault("RAY_worker_niceness", "0")
    if local and "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
