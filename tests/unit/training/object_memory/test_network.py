"""The network in torch and in numpy are one."""

from itertools import pairwise

import numpy as np
import torch

from streamdet.tracking.memory.memory import ObjectMemory
from streamdet.tracking.memory.network import load_weights
from streamdet.training.object_memory.clips import embeddings_of_objects
from streamdet.training.object_memory.config import FitConfig
from streamdet.training.object_memory.fit import Fit, save_memory, start_network
from streamdet.training.object_memory.looks import fit_looks, numpy_looks
from streamdet.training.object_memory.sequences import RIGHT, Columns, sequences


def trained(clip, tmp_path):
    looks = fit_looks(*embeddings_of_objects([clip]), size=4)
    columns = sequences(clip, looks=numpy_looks(looks))
    network = Fit(start_network(columns), columns, FitConfig(epochs=2, lanes=2, steps=10, rate=1e-2)).run(
        tmp_path, lambda epoch, losses: None
    )
    save_memory(tmp_path / "m.safetensors", network, looks, "mine")
    return network, columns, load_weights(tmp_path / "m.safetensors")


def test_numpy_gives_what_torch_gives(clip, tmp_path):
    network, columns, weights = trained(clip, tmp_path)
    memory = ObjectMemory(weights, 3)
    said: dict[int, list] = {}
    for found, time_s in zip(clip.found, clip.video.times_s, strict=True):
        memory.step(found.boxes, found.scores, found.class_scores, time_s, (320, 240), found.embeddings)
        for identity, hidden in zip(memory.association.tracks.ids, memory.lstm[:, :64], strict=True):
            said.setdefault(int(identity), []).append(hidden.copy())
    starts = np.append(np.flatnonzero(columns.starts), len(columns))
    assert len(said) == len(starts) - 1
    for identity, (start, stop) in enumerate(pairwise(starts)):
        track = columns.rows(np.arange(start, stop))
        with torch.no_grad():
            out = network(
                *(
                    torch.from_numpy(getattr(track, name))[None]
                    for name in ("x", "boxes", "matched", "class_scores", "starts")
                ),
                network.zero_state(1, 3),
                torch.from_numpy(track.embeddings)[None],
            )
        # Embeddings are trained on as float16.
        np.testing.assert_allclose(said[identity][-1], out.state[0][0].numpy()[: len(said[identity][-1])], atol=2e-3)


def test_without_embeddings_the_same_weights_work(clip, tmp_path):
    _, _, weights = trained(clip, tmp_path)
    memory = ObjectMemory(weights, 3)
    for found, time_s in zip(clip.found, clip.video.times_s, strict=True):
        refined = memory.step(found.boxes, found.scores, found.class_scores, time_s, (320, 240))
    assert len(refined.boxes) > 0
    other = ObjectMemory(weights, 3)
    wrong = np.ones((len(clip.found[0]), 5), np.float32)
    first = clip.found[0]
    assert other.step(first.boxes, first.scores, first.class_scores, 0.0, (320, 240), wrong).scores.size > 0


def test_tracks_meet_their_objects(clip):
    columns = sequences(clip)
    assert (columns.state == RIGHT).mean() > 0.9
    assert columns.starts[0]
    assert not columns.starts.all()


def test_looks_tell_objects_apart(clip):
    embeddings, objects = embeddings_of_objects([clip])
    fit = fit_looks(embeddings, objects, size=4)
    looks = numpy_looks(fit).looks(embeddings)
    cosine = looks @ looks.T
    same = objects[:, None] == objects
    assert np.median(cosine[same]) > fit.same > fit.other > np.median(cosine[~same])


def test_a_training_that_was_stopped_continues_exactly(clip, tmp_path):
    columns = Columns.joined([sequences(clip)] * 4)
    config = FitConfig(epochs=2, lanes=4, steps=10)

    def fresh():
        torch.manual_seed(0)
        return Fit(start_network(columns), columns, config)

    whole = fresh().run(tmp_path / "whole", lambda epoch, losses: None)
    stopped = fresh()
    kept = tmp_path / "stopped"
    stopped.run(kept, lambda epoch, losses: (kept / "resume.pt").replace(kept / "first.pt") if epoch == 1 else None)
    again = fresh()
    again.resume(kept / "first.pt")
    assert again.epoch == 1
    for a, b in zip(whole.state_dict().values(), again.run(kept, print).state_dict().values(), strict=True):
        assert torch.equal(a, b)
