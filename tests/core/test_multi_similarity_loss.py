"""The multi-similarity loss is Eq. 5, over class labels and label sets, with and without mining."""

import math

import pytest
import torch
from pytorch_metric_learning.distances import DotProductSimilarity
from pytorch_metric_learning.losses import MultiSimilarityLoss as PmlLoss
from pytorch_metric_learning.miners import MultiSimilarityMiner

from refnet_mmf import MultiSimilarityLoss, multi_similarity_loss


def loop_of_the_formula(
    embeddings,
    targets,
    alpha=2.0,
    beta=50.0,
    base=0.5,
    epsilon=0.1,
    match="intersect",
    similarity="cosine",
):
    """Eq. 5 with loops, in float64; mining as Wang et al. (2019), Eqs. 8 and 9."""
    embeddings = embeddings.double()
    scaled = [row / row.norm() if row.norm() > 1e-6 else row for row in embeddings]
    rows = scaled if similarity == "cosine" else list(embeddings)

    def label_set(target):
        if target.dim() == 0:
            return {target.item()}
        return {c for c, value in enumerate(target.tolist()) if value > 0}

    labels = [label_set(target) for target in targets]
    total = torch.zeros((), dtype=torch.float64)
    for i, anchor in enumerate(rows):
        positives, negatives = [], []
        for k, other in enumerate(rows):
            if k == i:
                continue
            together = (
                bool(labels[i] & labels[k])
                if match == "intersect"
                else bool(labels[i]) and labels[i] == labels[k]
            )
            (positives if together else negatives).append(anchor @ other)
        if epsilon is not None:
            hardest_negative = max((float(s) for s in negatives), default=-math.inf)
            hardest_positive = min((float(s) for s in positives), default=math.inf)
            positives = [s for s in positives if float(s) - epsilon < hardest_negative]
            negatives = [s for s in negatives if float(s) + epsilon > hardest_positive]
        for sharpness, exponents in [
            (alpha, [-alpha * (s - base) for s in positives]),
            (beta, [beta * (s - base) for s in negatives]),
        ]:
            # log(1 + sum of exp(exponents)), the 1 as exp(0)
            one = torch.zeros((), dtype=torch.float64)
            total = total + torch.logsumexp(torch.stack([one, *exponents]), dim=0) / sharpness
    return total / len(rows)


def random_batch(seed, multilabel, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    size = int(torch.randint(2, 24, (), generator=generator))
    width = int(torch.randint(2, 40, (), generator=generator))
    embeddings = torch.randn(size, width, dtype=dtype, generator=generator)
    if multilabel:
        targets = (torch.rand(size, 6, generator=generator) < 0.25).float()
    else:
        targets = torch.randint(0, 4, (size,), generator=generator)
    return embeddings, targets


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("epsilon", [None, 0.1, 0.0])
@pytest.mark.parametrize("match", ["intersect", "exact"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("seed", range(8))
def test_equals_the_loop_of_the_formula(seed, multilabel, epsilon, match, similarity):
    embeddings, targets = random_batch(seed, multilabel)
    settings = {"epsilon": epsilon, "match": match, "similarity": similarity}
    assert multi_similarity_loss(embeddings, targets, **settings).item() == pytest.approx(
        loop_of_the_formula(embeddings, targets, **settings).item(), abs=1e-10
    )


@pytest.mark.parametrize(
    "settings",
    [{"alpha": 50.0, "beta": 2.0}, {"alpha": 2.3, "beta": 41.7}, {"base": 1.0}, {"base": -0.2}],
)
def test_settings_mean_what_the_formula_says(settings):
    embeddings, targets = random_batch(3, multilabel=False)
    assert multi_similarity_loss(embeddings, targets, **settings).item() == pytest.approx(
        loop_of_the_formula(embeddings, targets, **settings).item(), abs=1e-10
    )


@pytest.mark.parametrize("mined", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_equals_pytorch_metric_learning_on_class_labels(seed, mined):
    embeddings, targets = random_batch(seed + 100, multilabel=False, dtype=torch.float32)
    embeddings.requires_grad_()
    pairs = MultiSimilarityMiner(epsilon=0.1)(embeddings, targets) if mined else None
    theirs = PmlLoss(alpha=2, beta=50, base=0.5)(embeddings, targets, pairs)
    ours = multi_similarity_loss(embeddings, targets, epsilon=0.1 if mined else None)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)
    torch.testing.assert_close(
        torch.autograd.grad(ours, embeddings),
        torch.autograd.grad(theirs, embeddings),
        atol=1e-6,
        rtol=1e-4,
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_literal_reading_of_eq_5_is_pytorch_metric_learning_on_dot_products(seed):
    embeddings, targets = random_batch(seed + 300, multilabel=False, dtype=torch.float32)
    embeddings.requires_grad_()
    distance = DotProductSimilarity(normalize_embeddings=False)
    theirs = PmlLoss(alpha=50, beta=2, base=0.5, distance=distance)(embeddings, targets)
    ours = multi_similarity_loss(
        embeddings, targets, alpha=50, beta=2, epsilon=None, similarity="dot"
    )
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours, embeddings), torch.autograd.grad(theirs, embeddings)
    )


@pytest.mark.parametrize("seed", range(8))
def test_equals_pytorch_metric_learning_on_label_sets(seed):
    embeddings, targets = random_batch(seed + 200, multilabel=True, dtype=torch.float32)
    share = (targets @ targets.T) > 0
    others = ~torch.eye(len(targets), dtype=torch.bool)
    pairs = (*torch.where(share & others), *torch.where(~share & others))
    theirs = PmlLoss(alpha=2, beta=50, base=0.5)(embeddings, indices_tuple=pairs)
    ours = multi_similarity_loss(embeddings, targets, epsilon=None)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)


@pytest.mark.parametrize("multilabel", [False, True])
@pytest.mark.parametrize("epsilon", [None, 0.1])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_gradient_is_the_derivative(multilabel, epsilon, similarity):
    embeddings, targets = random_batch(7, multilabel)
    embeddings = embeddings[:6].requires_grad_()
    settings = {"epsilon": epsilon, "similarity": similarity}
    assert torch.autograd.gradcheck(
        lambda rows: multi_similarity_loss(rows, targets[:6], **settings), embeddings
    )


@pytest.mark.parametrize("epsilon", [None, 0.1])
def test_second_gradient_is_the_derivative_of_the_first(epsilon):
    embeddings, targets = random_batch(7, multilabel=False)
    embeddings = embeddings[:5].requires_grad_()
    assert torch.autograd.gradgradcheck(
        lambda rows: multi_similarity_loss(rows, targets[:5], epsilon=epsilon), embeddings
    )


def test_gradient_per_sample_by_vmap():
    """A loss under torch.func, as tools of interpretation and meta-learning call it."""
    torch.manual_seed(0)
    batches = torch.randn(3, 6, 4, dtype=torch.float64)
    targets = torch.tensor([0, 1, 0, 1, 2, 2])
    together = torch.func.vmap(torch.func.grad(multi_similarity_loss), in_dims=(0, None))(
        batches, targets
    )
    for batch, gradient in zip(batches, together, strict=True):
        torch.testing.assert_close(gradient, torch.func.grad(multi_similarity_loss)(batch, targets))


@pytest.mark.parametrize("multilabel", [False, True])
def test_order_of_the_batch_does_not_matter(multilabel):
    """MMF's own multi-label loss compares every anchor with sample 0's labels."""
    embeddings, targets = random_batch(11, multilabel)
    expected = multi_similarity_loss(embeddings, targets)
    for shift in range(1, len(embeddings)):
        rotated = multi_similarity_loss(embeddings.roll(shift, 0), targets.roll(shift, 0))
        assert rotated.item() == pytest.approx(expected.item(), abs=1e-12)


def test_no_mining_means_no_mining():
    """MMF's own loss still mines with hard_mining=False."""
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0]])
    targets = torch.tensor([0, 0, 1])
    mined = multi_similarity_loss(embeddings, targets, epsilon=0.1)
    unmined = multi_similarity_loss(embeddings, targets, epsilon=None)
    assert mined.item() == 0
    assert unmined.item() > 0.1


def test_a_batch_of_long_random_embeddings_is_finite_and_learns():
    """MMF's own loss does not normalise: 768 features give inf, or a number without a graph."""
    embeddings = (10 * torch.randn(32, 768)).requires_grad_()
    loss = multi_similarity_loss(embeddings, torch.arange(32) % 4)
    loss.backward()
    assert torch.isfinite(loss) and embeddings.grad.abs().sum() > 0


def test_the_last_sample_counts():
    """MMF's own loss drops the last sample of every batch."""
    embeddings, targets = random_batch(5, multilabel=False)
    embeddings.requires_grad_()
    multi_similarity_loss(embeddings, targets, epsilon=None).backward()
    assert (embeddings.grad.abs().sum(dim=1) > 0).all()


def test_three_classes_are_not_three_labels():
    """MMF's own head takes any task of more than two classes for multi-label."""
    embeddings, _ = random_batch(6, multilabel=False)
    classes = torch.arange(len(embeddings)) % 3
    assert multi_similarity_loss(embeddings, classes).item() == pytest.approx(
        loop_of_the_formula(embeddings, classes).item(), abs=1e-10
    )
    one_hot = torch.nn.functional.one_hot(classes, 3)
    assert multi_similarity_loss(embeddings, one_hot).item() == pytest.approx(
        multi_similarity_loss(embeddings, classes).item(), abs=1e-12
    )


def test_duplicates_are_told_apart_by_index_not_by_similarity():
    """MMF's own loss drops positives with a similarity near 1: an equal pair is still a pair."""
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    targets = torch.tensor([0, 0, 1])
    loss = multi_similarity_loss(embeddings, targets, epsilon=None)
    positive = math.log(1 + math.exp(-2 * 0.5)) / 2
    negative = [math.log(1 + math.exp(50 * -0.5)) / 50, math.log(1 + 2 * math.exp(50 * -0.5)) / 50]
    assert loss.item() == pytest.approx((2 * (positive + negative[0]) + negative[1]) / 3, abs=1e-12)


AWKWARD_TARGETS = {
    "one sample": (torch.randn(1, 8), torch.tensor([3])),
    "one sample with labels": (torch.randn(1, 8), torch.tensor([[1, 0, 1]])),
    "no sample": (torch.randn(0, 8), torch.zeros(0, dtype=torch.long)),
    "one class": (torch.randn(6, 8), torch.zeros(6, dtype=torch.long)),
    "all classes differ": (torch.randn(6, 8), torch.arange(6)),
    "no labels": (torch.randn(6, 8), torch.zeros(6, 4)),
    "no label columns": (torch.randn(6, 8), torch.zeros(6, 0)),
    "all labels": (torch.randn(6, 8), torch.ones(6, 4)),
    "identical rows": (torch.ones(6, 8), torch.arange(6) % 2),
    "rows of zeros": (torch.zeros(6, 8), torch.arange(6) % 2),
    "one row of zeros": (torch.randn(6, 8) * (torch.arange(6) > 0)[:, None], torch.arange(6) % 2),
    "huge rows": (1e4 * torch.randn(6, 8), torch.arange(6) % 2),
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("epsilon", [None, 0.1])
@pytest.mark.parametrize("match", ["intersect", "exact"])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("case", AWKWARD_TARGETS)
def test_awkward_batches_give_a_finite_value_with_a_graph(case, similarity, match, epsilon, dtype):
    embeddings, targets = AWKWARD_TARGETS[case]
    embeddings = embeddings.detach().clone().to(dtype).requires_grad_()
    settings = {"epsilon": epsilon, "match": match, "similarity": similarity}
    loss = multi_similarity_loss(embeddings, targets, **settings)
    loss.backward()
    assert loss.shape == () and torch.isfinite(loss)
    assert embeddings.grad is not None and torch.isfinite(embeddings.grad).all()


def test_a_sample_without_labels_has_no_positives():
    embeddings = torch.randn(4, 8, dtype=torch.float64)
    unlabelled = torch.zeros(4, 3)
    for match in ("intersect", "exact"):
        assert multi_similarity_loss(embeddings, unlabelled, match=match).item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_embeddings_give_the_full_precision_loss(dtype):
    embeddings, targets = random_batch(9, multilabel=False, dtype=torch.float32)
    half = embeddings.to(dtype)
    loss = multi_similarity_loss(half, targets)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(
        multi_similarity_loss(half.float(), targets).item(), abs=1e-6
    )


def test_autocast_changes_nothing():
    embeddings, targets = random_batch(9, multilabel=True, dtype=torch.float32)
    expected = multi_similarity_loss(embeddings, targets)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = multi_similarity_loss(embeddings, targets)
    assert loss.dtype == torch.float32
    assert loss.item() == expected.item()


def test_compiles_to_the_same_value():
    embeddings, targets = random_batch(9, multilabel=False, dtype=torch.float32)
    embeddings.requires_grad_()
    compiled = torch.compile(multi_similarity_loss, backend="eager", fullgraph=True)
    assert compiled(embeddings, targets).item() == pytest.approx(
        multi_similarity_loss(embeddings, targets).item(), abs=1e-6
    )


def test_module_equals_function():
    embeddings, targets = random_batch(2, multilabel=True)
    settings = {"alpha": 3.0, "beta": 20.0, "base": 0.4, "epsilon": None, "match": "exact"}
    settings["similarity"] = "dot"
    module = MultiSimilarityLoss(**settings)
    assert (
        module(embeddings, targets).item()
        == multi_similarity_loss(embeddings, targets, **settings).item()
    )
    assert not list(module.parameters())


def test_settings_so_sharp_that_what_is_mined_away_would_underflow_give_a_finite_loss():
    embeddings = torch.tensor([[1.0, 0.0], [-1.0, 0.1], [1.0, 0.1], [-1.0, 0.0]])
    labels = torch.tensor([0, 0, 1, 1])
    near, far = embeddings[[0, 2]], torch.tensor([0, 0])
    for alpha, beta, base in [(500.0, 500.0, 1.0), (500.0, 500.0, -1.0), (1000.0, 2.0, 0.5)]:
        for rows, targets in [
            (embeddings, labels),
            (embeddings[[0, 2, 1, 3]], labels),
            (near, far),
        ]:
            loss = multi_similarity_loss(rows, targets, alpha=alpha, beta=beta, base=base)
            exact = multi_similarity_loss(rows.double(), targets, alpha=alpha, beta=beta, base=base)
            torch.testing.assert_close(loss.double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("epsilon", [None, 0.1, 0.5])
@pytest.mark.parametrize("base", [-0.5, 0.3])
@pytest.mark.parametrize("seed", range(5))
def test_settings_so_sharp_that_an_exponential_would_overflow_give_the_formula_s_loss(
    seed, base, epsilon
):
    batch = random_batch(seed, multilabel=seed % 2 == 1)
    settings = {"alpha": 1e4, "beta": 1e4, "base": base, "epsilon": epsilon}
    torch.testing.assert_close(
        multi_similarity_loss(*batch, **settings), loop_of_the_formula(*batch, **settings)
    )


@pytest.mark.parametrize(
    "positive, negative, epsilon",
    [
        ([1.0, 0.0], [0.0, 1.0], 1.0),
        ([0.0, 1.0], [-1.0, 0.0], 1.0),
        ([1.0, 0.0], [1.0, 0.0], 0.0),
    ],
    ids=["near", "far", "alike"],
)
@pytest.mark.parametrize("sharpness", [2.0, 1e4])
def test_a_pair_at_the_very_edge_of_the_mining_is_dropped(positive, negative, epsilon, sharpness):
    rows = torch.tensor([[1.0, 0.0], positive, negative], dtype=torch.float64)
    anchor = rows @ rows[0]
    assert anchor[1] - anchor[2] == epsilon
    batch = rows, torch.tensor([0, 0, 1])
    settings = {"alpha": sharpness, "beta": sharpness, "epsilon": epsilon}
    torch.testing.assert_close(
        multi_similarity_loss(*batch, **settings), loop_of_the_formula(*batch, **settings)
    )
