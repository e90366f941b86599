"""The composite LSTM: its cell against PyTorch's, its decoders against its encoder, and what each phase may change."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from moving_squares import MemorySplit
from torch import Tensor, nn

from baselines.classifiers.composite_lstm import CompositeLSTM, Config, average, build
from baselines.peephole_lstm import Decoder, PeepholeLSTM
from benchmark.checkpoint import Checkpoint
from benchmark.classification import Classification
from benchmark.data import Batch, Clips
from benchmark.errors import StoppedError
from benchmark.recipe import Training
from benchmark.train import fit
from dynamics_gen.errors import ConfigError

SHAPE = (8, 3, 16, 16)
SMALL = Config(side=8, hidden=12)


def network(config: Config = SMALL) -> CompositeLSTM:
    """One whose peepholes are not zero."""
    torch.manual_seed(0)
    made = build(config, SHAPE, 10)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if name.endswith("peepholes"):
                weight.normal_(0, 0.3)
    return made


def some_clips(count: int = 4) -> Tensor:
    """Noise."""
    return torch.randn(count, SHAPE[1], SHAPE[0], *SHAPE[2:], generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_without_peepholes_it_is_the_lstm_of_pytorch() -> None:
    """Two layers with the same weights: every output, and the state of each layer."""
    torch.manual_seed(0)
    ours, theirs = PeepholeLSTM(5, 7, 2), nn.LSTM(5, 7, 2, batch_first=True)
    for i, layer in enumerate(ours.layers):
        layer.bias.normal_()  # type: ignore[operator]
        getattr(theirs, f"weight_ih_l{i}").copy_(layer.from_input)
        getattr(theirs, f"weight_hh_l{i}").copy_(layer.from_hidden)
        getattr(theirs, f"bias_ih_l{i}").copy_(layer.bias)
        getattr(theirs, f"bias_hh_l{i}").zero_()
    inputs = torch.randn(3, 9, 5)
    outputs, state = ours(inputs)
    expected, (hidden, memory) = theirs(inputs)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(torch.stack([one for one, _ in state]), hidden)
    torch.testing.assert_close(torch.stack([one for _, one in state]), memory)


@torch.no_grad()
def test_peepholes_are_those_of_graves() -> None:
    """Two steps of one unit by hand: input and forget gate see the old memory, the output gate the new one."""
    lstm = PeepholeLSTM(1, 1, 1)
    layer = lstm.layers[0]
    weights = {
        "from_input": (0.5, -0.3, 0.8, 0.2),
        "from_hidden": (0.1, 0.4, -0.6, 0.7),
        "bias": (0.3, 1.0, -0.1, 0.05),
    }
    for name, values in weights.items():
        getattr(layer, name).copy_(torch.tensor(values).reshape(getattr(layer, name).shape))
    layer.peepholes.copy_(torch.tensor([[0.9], [-0.5], [1.1]]))  # type: ignore[operator]

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    h = c = 0.0
    for x in (1.3, -0.7):
        i, f, g, o = (
            w * x + u * h + b
            for w, u, b in zip(*(weights[k] for k in ("from_input", "from_hidden", "bias")), strict=True)
        )
        c_new = sigmoid(f - 0.5 * c) * c + sigmoid(i + 0.9 * c) * math.tanh(g)
        h, c = sigmoid(o + 1.1 * c_new) * math.tanh(c_new), c_new
    _, [(hidden, memory)] = lstm(torch.tensor([[[1.3], [-0.7]]]))
    assert (hidden.item(), memory.item()) == pytest.approx((h, c), abs=1e-6)


def test_an_encoder_and_a_forecaster_have_the_published_count_of_parameters() -> None:
    """Twice two layers of 2,048 on patches of 4,096 values, no input to the forecaster (Shi et al. 2015, FC-LSTM)."""
    with torch.device("meta"):
        encoder = PeepholeLSTM(4096, 2048, 2)
        forecaster = Decoder(4096, Config(hidden=2048, layers=2, conditional=False))
    assert sum(p.numel() for part in (encoder, forecaster) for p in part.parameters()) == 142_667_776


@torch.no_grad()
def test_the_past_is_recalled_last_frame_first_and_the_future_in_order() -> None:
    """Both start from the encoder's state after the first half; their targets are its reverse, and the second half."""
    net = network()
    frames = net.frames(some_clips())
    given = {}
    for name in ("past", "future"):
        getattr(net, name).register_forward_hook(lambda _, inputs, __, name=name: given.update({name: inputs}))
    net.objectives(frames)
    _, expected = net.encoder(frames[:, :4])
    order = {
        name: [frames.sub(one[:, None]).square().sum((0, 2)).argmin().item() for one in given[name][0].unbind(1)]
        for name in given
    }
    assert order == {"past": [3, 2, 1, 0], "future": [4, 5, 6, 7]}
    for name in given:
        torch.testing.assert_close(given[name][1], expected, atol=0, rtol=0)


@torch.no_grad()
def test_errors_are_mean_squares() -> None:
    """Decoders that say zero are wrong by the mean square of what there was."""
    net = network()
    for decoder in (net.past, net.future):
        nn.init.zeros_(decoder.readout.weight)
        nn.init.zeros_(decoder.readout.bias)
    frames = net.frames(some_clips())
    found = net.objectives(frames)
    torch.testing.assert_close(found["reconstruction"], frames[:, :4].square().mean())
    torch.testing.assert_close(found["prediction"], frames[:, 4:].square().mean())
    losses = net.losses(some_clips(), torch.zeros(4).long(), 0.0, nn.functional.cross_entropy)
    torch.testing.assert_close(losses["loss"], frames[:, :4].square().mean() + frames[:, 4:].square().mean())


@pytest.mark.parametrize("layers", [1, 2])
@torch.no_grad()
def test_a_decoder_with_the_encoders_weights_goes_on_where_the_encoder_was(layers: int) -> None:
    """The first frame is read from the copied state with no step between; the others from an encoder that read on."""
    net = network(Config(side=8, hidden=12, layers=layers))
    net.future.lstm.load_state_dict(net.encoder.state_dict())
    frames = net.frames(some_clips())
    _, state = net.encoder(frames[:, :3])
    kept = copy.deepcopy(state)
    found = net.future(frames[:, 3:], state)
    outputs, _ = net.encoder(frames[:, :-1])
    torch.testing.assert_close(found, net.future.readout(outputs[:, 2:]))
    torch.testing.assert_close(state, kept, atol=0, rtol=0)  # a copy: the encoder's own is left as it was


@torch.no_grad()
def test_a_decoder_sees_the_frames_before_and_no_other() -> None:
    """A change of frame k changes what comes after it; without conditioning nothing."""
    for conditional in (True, False):
        net = network(Config(side=8, hidden=12, conditional=conditional))
        frames = net.frames(some_clips())
        _, state = net.encoder(frames[:, :4])
        other = frames[:, 4:].clone()
        other[:, 1] += 1
        changed = (net.future(other, state) - net.future(frames[:, 4:], state)).abs().amax((0, 2)) > 1e-6
        assert changed.tolist() == [False, False, conditional, conditional]


@torch.no_grad()
def test_frames_are_grey_and_small() -> None:
    """Each pixel is the mean over three channels of 2×2; frames smaller than `side` are left as they are."""
    clips = some_clips()
    expected = clips.mean(1).unflatten(2, (8, 2)).unflatten(4, (8, 2)).mean((3, 5)).flatten(2)
    torch.testing.assert_close(network().frames(clips), expected)
    torch.testing.assert_close(network(Config(side=99, hidden=2)).frames(clips), clips.mean(1).flatten(2))


@torch.no_grad()
def test_logits_are_logarithms_of_the_steps_average_probabilities() -> None:
    """And every step's cross-entropy counts alike in the loss."""
    net, labels = network(), torch.tensor([3, 1, 4, 1])
    steps = net.steps(net.frames(some_clips()))
    torch.testing.assert_close(average(steps).exp(), steps.softmax(-1).mean(1))
    torch.testing.assert_close(net(some_clips()).softmax(-1), steps.softmax(-1).mean(1))
    expected = -steps.log_softmax(-1)[torch.arange(4), :, labels].mean()
    found = net.losses(some_clips(), labels, 0.5, nn.functional.cross_entropy)
    torch.testing.assert_close(found["loss"], expected)
    assert found["error"] == (net(some_clips()).argmax(1) != labels).float().mean()


def learner(config: Config) -> Classification:
    """With AdamW, whose momentum and decay would move weights that merely had a gradient of zero."""
    recipe = Training(precision="32-true", weight_decay=0.5)
    return Classification(network(config), recipe, Fabric(accelerator="cpu", devices=1, precision="32-true"))


@pytest.mark.parametrize("encoder", ["tuned", "frozen"])
def test_each_phase_moves_its_own_parts_and_no_bit_of_the_others(encoder: str) -> None:
    """First encoder and decoders, then the readout, with the encoder if it is tuned; the share says when."""
    one = learner(Config(side=8, hidden=12, unsupervised=0.25, encoder=encoder))
    batch = Batch(clips=some_clips(), labels=torch.tensor([3, 1, 4, 1]))

    def moved(progress: float) -> set[str]:
        before = {name: weight.detach().clone() for name, weight in one.network.named_parameters()}
        one.training_step(batch, progress)
        parts = dict(one.network.named_parameters())
        return {name.partition(".")[0] for name, weight in before.items() if not torch.equal(weight, parts[name])}

    for progress in (0.0, 0.1, 0.249):
        assert moved(progress) == {"encoder", "past", "future"}
    for progress in (0.25, 0.9):
        assert moved(progress) == ({"encoder", "readout"} if encoder == "tuned" else {"readout"})


def train(folder: Path, stop: int = 0) -> Checkpoint:
    """Three epochs of four steps, the phases' border in the second; interrupted after `stop` of them if it is not 0."""
    recipe = Training(epochs=3, batch_size=5, augment=True, precision="32-true")
    torch.manual_seed(0)
    fabric = Fabric(accelerator="cpu", devices=1, precision="32-true")
    one = Classification(build(Config(side=8, hidden=12, unsupervised=0.5), SHAPE, 10), recipe, fabric)
    validated = iter(range(1, 4))

    def validate(batches: Iterator[Batch]) -> Mapping[str, float]:
        if stop and next(validated) > stop:
            raise KeyboardInterrupt
        return Classification.validate(one, batches)

    one.validate = validate  # type: ignore[method-assign]
    train, valid = (Clips(MemorySplit(n, seed=n), torch.device("cpu"), "centred") for n in (20, 10))
    folder.mkdir(exist_ok=True)
    return fit(one, train, valid, recipe, 0, folder / "checkpoint.pt", {}, lambda event: None)


@pytest.mark.parametrize("stop", [1, 2])
def test_a_resumed_run_ends_in_the_same_bits(stop: int, tmp_path: Path) -> None:
    """Stopped in either phase; the second epoch has both, and its history the errors of the steps that had them."""
    whole = train(tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(tmp_path / "stopped", stop)
    resumed = train(tmp_path / "stopped")
    for key, weight in whole.modules["network"].items():
        assert torch.equal(weight, resumed.modules["network"][key]), key
    names = ("train_loss", "train_error", "train_reconstruction")
    assert [[row.get(name) for name in names] for row in whole.history] == [
        [row.get(name) for name in names] for row in resumed.history
    ]
    assert ["train_prediction" in row for row in whole.history] == [True, True, False]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"side": 0}, "got side 0, expected 1 or more"),
        ({"unsupervised": 1.5}, r"got unsupervised 1.5, expected a share of the steps in \[0, 1\]"),
        ({"encoder": "thawed"}, "got encoder 'thawed', expected tuned or frozen"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, sentence: str) -> None:
    """One sentence each; a clip of one frame has no future."""
    with pytest.raises(ConfigError, match=sentence):
        Config(**settings)
    with pytest.raises(ConfigError, match="got clips of 1 frame, expected two or more"):
        build(SMALL, (1, 3, 16, 16), 10)
