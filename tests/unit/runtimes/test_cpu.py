import pytest

from streamdet.runtimes import cpu


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (3, 1), (4, 2), (64, 32)])
def test_half_the_cores_are_left_to_others(monkeypatch, cores, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(cpu, "cores", lambda: cores)
    assert cpu.inference_threads() == threads


@pytest.mark.parametrize(("said", "threads"), [("3", 3), ("0", 4), ("", 4), ("4,2", 4), ("many", 4)])
def test_environment_says_how_many(monkeypatch, said, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    monkeypatch.setattr(cpu, "cores", lambda: 8)
    assert cpu.inference_threads() == threads


def test_processor_is_the_same_twice():
    assert cpu.processor() == cpu.processor() != ""
