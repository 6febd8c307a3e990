"""Taps read tensors inside any network while it trains, and leave no trace."""

import copy
import pickle
import re

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from refnet_mmf.core.taps import Call, Tap, Taps, find_module


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, states, *, attention_mask=None):
        return self.linear(states), {"weights": attention_mask}


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Layer() for _ in range(3)])
        self.heads = nn.ModuleDict({"main": nn.Linear(4, 2)})
        self.unused = nn.Linear(4, 4)

    def forward(self, states, mask=None):
        for layer in self.layers:
            states, _ = layer(states, attention_mask=mask)
        return self.heads["main"](states)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network()


def recorded(network, *taps, inputs=None):
    reader = Taps(network, taps)
    reader.attach()
    inputs = torch.randn(2, 4) if inputs is None else inputs
    with reader.record():
        network(inputs, mask=torch.ones(2))
        return [reader.read_tensor(tap) for tap in taps]


def test_reads_outputs_inputs_and_keywords(network):
    inputs = torch.randn(2, 4)
    output, first_input, mask, last = recorded(
        network,
        Tap("layers.0", path=(0,)),
        Tap("layers.0", read="input", path=(0,)),
        Tap("layers.1", read="kwargs", path=("attention_mask",)),
        Tap("heads.main"),
        inputs=inputs,
    )
    assert torch.equal(output, network.layers[0].linear(inputs))
    assert torch.equal(first_input, inputs)
    assert torch.equal(mask, torch.ones(2))
    assert torch.equal(last, network(inputs))


def test_negative_positions_count_from_the_end(network):
    assert find_module(network, "layers.-1") is network.layers[2]
    assert find_module(network, "layers.-3.linear") is network.layers[0].linear
    assert find_module(network, "layers.1") is network.layers[1]
    assert find_module(network, "heads.main") is network.heads["main"]
    assert find_module(network, "") is network


def test_gradients_flow_through_what_was_read(network):
    (states,) = recorded(network, Tap("layers.-1", path=(0,)))
    states.sum().backward()
    assert network.layers[0].linear.weight.grad.abs().sum() > 0


def test_outputs_are_unchanged(network):
    inputs = torch.randn(2, 4)
    before = network(inputs)
    reader = Taps(network, [Tap("layers.-1")])
    reader.attach()
    with reader.record():
        assert torch.equal(network(inputs), before)
    assert list(network.state_dict()) == list(Network().state_dict())


def test_nothing_is_kept_outside_the_context(network):
    reader = Taps(network, [Tap("heads.main")])
    reader.attach()
    network(torch.randn(2, 4))
    with pytest.raises(ValueError, match="not called"):
        reader.read(Tap("heads.main"))
    with reader.record():
        network(torch.randn(2, 4))
    assert not reader.calls


def test_detached_taps_leave_no_hook(network):
    reader = Taps(network, [Tap("heads.main"), Tap("layers.0")])
    reader.attach()
    reader.attach()
    assert sum(len(module._forward_hooks) for module in network.modules()) == 2
    reader.detach()
    assert sum(len(module._forward_hooks) for module in network.modules()) == 0


def test_a_module_that_runs_again_in_the_backward_pass_is_read_once(network):
    reader = Taps(network, [Tap("layers.0", path=(0,))])
    reader.attach()
    with reader.record():
        states, _ = checkpoint(network.layers[0], torch.randn(2, 4), use_reentrant=False)
        read = reader.read_tensor(Tap("layers.0", path=(0,)))
        assert torch.equal(read, states)
    states.sum().backward()
    assert not reader.calls


def test_a_tapped_network_can_be_copied_and_pickled(network):
    network.reader = Taps(network, [Tap("layers.0", path=(0,))])
    network.reader.attach()
    for twin in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        with twin.reader.record():
            twin(torch.randn(2, 4))
            assert "layers.0" in twin.reader.calls
        assert not network.reader.calls


def test_works_in_a_compiled_network(network):
    inputs = torch.randn(2, 4)
    tap = Tap("layers.0", path=(0,))
    reader = Taps(network, [tap])
    reader.attach()
    compiled = torch.compile(network, backend="eager")
    for _ in range(2):
        with reader.record():
            compiled(inputs)
            assert torch.equal(reader.read_tensor(tap), network.layers[0].linear(inputs))


def test_a_wrong_path_names_the_nearest_and_what_there_is(network):
    with pytest.raises(ValueError, match="layers has no '7'.*layers has: 0, 1, 2"):
        Taps(network, [Tap("layers.7")])
    with pytest.raises(ValueError, match="did you mean 'heads.main'"):
        Taps(network, [Tap("head.main")])
    with pytest.raises(ValueError, match="has no '-9'"):
        find_module(network, "layers.-9")
    with pytest.raises(
        ValueError, match="^tap on 'layers.0': read: unknown read 'kwarg'; did you mean 'kwargs'"
    ):
        Tap("layers.0", read="kwarg")


def test_positions_have_any_number_of_digits():
    layers = nn.ModuleList(nn.Identity() for _ in range(12))
    assert find_module(layers, "11") is layers[11]
    assert find_module(layers, "-11") is layers[1]


def test_a_tap_says_where_it_is():
    assert str(Tap("layers.0", path=(1, "x"))) == "layers.0 (output[1]['x'])"
    assert str(Tap("", read="input")) == "the model (input)"


def test_taps_that_were_taken_off_can_be_put_on_again(network):
    reader = Taps(network, [Tap("heads.main")])
    for _ in range(2):
        reader.attach()
        with reader.record():
            network(torch.randn(2, 4))
            assert reader.read_tensor(Tap("heads.main")).shape == (2, 2)
        reader.detach()
        assert reader.handles == []


@pytest.mark.parametrize(
    ("value", "part", "message"),
    [
        (("a", "b"), 5, "tap unused (output[5]): nothing at 5 in a tuple of length 2"),
        ([1], 5, "tap unused (output[5]): nothing at 5 in a list of length 1"),
        (
            {"a": 1, "b": 2},
            "x",
            "tap unused (output['x']): nothing at 'x' in a mapping with the keys a, b",
        ),
        ("text", 9, "tap unused (output[9]): nothing at 9 in a str"),
        (3, 0, "tap unused (output[0]): nothing at 0 in a int"),
        (
            torch.zeros(2, 3),
            0,
            "tap unused (output[0]): nothing at 0 in a tensor of shape (2, 3)",
        ),
    ],
)
def test_what_stands_in_the_place_is_described(network, value, part, message):
    reader = Taps(network, [Tap("unused")])
    reader.calls["unused"] = Call((), {}, value)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        reader.read(Tap("unused", path=(part,)))


def test_a_value_that_is_not_there_is_named(network):
    reader = Taps(network, [Tap("layers.0"), Tap("unused")])
    reader.attach()
    with reader.record():
        network(torch.randn(2, 4))
        with pytest.raises(ValueError, match="nothing at 5 in a tuple of length 2"):
            reader.read(Tap("layers.0", path=(5,)))
        with pytest.raises(ValueError, match="nothing at 'x' in a mapping with the keys weights"):
            reader.read(Tap("layers.0", path=(1, "x")))
        with pytest.raises(ValueError, match="expected a tensor, found a tuple"):
            reader.read_tensor(Tap("layers.0"))
        with pytest.raises(ValueError, match="not called in this forward pass"):
            reader.read(Tap("unused"))


def test_a_tap_with_a_name_is_called_by_it_and_is_the_same_tap():
    named = Tap("inner", "output", (0,), name="targets.text")
    assert str(named) == "targets.text, inner (output[0])"
    assert named == Tap("inner", "output", (0,)) and hash(named) == hash(
        Tap("inner", "output", (0,))
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "layers.0.linaer",
            "no module 'layers.0.linaer': layers.0 has no 'linaer'; "
            "did you mean 'layers.0.linear'? (layers.0 has: linear)",
        ),
        ("zzz", "no module 'zzz': the model has no 'zzz' (the model has: layers, heads, unused)"),
        (
            "unused.zzz",
            "no module 'unused.zzz': unused has no 'zzz'; did you mean 'unused'? "
            "(unused has: no modules)",
        ),
        (
            "heads.-1",
            "no module 'heads.-1': heads has no '-1'; did you mean 'heads'? (heads has: main)",
        ),
    ],
)
def test_a_wrong_path_is_told_with_what_there_is(network, path, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        find_module(network, path)
