"""What all fusion modules share: feature vectors by modality, checked before they are fused."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from refnet_mmf.core.messages import check_name, check_number


class FusionModule(nn.Module):
    """Base of the modules A of Eq. 1: feature vectors [B, input_dim] by modality to [B, fused_dim].

    Args:
        input_dims: width of each modality's features, by its name; their order is the order in
            the equations.
        fused_dim: width of the fused embedding.

    Raises:
        TypeError: a width is not a number.
        ValueError: no modality, or a width below 1.
    """

    def __init__(self, input_dims: Mapping[str, int], fused_dim: int) -> None:
        super().__init__()
        place = type(self).__name__
        if not isinstance(input_dims, Mapping) or not input_dims:
            raise ValueError(
                f"{place}: input_dims: expected the width of each modality's features by its name, "
                f"e.g. {{'image': 2048, 'text': 768}}, got {input_dims!r}"
            )
        for name, dim in input_dims.items():
            check_number(f"{place}: input_dims[{name!r}]", dim, minimum=1)
        check_number(f"{place}: fused_dim", fused_dim, minimum=1)
        self.input_dims = dict(input_dims)
        self.fused_dim = fused_dim

    def ordered(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the features in the order of ``input_dims``.

        Raises:
            ValueError: a modality is missing or unknown, or a shape does not fit.
        """
        place = type(self).__name__
        for name in features:
            check_name(f"{place}: features", "modality", name, self.input_dims)
        for name, dim in self.input_dims.items():
            if name not in features:
                raise ValueError(f"{place}: features: modality {name!r} is missing")
            if features[name].dim() != 2 or features[name].shape[1] != dim:
                raise ValueError(
                    f"{place}: features[{name!r}]: expected shape [B, {dim}], "
                    f"got {tuple(features[name].shape)}"
                )
        return [features[name] for name in self.input_dims]
