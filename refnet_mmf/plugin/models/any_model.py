"""``refnet``: REFINER on any MMF model, by taps that YAML names (section 3.2)."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from mmf.common.registry import registry
from mmf.models.base_model import BaseModel
from mmf.utils.configuration import load_yaml
from omegaconf import DictConfig, OmegaConf, open_dict

from refnet_mmf.core.messages import unknown
from refnet_mmf.paths import CONFIGS
from refnet_mmf.plugin.checkpoint_file import read_checkpoint
from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.fusion_taps import FusionTaps
from refnet_mmf.plugin.model_settings import ModelSettings
from refnet_mmf.plugin.pretrained import build_pretrained
from refnet_mmf.plugin.refnet import ReFNet
from refnet_mmf.plugin.section import OWN_BLOCKS
from refnet_mmf.plugin.tap_settings import TapSettings, read_tap_settings

NAME = "refnet"
PLACE = f"model_config.{NAME}"
DEFAULTS = CONFIGS / "models" / NAME
CLASS_NAME = "RefNetOn_"


@registry.register_model(NAME)
class RefNetOnAnyModel(ReFNet):
    """The model ``model_config.refnet.base`` with REFINER, read by ``model_config.refnet.taps``.

    Making one makes an instance of a subclass that derives from the base model too; its parameter
    names are the base model's.
    """

    name = NAME
    own_keys = (*OWN_BLOCKS, "base", "taps")

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make an instance of the class that fits the base."""
        config = args[0] if args else kwargs.get("config")
        if cls is RefNetOnAnyModel and config is not None:
            cls = class_on(base_of(config))
        return super().__new__(cls)

    @classmethod
    def config_path(cls) -> str:
        """Return the path of the default YAML of the base that the command names.

        With the base's own defaults in it, the base's settings can be set from the command line.
        """
        base = _base_in_the_making()
        return str(DEFAULTS / f"{base if base in worked_bases() else 'defaults'}.yaml")

    @classmethod
    def from_pretrained(cls, source: str | Path, *args: Any, **kwargs: Any) -> Any:
        """Build the model from a checkpoint of its own, for inference.

        Args:
            source: the folder of a run, or a file; it says which model the base is.
            args: not read; MMF's signature.
            kwargs: not read; MMF's signature.

        Raises:
            RefnetError: there is no such checkpoint, or it is another model's.
        """
        if cls is not RefNetOnAnyModel:
            return super().from_pretrained(source)
        checkpoint = read_checkpoint(Path(source))
        return build_pretrained(class_on(base_of(checkpoint.section((NAME,)))), checkpoint)

    @classmethod
    def check_settings(cls, section: DictConfig) -> ModelSettings:
        """Complete the section from the base's, in place, and check it.

        Raises:
            RefnetError: one line for the first thing that is wrong.
        """
        if cls is RefNetOnAnyModel:
            checked: ModelSettings = class_on(base_of(section)).check_settings(section)
            return checked
        if not _has_defaults(cls.stock_name, cls.stock_class.config_path()):
            raise RefnetError(
                f"{PLACE}.base: {cls.stock_name!r} has no defaults in this configuration; add to "
                f"your YAML: includes: [{cls.stock_class.config_path()}]"
                f"{_or_its_twin(cls.stock_name)}"
            )
        settings = super().check_settings(section)
        if section.get("taps", None) is None:
            with open_dict(section):
                section.taps = _worked_taps(cls.stock_name)
        _read_taps(section)
        return settings

    def fusion_taps(self) -> FusionTaps:
        """Return the taps of the section ``taps:``."""
        return _read_taps(self.config).resolve(self)


def base_of(section: Any) -> str:
    """Return the name of the base model.

    Raises:
        RefnetError: none is named, it is not registered, or it is a ReFNet itself.
    """
    base = section.get("base", None)
    stock = _stock_models()
    if base is None:
        others = [str(key) for key in section if key not in RefNetOnAnyModel.own_keys]
        near = get_close_matches("base", others, n=1)
        hint = f" (there is a key {near[0]!r})" if near else ""
        raise RefnetError(
            f"{PLACE}.base: is missing{hint}; with worked taps: {', '.join(worked_bases())}; "
            f"with taps of your own any model of MMF: {', '.join(sorted(stock))}"
        )
    if base not in stock and base in _bases_with_taps():
        raise RefnetError(f"{PLACE}.base: {base!r} is a model of MMF main, not of this MMF")
    if base not in stock:
        raise RefnetError(unknown(f"{PLACE}.base", "model", base, stock))
    return str(base)


def worked_bases() -> list[str]:
    """Return the names of this MMF's models whose taps come with the plugin."""
    return [name for name in _bases_with_taps() if name in _stock_models()]


def twin_of(stock_name: str) -> type[ReFNet] | None:
    """Return the ReFNet class that is written for a stock model; None where there is none."""
    models = registry.mapping["model_name_mapping"].values()
    return next((one for one in models if getattr(one, "stock_name", None) == stock_name), None)


def class_on(base: str) -> type[RefNetOnAnyModel]:
    """Return the class of the ReFNet on the model ``base``."""
    return _class_on(base, registry.get_model_class(base))


@cache
def _class_on(base: str, stock_class: type[BaseModel]) -> type[RefNetOnAnyModel]:
    attributes = {
        "__doc__": f"{base} with REFINER.",
        "__module__": __name__,
        "stock_name": base,
        "stock_class": stock_class,
    }
    return type(f"{CLASS_NAME}{base}", (RefNetOnAnyModel, stock_class), attributes)


def __getattr__(name: str) -> type[RefNetOnAnyModel]:
    """Return the class of that name: pickle looks it up here."""
    if name.startswith(CLASS_NAME) and name.removeprefix(CLASS_NAME) in _stock_models():
        return class_on(name.removeprefix(CLASS_NAME))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _has_defaults(base: str, file: str | None) -> bool:
    """Tell whether the configuration has every key of the base's default YAML."""
    config = registry.get("config", no_warning=True)
    if not config:
        return True
    if base not in config.model_config:
        return False
    defaults = {} if file is None else load_yaml(file).get("model_config", {}).get(base, {})
    return set(defaults) <= set(config.model_config[base])


def _bases_with_taps() -> list[str]:
    return sorted(file.stem for file in DEFAULTS.glob("*.yaml") if file.stem != "defaults")


def _stock_models() -> list[str]:
    models = registry.mapping["model_name_mapping"]
    return [name for name, model in models.items() if not issubclass(model, ReFNet)]


def _or_its_twin(base: str) -> str:
    twin = twin_of(base)
    return "" if twin is None else f"; or take model={twin.name}, which needs no taps"


def _base_in_the_making() -> str | None:
    """Return the base that the command line or the YAML names, while MMF still reads both."""
    configuration = registry.get("configuration", no_warning=True)
    for source in ("_opts_config", "_user_config"):
        config = getattr(configuration, source, None)
        if config:
            base = OmegaConf.select(OmegaConf.create(config), f"{PLACE}.base")
            if base is not None:
                return str(base)
    return None


def _worked_taps(base: str) -> dict[str, Any]:
    config = registry.get("config", no_warning=True) or {}
    taps = config.get("worked_taps", {}).get(base, None)
    if taps is None:
        raise RefnetError(
            f"{PLACE}.taps: is missing: where {base!r} has its fused embedding and each modality's "
            f"features (taps come with the plugin for {', '.join(worked_bases())})"
            f"{_or_its_twin(base)}"
        )
    return OmegaConf.to_container(taps, resolve=True)


def _read_taps(section: Any) -> TapSettings:
    return read_tap_settings(OmegaConf.to_container(section.taps, resolve=True), f"{PLACE}.taps")
