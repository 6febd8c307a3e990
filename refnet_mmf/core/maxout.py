"""Maxout layers (Goodfellow et al. 2013) and the classifier of Arevalo et al. (2017)."""

from __future__ import annotations

from torch import Tensor, nn

from refnet_mmf.core.messages import check_number
from refnet_mmf.core.normalization import build_normalization


class Maxout(nn.Module):
    """The largest of several linear maps: ``y_j = max_p (W_p x + b_p)_j``.

    Args:
        in_dim: width of x.
        out_dim: width of y.
        pieces: how many maps; with 1 it is a linear layer.

    Raises:
        TypeError: ``pieces`` is not a number.
        ValueError: ``pieces`` is below 1.
    """

    def __init__(self, in_dim: int, out_dim: int, pieces: int = 2) -> None:
        super().__init__()
        check_number("Maxout: pieces", pieces, minimum=1)
        self.pieces = pieces
        self.out_dim = out_dim
        self.linear = nn.Linear(in_dim, out_dim * pieces)

    def forward(self, features: Tensor) -> Tensor:
        """Map ``features`` [B, in_dim] to [B, out_dim].

        Rows ``p * out_dim`` to ``(p + 1) * out_dim`` of the weight are W_p.
        """
        candidates: Tensor = self.linear(features)
        return candidates.view(len(features), self.pieces, self.out_dim).amax(dim=1)


class MaxoutClassifier(nn.Sequential):
    """Classifier of Arevalo et al. (2017, section 4): normalised maxout layers, then a linear one.

    ``scores = W norm(m_L(... norm(m_1(norm(h)))))`` with ``m_l`` a maxout layer, each followed by
    dropout. In their experiments: two layers of width 512, two pieces, batch normalisation.

    Args:
        in_dim: width of the fused embedding h.
        out_dim: number of classes.
        hidden_dim: width of the maxout layers.
        num_layers: how many.
        pieces: of each.
        normalization: ``batch``, ``layer`` or ``none``.
        dropout: probability.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        hidden_dim: int = 512,
        num_layers: int = 2,
        pieces: int = 2,
        normalization: str = "batch",
        dropout: float = 0.5,
    ) -> None:
        check_number("MaxoutClassifier: num_layers", num_layers, minimum=0)
        check_number("MaxoutClassifier: dropout", dropout, minimum=0, below=1)
        layers: list[nn.Module] = [build_normalization(normalization, in_dim)]
        width = in_dim
        for _ in range(num_layers):
            layers += [Maxout(width, hidden_dim, pieces), nn.Dropout(dropout)]
            layers.append(build_normalization(normalization, hidden_dim))
            width = hidden_dim
        super().__init__(*layers, nn.Linear(width, out_dim))
