"""What differs between MMF's two lines: the PyPI line (1.0.0rc10) and GitHub's main.

Nothing else in the package asks which line it runs on.
"""

from __future__ import annotations

from typing import Any, Literal

from mmf.common.registry import registry
from mmf.modules import encoders
from torch import nn

LINE: Literal["pypi", "main"] = "main" if hasattr(registry, "register_encoder") else "pypi"

_FACTORY_NAME = "ImageEncoderFactory" if LINE == "main" else "ImageEncoder"


def register_image_encoder(name: str, encoder: type[nn.Module]) -> None:
    """Make ``modal_encoder: {type: name, params: ...}`` build ``encoder(params)`` in every model.

    Neither line has a registry for the image encoders of its models: their factory knows a fixed
    list. It is replaced by one that knows this name too and leaves all others to the stock one.
    """
    stock_factory: Any = getattr(encoders, _FACTORY_NAME)

    class ImageEncoderFactory(stock_factory):
        def __init__(self, config: Any, *args: Any, **kwargs: Any) -> None:
            if config.type != name:
                super().__init__(config, *args, **kwargs)
                return
            nn.Module.__init__(self)
            self._type = name
            self.module = encoder(config.params)

    setattr(encoders, _FACTORY_NAME, ImageEncoderFactory)
