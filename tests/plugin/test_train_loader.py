"""The training loader says its position and takes it, whatever machine and seed it comes from."""

from types import SimpleNamespace

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, SequentialSampler

from refnet_mmf.plugin.errors import RefnetError
from refnet_mmf.plugin.random_state import RandomState
from refnet_mmf.plugin.train_loader import UNLABELLED, TrainLoader

pytestmark = pytest.mark.mmf


class Numbers(Dataset):
    dataset_type = "train"

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return {"id": index, "drawn": int(torch.randint(10**6, ()))}


def collate(samples):
    return {key: torch.tensor([sample[key] for sample in samples]) for key in ("id", "drawn")}


def loader(seed, labelled=(0, 1, 2, 3, 4, 5), workers=0, **keywords):
    stock = DataLoader(Numbers(), batch_size=2, collate_fn=collate, num_workers=workers, **keywords)
    return TrainLoader(stock, seed, labelled, 1)


def seen(batches):
    return [
        [*batch["id"].tolist(), *batch[UNLABELLED]["id"].tolist(), *batch["drawn"].tolist()]
        for batch in batches
    ]


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_position_brings_its_seed(workers):
    """MMF draws a seed at each start unless one is set; a resumed run goes on with its first."""
    keywords = {"shuffle": True, "workers": workers}
    torch.manual_seed(0)
    first = loader(seed=5, **keywords)
    whole = seen(first)
    again = seen(first)
    torch.manual_seed(0)
    cut = loader(seed=5, **keywords)
    assert seen(cut) == whole
    position, state = cut.state_dict(), RandomState.now()
    torch.manual_seed(99)
    resumed = loader(seed=6, **keywords)
    resumed.load_state_dict(position, state)
    assert seen(resumed) == []  # the epoch was over
    assert seen(resumed) == again


def test_a_position_may_come_from_a_gpu():
    """MMF loads a checkpoint to the device of the run; the generator of the CPU takes no such."""
    first = loader(seed=5, shuffle=True)
    list(first)
    position = first.state_dict()
    on_gpu = SimpleNamespace(cpu=lambda: position["order_state"])
    resumed = loader(seed=5, shuffle=True)
    resumed.load_state_dict({**position, "taken": 1, "order_state": on_gpu}, RandomState.now())
    assert len(seen(resumed)) == 2


def test_an_order_that_is_not_shuffled_stays():
    ids = [batch["id"].tolist() for batch in loader(seed=5, labelled=(7, 1, 4, 9))]
    assert ids == [[7, 1], [4, 9]]


def test_a_sampler_of_another_kind_is_refused_where_samples_are_left_out():
    class Backwards(Sampler):
        def __iter__(self):
            return iter(range(11, -1, -1))

        def __len__(self):
            return 12

    with pytest.raises(RefnetError, match=r"labels.fraction: .* not of a Backwards: set it to 1"):
        loader(seed=5, sampler=Backwards())
    whole = loader(seed=5, labelled=None, sampler=Backwards())
    assert next(iter(whole))["id"].tolist() == [11, 10]
    assert isinstance(
        loader(seed=5, sampler=SequentialSampler(Numbers())).sampler, SequentialSampler
    )
