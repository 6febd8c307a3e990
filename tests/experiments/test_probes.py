"""Linear probes recover a linear map, and find nothing in noise."""

import numpy as np
import pytest

from refnet_mmf.experiments.probes import feature_probe, label_probe

COUNT, WIDTH = 400, 12


@pytest.fixture
def random():
    return np.random.default_rng(0)


def label_score(*parts):
    return label_probe(*parts).score


def halves(*arrays):
    half = COUNT // 2
    return tuple(a[:half] for a in arrays), tuple(a[half:] for a in arrays)


def test_a_linear_map_is_recovered(random):
    embeddings = 5 + 3 * random.normal(size=(COUNT, WIDTH)).astype(np.float32)
    features = embeddings @ random.normal(size=(WIDTH, 6)).astype(np.float32) - 7
    features[:, 0] = 1  # a column that never varies has no variance to explain
    score, alpha = feature_probe(*halves(embeddings, features))
    assert score > 0.9999 and alpha < 1


def test_half_of_the_variance(random):
    embeddings = random.normal(size=(COUNT, 1))
    features = embeddings + random.normal(size=(COUNT, 1))
    score, _ = feature_probe(*halves(embeddings, features))
    assert score == pytest.approx(0.5, abs=0.12)


def test_noise_gives_about_nothing(random):
    embeddings, features = (random.normal(size=(COUNT, WIDTH)) for _ in range(2))
    score, alpha = feature_probe(*halves(embeddings, features))
    assert abs(score) < 0.05 and alpha > 100


def test_more_columns_than_samples(random):
    embeddings = random.normal(size=(COUNT, 3)) @ random.normal(size=(3, 2 * COUNT))
    score, _ = feature_probe(*halves(embeddings, embeddings[:, :5]))
    assert score > 0.999


def test_a_saturated_column(random):
    """Nearly constant on the training split, it moves in one test sample, and spoils nothing."""
    embeddings = random.normal(size=(COUNT, WIDTH))
    features = embeddings + random.normal(size=(COUNT, WIDTH))
    labels = (embeddings[:, 0] > 0).astype(int)
    saturated = 1 - 1e-5 * random.random((COUNT, 1))
    saturated[-1] = 0.9
    widened = np.hstack([embeddings, saturated])
    for probe, target in (
        (lambda *parts: feature_probe(*parts)[0], features),
        (label_score, labels),
    ):
        without = probe(*halves(embeddings, target))
        assert probe(*halves(widened, target)) == pytest.approx(without, abs=0.01)


def test_scale_and_shift_of_an_embedding_change_nothing(random):
    embeddings = random.normal(size=(COUNT, WIDTH))
    features = embeddings + random.normal(size=(COUNT, WIDTH))
    score, alpha = feature_probe(*halves(embeddings, features))
    assert feature_probe(*halves(1e-3 * embeddings + 7, features)) == (pytest.approx(score), alpha)


def test_an_embedding_that_does_not_vary(random):
    constant, features = np.ones((COUNT, 3), np.float16), random.normal(size=(COUNT, 2))
    assert feature_probe(*halves(constant, features))[0] == pytest.approx(0, abs=0.05)


def test_classes(random):
    labels = np.repeat(np.arange(4), COUNT // 4)[random.permutation(COUNT)]
    clear = np.eye(4)[labels] + 0.05 * random.normal(size=(COUNT, 4))
    found = label_probe(*halves(clear, labels))
    assert (found.measure, found.score) == ("accuracy", 1)
    assert found.floor == pytest.approx(0.25, abs=0.06)
    noise = label_probe(*halves(random.normal(size=(COUNT, 2)), labels))
    assert noise.score == pytest.approx(0.25, abs=0.1)


def test_label_sets(random):
    """One that all training samples have, one that none has, and two that vary."""
    sets = np.zeros((COUNT, 4), np.uint8)
    sets[:, 0] = 1
    sets[:, 2:] = random.random((COUNT, 2)) < 0.3
    embeddings = sets + 0.05 * random.normal(size=(COUNT, 4))
    found = label_probe(*halves(embeddings, sets))
    assert (found.measure, found.score) == ("micro F1", 1)
    shuffled = np.tile(random.random((COUNT, 4)) < 0.3, 1).astype(np.uint8)
    noise = label_probe(*halves(random.normal(size=(COUNT, 3)), shuffled))
    assert noise.score < noise.floor + 0.1 and noise.floor == pytest.approx(0.3, abs=0.05)


def test_labels_that_do_not_vary(random):
    embeddings = random.normal(size=(COUNT, 2))
    for labels in (np.zeros(COUNT, int), np.ones((COUNT, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"one (class|label set) alone"):
            label_probe(*halves(embeddings, labels))
