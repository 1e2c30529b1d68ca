import gc

import pytest

from streamdet.cli.loading import collector_at_rest


def test_what_is_loaded_is_not_looked_through():
    with collector_at_rest():
        assert not gc.isenabled()
        kept = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() > len(kept)
    gc.unfreeze()


def test_the_collector_works_again_after_a_failure():
    with pytest.raises(ValueError, match="no"), collector_at_rest():
        raise ValueError("no")
    assert gc.isenabled()
    gc.unfreeze()
