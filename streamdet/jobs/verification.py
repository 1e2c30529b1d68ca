"""Hashes that tie results to the model and the settings that gave them."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

FIRST_LINK = "0" * 64
_SHAPING = ("batch", "decode", "detect", "stages")  # what results depend on; not where they go


def next_link(before: str, data: bytes) -> str:
    """The hash of a chain with one more piece: SHA-256 of the hash before it and the piece, as hexadecimal digits."""
    return hashlib.sha256(bytes.fromhex(before) + data).hexdigest()


def verification(model_sha256: str, settings: Mapping[str, Any], results_sha256: Mapping[str, str]) -> dict[str, Any]:
    """The part of a report by which a run can be verified.

    Args:
        model_sha256: of the model file.
        settings: as the report has them; those of decode, batch and detect count, and which stages there are.
        results_sha256: by source: the chain over its `frame` lines of JSON Lines, from FIRST_LINK on.

    Returns:
        the hashes, and `chain_sha256` over the model's, the settings' and those of the results in order of the names.
    """
    shaping = {name: settings[name] for name in _SHAPING}
    canonical = json.dumps(shaping, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    settings_sha256 = hashlib.sha256(canonical).hexdigest()
    chain = FIRST_LINK
    for link in (model_sha256, settings_sha256, *(results_sha256[name] for name in sorted(results_sha256))):
        chain = next_link(chain, bytes.fromhex(link))
    return {
        "model_sha256": model_sha256,
        "settings_sha256": settings_sha256,
        "results_sha256": dict(results_sha256),
        "chain_sha256": chain,
    }
