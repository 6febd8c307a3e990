"""ReFNet: any MMF model with REFINER and a metric loss on its fused embedding (Algorithm 1).

The stock model stays as it is: taps read its fused embedding and its modalities' token states
while it trains, and the losses are added to those that MMF has computed. In eval mode nothing of
this runs. Without a refiner and a metric loss the model is the stock model, bit for bit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from mmf.common.registry import registry
from mmf.models.base_model import BaseModel
from mmf.utils.modeling import get_bert_configured_parameters
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from refnet_mmf.core.messages import first_line, unknown
from refnet_mmf.core.normalization import running_statistics_kept
from refnet_mmf.core.poolers import POOLERS
from refnet_mmf.core.refiner import Refiner
from refnet_mmf.paths import CONFIGS
from refnet_mmf.plugin.class_files import check_class_files
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.features import Features
from refnet_mmf.plugin.fusion_taps import FusionReader, FusionTaps
from refnet_mmf.plugin.loss_terms import LossTerm, metric_term, refiner_terms
from refnet_mmf.plugin.metric_loss import build_metric_loss
from refnet_mmf.plugin.model_settings import (
    ModelSettings,
    read_model_settings,
    refuse_blocks_in_stock_section,
)
from refnet_mmf.plugin.predictions import or_scores
from refnet_mmf.plugin.pretrained import load_pretrained
from refnet_mmf.plugin.random_state import drawn_aside
from refnet_mmf.plugin.regime import Regime, regime_of
from refnet_mmf.plugin.section import OWN_BLOCKS, complete_section
from refnet_mmf.plugin.settings import RefinerSettings
from refnet_mmf.plugin.train_loader import UNLABELLED

OWN_MODULES = ("refiner", "metric_loss")

logger = logging.getLogger(__name__)


class ReFNet(BaseModel):
    """Mixin that makes a ReFNet of an MMF model: ``class RefNetX(ReFNet, X)``.

    Attributes:
        name: key of the model in MMF's registry and under ``model_config``.
        stock_name: that of its stock twin.
        stock_class: the stock twin.
        own_keys: keys of the section that the stock twin does not have.
    """

    name: ClassVar[str]
    stock_name: ClassVar[str]
    stock_class: ClassVar[Any]
    own_keys: ClassVar[tuple[str, ...]] = OWN_BLOCKS

    config: Any
    settings: ModelSettings
    regime: Regime
    refiner: Refiner | None
    metric_loss: nn.Module | None
    reader: FusionReader | None

    def fusion_taps(self) -> FusionTaps:
        """Tell where the built model's fused embedding and its modalities' features are."""
        raise NotImplementedError

    @classmethod
    def config_path(cls) -> str:
        """Return the path of the default YAML: absolute, or MMF looks for it in three places."""
        return str(CONFIGS / "models" / f"{cls.name}.yaml")

    @classmethod
    def check_settings(cls, section: DictConfig) -> ModelSettings:
        """Complete the model's own section from its stock twin's, in place, and check it.

        Raises:
            RefnetError: one line for the first thing that is wrong.
        """
        refuse_blocks_in_stock_section(cls.stock_name, cls.name)
        complete_section(section, cls.name, cls.stock_name, cls.stock_class.config_path())
        return read_model_settings(section, f"model_config.{cls.name}", cls.own_keys)

    @classmethod
    def from_pretrained(cls, source: str | Path, *args: Any, **kwargs: Any) -> Any:
        """Build the model from a checkpoint, its own or its stock twin's, for inference.

        Args:
            source: a key of MMF's zoo, the folder of a run, or a file.
            args: not read; MMF's signature.
            kwargs: not read; MMF's signature.

        Raises:
            RefnetError: there is no such checkpoint, or it is another model's.
        """
        return load_pretrained(cls, source)

    def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
        self.settings = self.check_settings(config)
        self.regime = regime_of(registry.get("config", no_warning=True))
        super().__init__(config, *args, **kwargs)

    def build(self) -> None:
        """Build the stock model, then the decoders.

        The decoders draw their random numbers aside, so that the stock part of the run, its
        dropout and the order of its data are those of the baseline with the same seed.
        """
        config = registry.get("config", no_warning=True)
        if config is not None:
            check_class_files(config)
        try:
            super().build()
        except NotImplementedError as error:  # MMF's word for a type of encoder that it lacks
            raise RefnetError(f"{self.settings.place}: {first_line(error)}") from error
        settings, place = self.settings, self.settings.place
        self.refiner = None
        self.metric_loss = None
        self.reader = None
        if settings.refiner is None and settings.metric_loss is None:
            check_stage(self.regime, self.settings, has_refiner=False)
            return
        where = self.fusion_taps()
        with torch.random.fork_rng(devices=[]):
            if settings.refiner is not None:
                self.refiner = build_refiner(settings.refiner, where, settings.refiner_place)
            if settings.metric_loss is not None:
                self.metric_loss = build_metric_loss(
                    settings.metric_loss, f"{place}.metric_loss", where.fused_dim
                )
        if self.refiner is not None or self.metric_loss is not None:
            try:
                self.reader = FusionReader(self, where)
            except ValueError as error:
                raise RefnetError(f"{place}: {error}") from error
            self.reader.follow(self._reads(self.training))
            self.register_load_state_dict_post_hook(_accept_stock_checkpoint)
        check_stage(self.regime, self.settings, has_refiner=self.refiner is not None)

    def init_losses(self) -> None:
        """Let MMF build the stock losses alone."""
        section = self.config
        if self.settings.stock_losses is not None:
            self.config = OmegaConf.merge(section, {"losses": list(self.settings.stock_losses)})
        super().init_losses()
        self.config = section

    def get_optimizer_parameters(self, config: Any) -> list[dict[str, Any]]:
        """Return the stock model's parameter groups and those of the decoders.

        Most stock methods name the stock model's own parts, and would leave ours out; some take
        all that the model has; some models have no such method.
        """
        own = [m for m in (self.refiner, self.metric_loss) if m is not None]
        of_ours = {id(parameter) for module in own for parameter in module.parameters()}
        stock_method = getattr(super(), "get_optimizer_parameters", None)
        stock = self.parameters() if stock_method is None else stock_method(config)
        groups = _without(_as_groups(stock), of_ours)
        for module in own:
            if any(True for _ in module.parameters()):
                groups += get_bert_configured_parameters(module, config.optimizer.params.lr)
        return groups

    def format_for_prediction(self, results: Any, report: Any) -> list[Any]:
        """Return predictions as the stock model makes them; scores, where there would be none."""
        return or_scores(super().format_for_prediction(results, report), report)

    def train(self, mode: bool = True) -> Any:
        """Switch between training and evaluation; the hooks are on in training only."""
        model = super().train(mode)
        reader: FusionReader | None = getattr(self, "reader", None)
        if reader is not None:
            reader.follow(self._reads(mode))
        return model

    def _reads(self, training: bool) -> bool:
        """Tell whether the refiner runs: in training, and in the validation of pretraining."""
        return not self.is_pretrained and (training or self.regime.pretrain)

    def __call__(self, sample_list: Any, *args: Any, **kwargs: Any) -> Any:
        """Run the stock model; in training, add the losses of the refiner and of the metric.

        Samples whose labels are not used come in a batch of their own within the batch. They pass
        through the network apart, for the refiner alone: all else is as without them, and so are
        the random numbers, from which dropout and the order of the next epoch are drawn.
        """
        unlabelled = sample_list.pop(UNLABELLED, None)
        reader = self.reader
        if reader is None or not self._reads(self.training):
            return super().__call__(sample_list, *args, **kwargs)
        with reader.record(), self._labels_left_to_mmf():
            output = super().__call__(sample_list, *args, **kwargs)
            features = self._features(reader)
        fused = features.fused
        with drawn_aside(fused.device):
            if unlabelled is not None:
                with (
                    reader.record(),
                    running_statistics_kept(self),
                    self._labels_left_to_mmf(),
                ):
                    nn.Module.__call__(self, unlabelled, *args, **kwargs)
                    features = features.followed_by(self._features(reader))
            try:
                terms = list(self._loss_terms(features, fused, sample_list.get("targets")))
            except RefnetError:
                raise
            except ValueError as error:
                raise RefnetError(f"{self.settings.place}: {error}") from error
        prefix = f"{sample_list.dataset_type}/{sample_list.dataset_name}"
        metrics = output.setdefault("metrics", {})
        for term in terms:
            output["losses"].update(term.losses(prefix))
            metrics.update(term.metrics(prefix))
        return output

    @contextmanager
    def _labels_left_to_mmf(self) -> Iterator[None]:
        """Refuse a model that asks for a sample's labels in its forward pass, where it has none."""
        try:
            yield
        except (KeyError, AttributeError) as error:  # as an item, or as an attribute
            if not str(error).startswith(("'targets'", "Key targets not found")):
                raise
            raise RefnetError(
                f"{self.settings.place}: {self.stock_name} reads the labels in its forward pass, "
                "and there are samples without: refnet.labels.fraction below 1 and "
                "refnet.stage=pretrain do not go with it"
            ) from error

    def _features(self, reader: FusionReader) -> Features:
        """Read the recorded call.

        Raises:
            RefnetError: a tap does not find what it should.
        """
        settings = self.settings.refiner
        try:
            if self.refiner is None or settings is None:
                return Features(reader.fused(), {}, {})
            return reader.features(self.refiner.modalities, settings.pooler)
        except ValueError as error:
            raise RefnetError(f"{self.settings.place}: {error}") from error

    def _loss_terms(
        self, features: Features, fused: Tensor, labels: Tensor | None
    ) -> Iterator[LossTerm]:
        """Yield the terms: the refiner's of all samples, the metric's of the labelled ones."""
        if self.refiner is not None:
            yield from refiner_terms(self.refiner, features)
        settings = self.settings.metric_loss
        if self.metric_loss is not None and settings is not None and not self.regime.pretrain:
            name = self.settings.metric_loss_name
            match = getattr(settings, "match", "intersect")
            yield metric_term(name, settings.weight, self.metric_loss, fused, labels, match)


def check_stage(regime: Regime, settings: ModelSettings, *, has_refiner: bool) -> None:
    """Refuse to pretrain what is not there.

    Args:
        regime: of the run.
        settings: of its model.
        has_refiner: whether the model has a decoder, as far as is known.

    Raises:
        RefnetError: there is no refiner, or all its weights are 0.
    """
    if regime.pretrain and not has_refiner:
        reason = "is null" if settings.refiner is None else "has no weight above 0"
        raise RefnetError(
            f"refnet.stage: pretrain trains the refiner, and {settings.refiner_place} {reason}"
        )


def build_refiner(settings: RefinerSettings, where: FusionTaps, place: str) -> Refiner | None:
    """Build the decoders that ``settings`` asks for, for the features that ``where`` finds.

    Returns:
        None where all weights are 0.

    Raises:
        RefnetError: a modality that the model does not have, or a pooler that reads more layers
            than it has.
    """
    for modality in settings.weights:
        if modality not in where.modalities:
            raise RefnetError(unknown(f"{place}.weights", "modality", modality, where.modalities))
    pooler = POOLERS[settings.pooler]
    for modality, tokens in where.modalities.items():
        if len(tokens.states) < pooler.layers:
            tapped = tokens.states[-1].name
            has = (
                f"{tapped} names one; the one before it belongs in {tapped}.second_to_last"
                if tapped.startswith("taps.")
                else f"the {modality} encoder has {len(tokens.states)}"
            )
            raise RefnetError(
                f"{place}.pooler: {settings.pooler!r} reads the last {pooler.layers} layers, {has}"
            )
    try:
        refiner = Refiner(
            where.fused_dim,
            {name: width * pooler.width for name, width in where.token_dims.items()},
            loss=settings.loss,
            weights=settings.weights,
            hidden_dims=settings.hidden_dims,
            projection_dim=settings.projection_dim,
            stop_gradient=settings.stop_gradient,
            margin=settings.margin,
            form=settings.form,
            activation=settings.activation,
            dropout=settings.dropout,
            gather_distributed=settings.gather_distributed,
        )
    except (TypeError, ValueError) as error:
        raise RefnetError(f"{place}: {error}") from None
    return refiner if refiner.modalities else None


def _as_groups(parameters: Iterable[Any]) -> list[dict[str, Any]]:
    """Return optimizer groups as a list, whatever a model gave: groups, or bare parameters."""
    items = list(parameters)
    if items and isinstance(items[0], Tensor):
        return [{"params": items}]
    return [{**group, "params": list(group["params"])} for group in items]


def _without(groups: Iterable[dict[str, Any]], left_out: set[int]) -> list[dict[str, Any]]:
    """Return optimizer groups without the parameters of these ids."""
    return [
        {**group, "params": [p for p in group["params"] if id(p) not in left_out]}
        for group in groups
    ]


def _accept_stock_checkpoint(model: Any, incompatible: Any) -> None:
    """Take a stock model's checkpoint as complete: the decoders, which it lacks, start fresh."""
    own = {name for name, _ in model.named_parameters() if name.partition(".")[0] in OWN_MODULES}
    if own and own <= set(incompatible.missing_keys):
        incompatible.missing_keys[:] = [k for k in incompatible.missing_keys if k not in own]
        logger.warning("The checkpoint is a stock model's: the refiner's decoders start fresh.")
