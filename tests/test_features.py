"""The networks that judge frames: what is released, what it sees in pictures it never saw, and how it is trained."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

import dynamics_gen
from benchmark import inputs
from benchmark.errors import ModelError
from benchmark.generation import features, train_features
from benchmark.generation.features import (
    ATTRIBUTE_WEIGHTS,
    FEATURE_WEIGHTS,
    FEATURES,
    LABELS,
    SHAPES,
    TEXTURES,
    AttributeReader,
    FrameFeatures,
    Heads,
    Weights,
    attribute_reader,
    frozen,
)
from benchmark.generation.metrics import frechet_distance
from benchmark.generation.train_features import Frames, Recipe
from dynamics_gen.errors import ConfigError

MOMENTS = 4


@pytest.fixture(scope="module")
def network() -> FrameFeatures:
    """The released features."""
    return frozen()


@pytest.fixture(scope="module")
def unseen(tiny_data: Path) -> Frames:
    """Frames of 50 clips that neither network was trained on."""
    return train_features.read_frames(dynamics_gen.open(tiny_data / "dynamics-tiny" / "valid"), MOMENTS)


@pytest.fixture(scope="module")
def pictures(unseen: Frames) -> Float[Tensor, "200 3 64 64"]:
    """The same, as input."""
    return train_features.as_input(unseen.pictures.flatten(0, 1))


def frames_of(side: int, count: int = 3) -> Float[Tensor, "batch 3 side side"]:
    """Random colours in random places."""
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(side)) * 2 - 1


def as_rows(network: FrameFeatures, frames: Tensor) -> np.ndarray:
    """Features for the metrics."""
    return network(frames).double().numpy()


def blurred(frames: Float[Tensor, "batch 3 side side"], deviation: float) -> Float[Tensor, "batch 3 side side"]:
    """Frames after a Gaussian filter, pixels."""
    reach = int(3 * deviation) + 1
    kernel = torch.exp(-torch.arange(-reach, reach + 1).float().square() / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).expand(3, 1, -1)
    rows = functional.conv2d(functional.pad(frames, (reach,) * 4, "reflect"), kernel[:, :, None], groups=3)
    return functional.conv2d(rows, kernel[..., None], groups=3)


def assert_rises(values: list[float]) -> None:
    """Each is above the one before."""
    assert all(low < high for low, high in pairwise(values)), values


@pytest.mark.parametrize("weights", [FEATURE_WEIGHTS, ATTRIBUTE_WEIGHTS])
def test_released_files_are_small_and_of_16_bits(weights: Weights) -> None:
    """They lie in the repository."""
    path = Path(features.__file__).with_name(weights.file)
    assert path.stat().st_size <= 300_000
    tensors = load_file(path)
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_scores_can_name_the_network(network: FrameFeatures) -> None:
    """Name and hash are those of the released file, and the two networks differ; to load them draws nothing."""
    state = torch.get_rng_state()
    assert (network.name, network.sha256) == (FEATURE_WEIGHTS.name, FEATURE_WEIGHTS.sha256)
    reader = attribute_reader()
    assert (reader.name, reader.sha256) == (ATTRIBUTE_WEIGHTS.name, ATTRIBUTE_WEIGHTS.sha256)
    assert torch.equal(torch.get_rng_state(), state)
    assert network.sha256 != reader.sha256
    assert not torch.allclose(network(frames_of(64)), reader.trunk(frames_of(64)), atol=0.5)


def test_changed_and_missing_files_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A score from other weights would be another score."""
    path = Path(features.__file__).with_name(FEATURE_WEIGHTS.file)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    monkeypatch.setattr(features, "__file__", str(tmp_path / "features.py"))
    with pytest.raises(ModelError, match=r"cannot read .*try to install"):
        frozen()
    (tmp_path / FEATURE_WEIGHTS.file).write_bytes(content)
    with pytest.raises(ModelError, match=r"has SHA-256 .*expected"):
        frozen()


def test_names_are_those_of_the_simulator() -> None:
    """In its order, which that of the conditional models is too."""
    from dynamics_gen import shapes, textures

    assert tuple(shapes.FAMILIES) == SHAPES
    assert tuple(textures.FAMILIES) == TEXTURES


@pytest.mark.parametrize("side", [16, 32, 40, 64, 120])
def test_frames_of_any_size(network: FrameFeatures, side: int) -> None:
    """`FEATURES` numbers each, whatever else is in the batch, and whatever mode the network is put into."""
    frames = frames_of(side)
    found = network(frames)
    assert found.shape == (3, FEATURES)
    torch.testing.assert_close(network(frames[1:2]), found[1:2], rtol=1e-4, atol=1e-5)
    assert torch.equal(network.train()(frames), found)
    network.eval()


@pytest.mark.parametrize("shape", [(2, 3, 15, 15), (2, 3, 64, 32), (2, 1, 64, 64), (3, 64, 64), (2, 3, 8, 64, 64)])
def test_other_shapes_are_refused(network: FrameFeatures, shape: tuple[int, ...]) -> None:
    """In one sentence that tells what is expected."""
    with pytest.raises(ConfigError, match=r"got frames of shape .*, expected \[B, 3, H, W\]"):
        network(torch.zeros(shape))


def test_gradients_reach_frames_and_not_weights(network: FrameFeatures) -> None:
    """So that features may serve as a loss."""
    frames = frames_of(32).requires_grad_()
    network(frames).square().sum().backward()
    assert frames.grad is not None
    assert (frames.grad != 0).float().mean() > 0.9
    assert not any(weight.requires_grad for weight in network.parameters())


def test_features_are_about_standard(network: FrameFeatures, pictures: Tensor) -> None:
    """Frames never seen have means near 0 and deviations below 1 or near it: no feature rules the distance."""
    rows = as_rows(network, pictures)
    assert np.abs(rows.mean(axis=0)).max() < 0.8
    assert 0.2 < rows.std(axis=0).min() <= rows.std(axis=0).max() < 1.6


@pytest.mark.parametrize("side", [64, 32])
def test_distance_rises_with_blur_and_noise(network: FrameFeatures, pictures: Tensor, side: int) -> None:
    """The same frames, ever worse, at full and at half size; a little of either already counts."""
    small = pictures if side == 64 else train_features.reduced(pictures, side)
    real = as_rows(network, small)
    noise = torch.randn(small.shape, generator=torch.Generator().manual_seed(0))
    blur = [frechet_distance(real, as_rows(network, blurred(small, deviation))) for deviation in (0.5, 1, 2, 4)]
    noisy = [frechet_distance(real, as_rows(network, small + amount * noise)) for amount in (0.02, 0.05, 0.1, 0.2)]
    assert_rises([0.0, *blur])
    assert_rises([0.0, *noisy])
    assert min(blur[1], noisy[2]) > 2


def test_distance_rises_as_shapes_are_dropped(network: FrameFeatures, unseen: Frames, pictures: Tensor) -> None:
    """Ever fewer shape families, the rest as real as can be."""
    real = as_rows(network, pictures)
    shape = unseen.labels["shape"].repeat_interleave(MOMENTS).numpy()
    assert_rises([frechet_distance(real, real[shape >= least]) for least in (0, 2, 4, 6)])


@pytest.mark.parametrize(
    ("side", "accuracy", "position", "radius", "color"), [(64, 0.45, 0.03, 0.02, 25), (32, 0.35, 0.03, 0.02, 25)]
)
def test_attributes_are_read_off_frames(
    unseen: Frames, pictures: Tensor, side: int, accuracy: float, position: float, radius: float, color: float
) -> None:
    """Of clips never seen: the shape far above chance (a ninth); mean errors in world units and levels of 255."""
    small = pictures if side == 64 else train_features.reduced(pictures, side)
    said = attribute_reader()(small)
    truth = {name: column.repeat_interleave(MOMENTS, 0) for name, column in (unseen.labels | unseen.quantities).items()}
    assert (said.shape.argmax(1) == truth["shape"]).float().mean() > accuracy
    assert (said.position - unseen.position.flatten(0, 1)).abs().mean() < position
    assert (said.radius - truth["radius"][:, 0]).abs().mean() < radius
    assert (said.color - truth["color"]).abs().mean() < color
    assert (said.backdrop_color - truth["backdrop_color"]).abs().mean() < 16


def test_attributes_follow_the_symmetries_of_the_square(pictures: Tensor) -> None:
    """A mirrored frame shows its object mirrored, and of the same size."""
    reader = attribute_reader()
    said, mirrored = reader(pictures), reader(pictures.flip(3))
    error = (mirrored.position - said.position * torch.tensor([-1.0, 1.0])).abs()
    assert error.mean() < 0.02
    assert (mirrored.radius - said.radius).abs().mean() < 0.01


@pytest.mark.parametrize("code", range(inputs.SYMMETRIES))
def test_positions_are_turned_as_pictures_are(code: int) -> None:
    """A bright dot stays where its position says."""
    picture = torch.zeros(1, 1, 64, 64, 3, dtype=torch.uint8)
    picture[0, 0, 10, 50] = 255
    position = torch.tensor([[(50.5 / 32) - 1, 1 - (10.5 / 32)]])
    turned = inputs.turn(picture, torch.tensor([code]))[0, 0, :, :, 0]
    row, column = np.unravel_index(int(turned.argmax()), (64, 64))
    expected = torch.tensor([[(float(column) + 0.5) / 32 - 1, 1 - (float(row) + 0.5) / 32]])
    assert torch.allclose(train_features.turned_position(position, torch.tensor([code])), expected)


def test_degraded_frames_are_what_their_targets_say() -> None:
    """Each frame keeps its place; three of four keep their size, four of five stay clean."""
    frames = train_features.at_side(frames_of(64, 80))
    rng = torch.Generator().manual_seed(0)
    found, sharpness, noise = train_features.degraded(frames, rng)
    changed = (found - frames).flatten(1).abs().mean(1)
    assert torch.equal(changed > 0, (sharpness[:, 0] < 6) | (noise[:, 0] > 0))
    assert (sharpness < 6).sum() == 20
    assert sharpness.unique().tolist() == pytest.approx(sorted({*np.log2(train_features.SIDES), 6.0}))
    assert (noise > 0).sum() == 16
    noisy = (noise[:, 0] > 0) & (sharpness[:, 0] == 6)
    assert torch.allclose((found - frames)[noisy].flatten(1).std(1), noise[noisy, 0], rtol=0.05)
    flat = torch.arange(80.0)[:, None, None, None].expand(80, 3, 64, 64) / 80
    found, _, noise = train_features.degraded(flat, rng)
    clean = noise[:, 0] == 0
    assert torch.allclose(found[clean], flat[clean], atol=1e-6)


def test_heat_of_a_position_has_it_as_its_mean_place() -> None:
    """What the glance is taught is what it is asked for; four cells at most, their shares 1 in all."""
    position = torch.tensor([[0.3, -0.6], [-0.93, 0.93], [0.0, 0.0], [1 / 16, 3 / 16]])
    shares = train_features.heat_of(position)
    assert shares.sum(1).tolist() == pytest.approx([1] * 4)
    assert (shares > 0).sum(1).tolist() == [4, 4, 4, 1]
    heat = shares.clamp_min(1e-30).log().unflatten(1, (1, features.CELLS, features.CELLS))
    torch.testing.assert_close(features.mean_place(heat), position, rtol=0, atol=1e-5)


def test_glimpse_is_cut_out_around_its_place() -> None:
    """Pixels as they are; beyond the border, those of the border."""
    frames = frames_of(64, 2)
    row, column = 40, 22
    middle = [(column + 0.5) / 32 - 1, 1 - (row + 0.5) / 32]
    cut = features.glimpse_at(frames, torch.tensor([middle, [-1.0, 1.0]]))
    assert torch.equal(cut[0], frames[0, :, row - 11 : row + 13, column - 11 : column + 13])
    assert torch.equal(cut[1, :, 11:, 11:], frames[1, :, :13, :13])
    assert torch.equal(cut[1, :, :11, 11:], frames[1, :, :1, :13].expand(3, 11, 13))


def test_folding_changes_no_feature() -> None:
    """Batch norms become part of the layers before them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = FrameFeatures(normalised=True)
    for side in (64, 32, 16):
        network(frames_of(side, 16))
    network.eval()
    plain = train_features.folded(network)
    assert not any("norm" in name for name in plain.state_dict())
    torch.testing.assert_close(plain(frames_of(64)), network(frames_of(64)), rtol=1e-4, atol=1e-5)
    assert train_features.folded(plain) is plain


def test_same_seed_same_weights(unseen: Frames) -> None:
    """And another seed, others; torch's own generator is left alone."""

    def content(seed: int) -> bytes:
        network, heads = train_features.train(unseen, Recipe(seed=seed, steps=3, batch_size=16))
        return train_features.file_content(train_features.folded(network), heads)

    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = content(0)
    assert torch.equal(torch.get_rng_state(), state)
    assert content(0) == first != content(1)


def test_training_learns(unseen: Frames) -> None:
    """Forty steps on 50 clips tell their backdrops' colours to half of what their mean would err."""
    network, heads = train_features.train(unseen, Recipe(seed=0, steps=40, batch_size=32))
    scores = train_features.held_out(train_features.folded(network), heads, unseen, 64)
    colors = unseen.quantities["backdrop_color"]
    assert scores["backdrop_color"] < float((colors - colors.mean(0)).abs().mean()) / 2
    assert 0 <= min(scores[name] for name in LABELS) <= max(scores[name] for name in LABELS) <= 1


def test_command_writes_both_files(tiny_data: Path, tmp_path: Path) -> None:
    """Loadable as they are, and of other seeds; the scores are said."""
    arguments = ["--data", str(tiny_data / "dynamics-tiny"), "--out", str(tmp_path / "new"), "--steps", "2"]
    done = CliRunner().invoke(train_features.main, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.output.count("valid, 32 px: shape 0.") == 2
    trunk, reader = (load_file(tmp_path / "new" / w.file) for w in (FEATURE_WEIGHTS, ATTRIBUTE_WEIGHTS))
    FrameFeatures().load_state_dict(trunk)
    AttributeReader().load_state_dict(reader)
    assert not torch.equal(trunk["linear.weight"], reader["trunk.linear.weight"])
    Heads().load_state_dict({name.removeprefix("heads."): x for name, x in reader.items() if name.startswith("heads.")})
