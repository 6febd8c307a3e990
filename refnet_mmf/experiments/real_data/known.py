"""The data sets that are known, by their names in MMF."""

from __future__ import annotations

from collections.abc import Mapping

from refnet_mmf.experiments.real_data.description import DataSet
from refnet_mmf.experiments.real_data.hateful_memes import HATEFUL_MEMES
from refnet_mmf.experiments.real_data.mmimdb import MMIMDB
from refnet_mmf.experiments.real_data.visual_entailment import VISUAL_ENTAILMENT

DATA_SETS: Mapping[str, DataSet] = {
    data_set.name: data_set for data_set in (HATEFUL_MEMES, MMIMDB, VISUAL_ENTAILMENT)
}
