"""Refiner-contrastive loss (section 3.1, Eq. 4): a decoded signal is nearest to its own target."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refnet_mmf.core.global_batch import gather_rows
from refnet_mmf.core.messages import check_name, check_number
from refnet_mmf.core.precision import without_autocast
from refnet_mmf.core.reduction import masked_mean
from refnet_mmf.core.similarity import pairwise_cosine

FORMS = ("row", "column")


def refiner_contrastive_loss(
    reconstructions: Tensor,
    targets: Tensor,
    *,
    margin: float = 0.1,
    form: str = "row",
    mask: Tensor | None = None,
) -> Tensor:
    """Hinge on the similarity r_ij = cos(R_i, H(F_j)) of every decoded signal with every target.

    With ``form="row"``, the loss of sample t is ``sum_{k != t} max(0, r_tk - r_tt + margin)``: the
    decoded signal t is nearer to its own target than to any other target of the batch, which is
    what section 3.1 says in words. With ``form="column"`` it is
    ``sum_{k != t} max(0, r_kt - r_tt + margin)``, which is Eq. 4 as printed: the target t is nearer
    to its own decoded signal than to any other. The paper states no value of the margin.

    Memory grows with B^2.

    Args:
        reconstructions: decoded signals R, [B, D].
        targets: targets H(F), [B, D].
        margin: by how much the own target must be nearer, in units of cosine similarity.
        form: ``row`` or ``column``.
        mask: bool [B], the samples that count, as anchors and as the others; None: all.

    Returns:
        Scalar: sum over the violators, mean over the samples; float32 or better; 0 for one sample.

    Raises:
        TypeError: ``margin`` is not a number.
        ValueError: ``margin`` is negative or not finite, ``form`` unknown, or the shapes differ.
    """
    check_number("refiner_contrastive_loss: margin", margin, minimum=0)
    check_name("refiner_contrastive_loss: form", "form", form, FORMS)
    if reconstructions.dim() != 2 or reconstructions.shape != targets.shape:
        raise ValueError(
            "refiner_contrastive_loss: expected reconstructions and targets of one shape [B, D], "
            f"got {tuple(reconstructions.shape)} and {tuple(targets.shape)}"
        )
    with without_autocast(reconstructions):
        similarity = pairwise_cosine(reconstructions, targets)
        own = similarity.diagonal()
        own = own.unsqueeze(1) if form == "row" else own.unsqueeze(0)
        pairs = ~torch.eye(len(similarity), dtype=torch.bool, device=similarity.device)
        if mask is not None:
            pairs &= mask.unsqueeze(0) & mask.unsqueeze(1)
        violation = (similarity - own + margin).relu().masked_fill(~pairs, 0)
        return masked_mean(violation.sum(dim=1), mask)


class RefinerContrastiveLoss(nn.Module):
    """Module around `refiner_contrastive_loss` (Eq. 4), with the same keywords.

    Args:
        margin: by how much the own target must be nearer.
        form: ``row`` (default) or ``column``.
        gather_distributed: take the batch of all ranks of the default process group, if there is
            one: the value is the same on every rank, the gradients are right under DDP. All ranks
            must call the loss together.
    """

    def __init__(
        self, margin: float = 0.1, form: str = "row", gather_distributed: bool = False
    ) -> None:
        super().__init__()
        check_number("RefinerContrastiveLoss: margin", margin, minimum=0)
        check_name("RefinerContrastiveLoss: form", "form", form, FORMS)
        self.margin = margin
        self.form = form
        self.gather_distributed = gather_distributed

    def forward(
        self, reconstructions: Tensor, targets: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Return the loss of ``reconstructions`` and ``targets``, both [B, D]: a scalar."""
        if self.gather_distributed:
            if mask is None:
                mask = torch.ones(len(targets), dtype=torch.bool, device=targets.device)
            reconstructions, targets, mask = gather_rows(reconstructions, targets, mask)
        return refiner_contrastive_loss(
            reconstructions, targets, margin=self.margin, form=self.form, mask=mask
        )

    def extra_repr(self) -> str:
        """Settings, as they show when the module is printed."""
        return (
            f"margin={self.margin}, form={self.form!r}, "
            f"gather_distributed={self.gather_distributed}"
        )
