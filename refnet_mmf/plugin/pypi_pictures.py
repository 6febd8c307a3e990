"""MM-IMDB and SNLI-VE by their pictures on MMF's PyPI line, which reads their features alone.

The stock data sets stay as they are; with ``use_images: true`` and ``use_features: false``, as on
MMF's main line, a picture is added to each of their samples. Importing this registers it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmf.common.registry import registry
from mmf.datasets.builders.mmimdb.builder import MMIMDbBuilder
from mmf.datasets.builders.mmimdb.dataset import MMIMDbDataset
from mmf.datasets.builders.visual_entailment.builder import VisualEntailmentBuilder
from mmf.datasets.builders.visual_entailment.dataset import VisualEntailmentDataset
from mmf.datasets.databases.image_database import ImageDatabase

from refnet_mmf.paths import CONFIGS
from refnet_mmf.plugin.errors import RefnetError


class AnyExtensionImageDatabase(ImageDatabase):
    """Finds a picture whatever its extension is, as MMF's main line does.

    The PyPI line takes the annotation's word for it, and adds ``.jpg`` to a bare identifier,
    where the posters of MM-IMDB are ``.jpeg``.
    """

    def from_path(
        self, paths: str | Iterable[str], use_transforms: bool = True
    ) -> dict[str, list[Any]]:
        """Load the pictures that ``paths``, relative to the folder of pictures, name."""
        names = [paths] if isinstance(paths, str) else paths
        # The stock method tries each extension in place of the one that a full path has.
        files = [
            Path(self.base_path, name if Path(name).suffix else f"{name}.jpg") for name in names
        ]
        return super().from_path(list(map(str, files)), use_transforms)


class WithPictures:
    """Mixin of a stock data set: builds its database of pictures, with their transform."""

    def _build_image_db(self: Any) -> ImageDatabase:
        folder = self._get_path_based_on_index(self.config, "images", self._index)
        return AnyExtensionImageDatabase(self.config, folder, annotation_db=self.annotation_db)

    def init_processors(self: Any) -> None:
        """Build the processors; that of pictures is the transform of their database."""
        super().init_processors()  # type: ignore[misc]
        if not hasattr(self, "image_processor"):
            raise RefnetError(
                f"dataset_config.{self.dataset_name}.processors.image_processor: is missing, "
                "and use_images needs it; e.g. type: torchvision_transforms"
            )
        self.image_db.transform = self.image_processor


class MMIMDbPictures(WithPictures, MMIMDbDataset):
    """The stock data set, with each movie's poster in place of its features."""

    def __getitem__(self, idx: int) -> Any:
        sample = super().__getitem__(idx)
        sample.image = self.image_db[idx]["images"][0]
        return sample


class VisualEntailmentPictures(WithPictures, VisualEntailmentDataset):
    """The stock data set, with each sentence's picture in place of its features."""

    def load_item(self, idx: int) -> Any:
        """Load a sample."""
        sample = super().load_item(idx)
        picture = self.annotation_db[idx]["Flikr30kID"]
        sample.image = self.image_db.from_path(picture)["images"][0]
        return sample


def _wants_pictures(config: Any) -> bool:
    return bool(config.get("use_images", False)) and not config.get("use_features", False)


@registry.register_builder("mmimdb")
class MMIMDbBuilderWithPictures(MMIMDbBuilder):
    """The stock builder; by pictures where the configuration asks for them."""

    @classmethod
    def config_path(cls) -> str:
        """Return the path of the default YAML: the stock one, and where the posters are."""
        return str(CONFIGS / "datasets" / "mmimdb_pictures.yaml")

    def load(self, config: Any, *args: Any, **kwargs: Any) -> Any:
        """Load a split."""
        if _wants_pictures(config):
            self.dataset_class = MMIMDbPictures
        return super().load(config, *args, **kwargs)


@registry.register_builder("visual_entailment")
class VisualEntailmentBuilderWithPictures(VisualEntailmentBuilder):
    """The stock builder; by pictures where the configuration asks for them."""

    def load(self, config: Any, *args: Any, **kwargs: Any) -> Any:
        """Load a split."""
        if _wants_pictures(config):
            self.dataset_class = VisualEntailmentPictures
        return super().load(config, *args, **kwargs)
