"""Multi-similarity loss (section 3.3, Eq. 5; Wang et al. 2019), for class labels and label sets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refnet_mmf.core.global_batch import gather_rows
from refnet_mmf.core.label_pairs import MATCHES, positives_and_negatives
from refnet_mmf.core.messages import check_name, check_number
from refnet_mmf.core.precision import at_least_float32, without_autocast
from refnet_mmf.core.reduction import connected_zero
from refnet_mmf.core.similarity import self_cosine, self_products

SIMILARITIES = {"cosine": self_cosine, "dot": self_products}


def multi_similarity_loss(
    embeddings: Tensor,
    targets: Tensor,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
    epsilon: float | None = 0.1,
    match: str = "intersect",
    similarity: str = "cosine",
) -> Tensor:
    r"""Pull samples with a label in common together, push the others apart.

    With S the similarities, P_i and N_i the positives and negatives of anchor i:

    .. math::
        L = \frac{1}{B} \sum_i \Big\{
            \frac{1}{\alpha} \log\big[1 + \sum_{k \in P_i} e^{-\alpha (S_{ik} - \lambda)}\big] +
            \frac{1}{\beta} \log\big[1 + \sum_{k \in N_i} e^{\beta (S_{ik} - \lambda)}\big] \Big\}

    The paper's text gives alpha = 50 and beta = 2 in this formula; Wang et al. (2019) and the
    authors' released code weight the positives by 2 and the negatives by 50, which are the defaults
    here, and so is their similarity, the cosine, where the paper has the dot product. The literal
    reading is ``alpha=50, beta=2, epsilon=None, similarity="dot"``.

    The paper's formula has no mining; Wang et al. and the released code keep, for each anchor, the
    negatives with ``S + epsilon >`` its least similar positive and the positives with
    ``S - epsilon <`` its most similar negative. An anchor that lacks either then adds 0, while
    with ``epsilon=None`` it adds what its one kind of partner gives.

    Memory grows with B^2.

    Args:
        embeddings: [B, D], any length: for the cosine they are normalised here.
        targets: class indices [B], or multi-hot label sets [B, C].
        alpha: sharpness for positives, above 0.
        beta: sharpness for negatives, above 0.
        base: lambda, the similarity that divides near from far.
        epsilon: margin of the mining; None: no mining.
        match: for label sets, when two are positives: ``intersect`` or ``exact``.
        similarity: S, ``cosine`` or ``dot``, the dot product.

    Returns:
        Scalar: mean over the B anchors, float32 or better; a zero that is still part of the graph
        where there is no pair.

    Raises:
        TypeError: a setting is not a number.
        ValueError: a setting is out of range, ``match`` or ``similarity`` unknown, or the shapes
            do not fit.
    """
    _check_settings("multi_similarity_loss", alpha, beta, base, epsilon, match, similarity)
    if embeddings.dim() != 2 or targets.dim() == 0 or len(targets) != len(embeddings):
        raise ValueError(
            "multi_similarity_loss: expected embeddings [B, D] and targets [B] or [B, C], "
            f"got {tuple(embeddings.shape)} and {tuple(targets.shape)}"
        )
    positives, negatives = positives_and_negatives(targets, match)
    if len(embeddings) == 0:
        return connected_zero(at_least_float32(embeddings))
    with without_autocast(embeddings):
        values = SIMILARITIES[similarity](embeddings)
        farthest_positive, nearest_negative = _extremes(values.detach(), positives, negatives)
        if epsilon is not None:
            positives = positives & (values.detach() - epsilon < nearest_negative)
            negatives = negatives & (values.detach() + epsilon > farthest_positive)
            # Where the mining drops the extreme one, it drops all of its kind.
            no_positive = farthest_positive - epsilon >= nearest_negative
            no_negative = nearest_negative + epsilon <= farthest_positive
            farthest_positive = farthest_positive.masked_fill(no_positive, float("inf"))
            nearest_negative = nearest_negative.masked_fill(no_negative, -float("inf"))
        # Every exponent is taken relative to its row's largest of the same kind, or to the 0 of
        # the formula's 1 if that is larger: none overflows.
        far_shift = (-alpha * (farthest_positive - base)).clamp(min=0)
        near_shift = (beta * (nearest_negative - base)).clamp(min=0)
        slope = torch.full_like(values, beta).masked_fill_(positives, -alpha)
        exponents = (values - base) * slope - torch.where(positives, far_shift, near_shift)
        terms = exponents.masked_fill(~(positives | negatives), -float("inf")).exp()
        far = _log_one_plus(torch.where(positives, terms, 0).sum(dim=1), far_shift.squeeze(1))
        near = _log_one_plus(torch.where(positives, 0, terms).sum(dim=1), near_shift.squeeze(1))
        return (far / alpha + near / beta).mean()


def _extremes(similarity: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """Least similar positive (inf: none), most similar negative (-inf: none) of each row: [B, 1].

    The mining compares with these (Wang et al. 2019, Eqs. 8 and 9). It never drops one of them
    and keeps another of its kind.
    """
    infinity = float("inf")
    return (
        torch.where(positives, similarity, infinity).amin(dim=1, keepdim=True),
        torch.where(negatives, similarity, -infinity).amax(dim=1, keepdim=True),
    )


def _log_one_plus(scaled_sum: Tensor, shift: Tensor) -> Tensor:
    """log(1 + scaled_sum * exp(shift)) without computing exp(shift)."""
    return shift + torch.log(torch.exp(-shift) + scaled_sum)


def _check_settings(
    place: str,
    alpha: float,
    beta: float,
    base: float,
    epsilon: float | None,
    match: str,
    similarity: str,
) -> None:
    check_number(f"{place}: alpha", alpha, above=0)
    check_number(f"{place}: beta", beta, above=0)
    check_number(f"{place}: base", base)
    if epsilon is not None:
        check_number(f"{place}: epsilon", epsilon, minimum=0)
    check_name(f"{place}: match", "match", match, MATCHES)
    check_name(f"{place}: similarity", "similarity", similarity, SIMILARITIES)


class MultiSimilarityLoss(nn.Module):
    """Module around `multi_similarity_loss` (Eq. 5), with the same keywords and defaults.

    Args:
        alpha: sharpness for positives.
        beta: sharpness for negatives.
        base: lambda of Eq. 5.
        epsilon: margin of the mining; None: no mining.
        match: for label sets, when two are positives: ``intersect`` or ``exact``.
        similarity: S of Eq. 5, ``cosine`` or ``dot``.
        gather_distributed: take the batch of all ranks of the default process group, if there is
            one: the value is the same on every rank, the gradients are right under DDP. All ranks
            must call the loss together; one without labelled samples gives no rows.
    """

    def __init__(
        self,
        alpha: float = 2.0,
        beta: float = 50.0,
        base: float = 0.5,
        epsilon: float | None = 0.1,
        match: str = "intersect",
        similarity: str = "cosine",
        gather_distributed: bool = False,
    ) -> None:
        super().__init__()
        _check_settings("MultiSimilarityLoss", alpha, beta, base, epsilon, match, similarity)
        self.alpha = alpha
        self.beta = beta
        self.base = base
        self.epsilon = epsilon
        self.match = match
        self.similarity = similarity
        self.gather_distributed = gather_distributed

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of ``embeddings`` [B, D] with ``targets`` [B] or [B, C]: a scalar."""
        if self.gather_distributed:
            embeddings, targets = gather_rows(embeddings, targets)
        return multi_similarity_loss(
            embeddings,
            targets,
            alpha=self.alpha,
            beta=self.beta,
            base=self.base,
            epsilon=self.epsilon,
            match=self.match,
            similarity=self.similarity,
        )

    def extra_repr(self) -> str:
        """Settings, as they show when the module is printed."""
        return (
            f"alpha={self.alpha}, beta={self.beta}, base={self.base}, "
            f"epsilon={self.epsilon}, match={self.match!r}, similarity={self.similarity!r}, "
            f"gather_distributed={self.gather_distributed}"
        )
