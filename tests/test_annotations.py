"""Ground truth is what geometry says: closed forms, the renderer's depth, and pictures that the flow carries along."""

import json
from pathlib import Path

import numpy as np
import pytest

import dynamics_gen
from dynamics_gen import shapes
from dynamics_gen.annotate import Annotator, annotate_split
from dynamics_gen.annotations import NOTHING, GroundTruth, RigidBody, ground_truth
from dynamics_gen.bullet import Studio
from dynamics_gen.classes import ROTATION
from dynamics_gen.config import RELEASES, BuildConfig, config_from
from dynamics_gen.errors import ShardError, UnknownNameError
from dynamics_gen.generate import build_split
from dynamics_gen.layout import ANNOTATION_KINDS
from dynamics_gen.parameters import CAMERA_DISTANCE
from dynamics_gen.render import Renderer, Scene
from dynamics_gen.verify import verify

CONFIG = BuildConfig(split="test", per_class=50)
STILL = np.tile([0.0, 0.0, CAMERA_DISTANCE, 1.0], (2, 1))
KINDS = tuple(ANNOTATION_KINDS)


def truth_of(renderer: Renderer, scene: Scene) -> GroundTruth:
    """The ground truth of a scene."""
    return ground_truth(renderer.rigid_bodies(scene), scene.setting.camera, renderer.config.image_size)


def square(half: float, *places: tuple[float, float, float]) -> RigidBody:
    """A square that faces the eye, at one place a frame."""
    turns = np.tile(np.eye(3), (len(places), 1, 1))
    return RigidBody(shapes.SQUARE.vertices * half, shapes.SQUARE.triangles, np.array(places), turns)


def sampled(picture: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Bilinear samples of a picture at places (x, y) in pixels, whose centres are at .5."""
    x, y = np.clip(places - 0.5, 0, np.array(picture.shape[1::-1]) - 1.001).T
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    a, b = (x - left)[:, None], (y - top)[:, None]
    rows = picture.astype(float)
    upper = (1 - a) * rows[top, left] + a * rows[top, left + 1]
    lower = (1 - a) * rows[top + 1, left] + a * rows[top + 1, left + 1]
    return (1 - b) * upper + b * lower


def test_flow_of_a_translation_is_the_projected_displacement() -> None:
    """A square that moves by (0.1, 0.05) in the plane z = 0 moves by 3.2 and -1.6 of 64 pixels, all of it."""
    truth = ground_truth([square(0.25, (0, 0, 0), (0.1, 0.05, 0))], STILL, 64)
    inside = truth.mask[0] == 0
    assert inside.sum() == 16 * 16
    np.testing.assert_allclose(truth.forward_flow[0][inside], np.tile([3.2, -1.6], (256, 1)), atol=1e-6)
    np.testing.assert_allclose(truth.backward_flow[1][truth.mask[1] == 0], [-3.2, 1.6] * np.ones((256, 2)), atol=1e-6)
    assert not truth.forward_flow[1].any()
    assert not truth.backward_flow[0].any()
    np.testing.assert_allclose(truth.depth[0][inside], CAMERA_DISTANCE)
    assert (truth.mask[0][~inside] == NOTHING).all()


def test_a_square_that_comes_nearer_grows_from_the_middle() -> None:
    """From z = 0 to z = 1 a point at x moves to x · 5/4: the flow is a quarter of the place."""
    truth = ground_truth([square(0.5, (0, 0, 0), (0, 0, 1))], STILL, 64)
    rows, columns = np.nonzero(truth.mask[0] == 0)
    place = np.column_stack([columns, rows]) + 0.5 - 32
    np.testing.assert_allclose(truth.forward_flow[0][rows, columns], place / 4, atol=1e-5)
    np.testing.assert_allclose(truth.depth[1][truth.mask[1] == 0], CAMERA_DISTANCE - 1)


def test_a_panning_camera_moves_near_things_more() -> None:
    """Eye 0.2 to the right: what is in the plane z = 0 moves 6.4 px to the left, a wall at z = -5 half of that."""
    wall, near = square(4.0, (0, 0, -5), (0, 0, -5)), square(0.25, (0, 0, 0), (0, 0, 0))
    camera = STILL + np.array([[0, 0, 0, 0], [0.2, 0, 0, 0]])
    truth = ground_truth([wall, near], camera, 64)
    np.testing.assert_allclose(truth.forward_flow[0][truth.mask[0] == 1], [-6.4, 0] * np.ones((256, 2)), atol=1e-6)
    behind = truth.forward_flow[0][truth.mask[0] == 0]
    np.testing.assert_allclose(behind, [-3.2, 0] * np.ones((len(behind), 2)), atol=1e-6)


def test_a_zooming_camera_spreads_the_picture() -> None:
    """Half the view at twice the size: every point moves away from the middle by its distance to it."""
    camera = STILL * np.array([[1, 1, 1, 1], [1, 1, 1, 0.5]])
    truth = ground_truth([square(1.0, (0, 0, 0), (0, 0, 0))], camera, 32)
    place = np.stack(np.meshgrid(np.arange(32), np.arange(32)), axis=-1) + 0.5 - 16
    np.testing.assert_allclose(truth.forward_flow[0], place, atol=1e-5)
    out = (np.abs(place) > 8).any(axis=-1)
    np.testing.assert_array_equal(truth.forward_occluded[0] == 1, out)


def test_depth_of_a_sphere_is_where_the_ray_meets_it() -> None:
    """A sphere of 40,000 triangles: the depth of every pixel well inside is the closed form's, to 0.2 mm of a metre."""
    radius, middle, size = 0.4, np.array([0.3, -0.2, 0.1]), 64
    along, around = np.meshgrid(np.linspace(0, np.pi, 101), np.linspace(0, 2 * np.pi, 201), indexing="ij")
    ball = np.stack([np.sin(along) * np.cos(around), np.sin(along) * np.sin(around), np.cos(along)], axis=-1)
    corner = np.arange(100)[:, None] * 201 + np.arange(200)
    a, b, c, d = (corner + shift for shift in (0, 1, 201, 202))
    triangles = np.concatenate([np.stack(three, axis=-1).reshape(-1, 3) for three in ((a, c, b), (b, c, d))])
    body = RigidBody(radius * ball.reshape(-1, 3), triangles, np.tile(middle, (2, 1)), np.tile(np.eye(3), (2, 1, 1)))
    truth = ground_truth([body], STILL, size)
    x, y = np.meshgrid(*[(2 * (np.arange(size) + 0.5) / size - 1) / CAMERA_DISTANCE] * 2)
    rays = np.stack([x, -y, -np.ones_like(x)], axis=-1)  # a depth of one along -z
    to_middle = middle - [0, 0, CAMERA_DISTANCE]
    along_ray, squared = rays @ to_middle, (rays**2).sum(axis=-1)
    inner = along_ray**2 - squared * (to_middle @ to_middle - radius**2)
    with np.errstate(invalid="ignore"):
        expected = (along_ray - np.sqrt(inner)) / squared
    inside = inner > 0.02 * radius**2
    assert inside.sum() > 300
    assert (truth.mask[0][inside] == 0).all()
    assert (truth.mask[0][inner < 0] == NOTHING).all()
    np.testing.assert_allclose(truth.depth[0][inside], expected[inside], atol=1e-3)
    assert np.median(np.abs(truth.depth[0][inside] - expected[inside])) < 2e-4


def test_flow_may_be_left_out() -> None:
    """Mask and depth are the same without it."""
    body = square(0.25, (0, 0, 0), (0.1, 0.05, 0))
    whole, part = ground_truth([body], STILL, 32), ground_truth([body], STILL, 32, flow=False)
    np.testing.assert_array_equal(part.mask, whole.mask)
    np.testing.assert_array_equal(part.depth, whole.depth)
    assert not part.forward_flow.any()


def test_what_passes_behind_is_occluded() -> None:
    """A square that goes behind another is hidden where it will be covered, and the wall where a square comes to be."""
    wall = square(3.0, (0, 0, -1), (0, 0, -1))
    bar = square(0.25, (0, 0, 0.5), (0, 0, 0.5))
    mover = square(0.25, (-0.6, 0, 0), (-0.1, 0, 0))
    truth = ground_truth([wall, bar, mover], STILL, 64)
    rows, columns = np.nonzero(truth.mask[0] == 2)
    covered = np.abs(columns + 0.5 + 16 - 32) < 0.25 * 5 / 4.5 * 32  # where the bar stands, 16 px further on
    np.testing.assert_array_equal(truth.forward_occluded[0][rows, columns] == 1, covered)
    assert covered.any()
    assert not covered.all()
    arriving = (truth.mask[0] == 0) & (truth.mask[1] == 2)
    assert arriving.any()
    assert (truth.forward_occluded[0][arriving] == 1).all()
    staying = (truth.mask[0] == 0) & (truth.mask[1] == 0)
    assert (truth.forward_occluded[0][staying] == 0).all()
    leaving = (truth.mask[1] == 0) & (truth.mask[0] == 2)
    assert (truth.backward_occluded[1][leaving] == 1).all()


@pytest.fixture(scope="module")
def scenes() -> list[tuple[Scene, GroundTruth, np.ndarray]]:
    """Clips of all shapes with their ground truth and their pictures."""
    renderer = Renderer(CONFIG)
    return [(scene, truth_of(renderer, scene), renderer.video(scene)) for scene in renderer.scenes(range(40))]


def test_mask_and_depth_are_those_of_the_plain_render(scenes: list) -> None:
    """TinyRenderer, of the object alone, covers the same pixels (99.9 % of the picture) at the same depth (2 mm)."""
    studio, seen, different, pixels = Studio(CAMERA_DISTANCE), set(), 0, 0
    renderer = Renderer(CONFIG)
    for scene, truth, _ in scenes:
        seen.add(scene.appearance.shape)
        thing = renderer.solids(scene)[1]
        body = studio.add(thing.mesh)
        for t in (0, 15, 31):
            studio.place(body, thing.position[t].tolist(), thing.orientation[t].tolist())
            buffer = studio.picture(64, 0, 0, 64, 64)[1].astype(float)
            covered, ours = buffer < 1.0, truth.mask[t] == 1
            different, pixels = different + int((covered != ours).sum()), pixels + covered.size
            depth = 20.0 / (11.0 - (2 * buffer - 1) * 9.0)  # of near 1 and far 10, from normalised coordinates
            both = covered & ours
            assert np.quantile(np.abs(depth - truth.depth[t])[both], 0.98) < 0.002
        studio.remove(body)
    assert seen == set(shapes.FAMILIES)
    assert different / pixels < 1e-3


def test_pictures_carried_along_by_the_flow_are_the_pictures_before(scenes: list) -> None:
    """Frame t + 1, sampled where the flow leads, is frame t on what stays visible of the object, edges aside."""
    errors, still = [], []
    for scene, truth, video in scenes:
        if scene.label == ROTATION:
            continue
        for t in (3, 12, 25):
            inside = truth.mask[t] == 1
            for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):  # away from the edge, which is mixed with the backdrop
                inside &= np.roll(truth.mask[t], shift, (0, 1)) == 1
            inside &= truth.forward_occluded[t] == 0
            rows, columns = np.nonzero(inside)
            places = np.column_stack([columns, rows]) + 0.5 + truth.forward_flow[t][rows, columns]
            before = video[t][rows, columns].astype(float)
            errors.append(np.abs(sampled(video[t + 1], places) - before).ravel())
            still.append(np.abs(video[t + 1][rows, columns] - before).ravel())
    with_flow, without = np.concatenate(errors), np.concatenate(still)
    assert np.median(with_flow) <= 4
    assert with_flow.mean() < 0.4 * without.mean()


def test_there_and_back_is_where_it_began(scenes: list) -> None:
    """Forward flow followed by the backward flow found there returns, to what interpolation between pixels costs."""
    returns = []
    for _, truth, _ in scenes:
        t = 10
        rows, columns = np.nonzero((truth.mask[t] == 1) & (truth.forward_occluded[t] == 0))
        start = np.column_stack([columns, rows]) + 0.5
        there = start + truth.forward_flow[t][rows, columns]
        smooth = truth.mask[t + 1] == 1
        for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            smooth &= np.roll(truth.mask[t + 1] == 1, shift, (0, 1))
        known = sampled(smooth[..., None], there)[:, 0] == 1  # all four neighbours, and theirs
        back = there[known] + sampled(truth.backward_flow[t + 1], there[known])
        returns.append(np.abs(back - start[known]).max(axis=1))
    assert np.median(np.concatenate(returns)) < 0.005
    assert np.quantile(np.concatenate(returns), 0.9) < 0.1


def test_a_turning_body_flows_about_its_axis() -> None:
    """A square turned by 0.1 about the view axis: points move as the rotation says, to 1e-5 px."""
    c, s = np.cos(0.1), np.sin(0.1)
    turns = np.array([np.eye(3), [[c, -s, 0], [s, c, 0], [0, 0, 1]]])
    body = RigidBody(shapes.SQUARE.vertices * 0.5, shapes.SQUARE.triangles, np.zeros((2, 3)), turns)
    truth = ground_truth([body], STILL, 64)
    rows, columns = np.nonzero(truth.mask[0] == 0)
    x, y = columns + 0.5 - 32, 32 - (rows + 0.5)
    expected = np.column_stack([c * x - s * y - x, -(s * x + c * y - y)])
    np.testing.assert_allclose(truth.forward_flow[0][rows, columns], expected, atol=1e-5)


@pytest.mark.parametrize("release", ["camera", "companion", "occluder"])
def test_every_body_of_a_shifted_scene_is_told_apart(release: str) -> None:
    """The wall is 0, the object 1, the others have their numbers; every pixel shows something."""
    renderer = Renderer(BuildConfig(release=RELEASES[release], split="test", per_class=50))
    for scene in renderer.scenes(range(3)):
        truth = truth_of(renderer, scene)
        assert set(np.unique(truth.mask)) <= set(range(2 + len(scene.setting.solids)))
        assert {0, 1, 2} <= set(np.unique(truth.mask))
        assert np.isfinite(truth.depth).all()


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small split with all its annotations."""
    directory = tmp_path_factory.mktemp("annotated") / "test"
    config = BuildConfig(split="test", per_class=2, image_size=32, frames=6, shard_size=8)
    build_split(config, directory, 1)
    annotate_split(directory, KINDS, 2)
    return directory


def test_annotations_stand_beside_an_untouched_split(split: Path, tmp_path: Path) -> None:
    """The split's files and fingerprint are those of a build without them; `verify` covers both."""
    config = BuildConfig(split="test", per_class=2, image_size=32, frames=6, shard_size=8)
    build_split(config, tmp_path / "plain", 1)
    for path in (tmp_path / "plain").glob("*"):
        assert path.read_bytes() == (split / path.name).read_bytes()
    assert verify(split, workers=1) == []
    some = next((split / "annotations").glob("*.h5"))
    data = bytearray(some.read_bytes())
    data[len(data) // 2] ^= 1
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "annotations").mkdir()
    for path in split.rglob("*"):
        if path.is_file():
            target = damaged / path.relative_to(split)
            target.write_bytes(bytes(data) if path == some else path.read_bytes())
    assert any(some.name in problem for problem in verify(damaged, workers=1))


def test_annotations_are_read_with_the_clips(split: Path) -> None:
    """Asked for, they come with every clip, and are what the geometry says."""
    dataset = dynamics_gen.open(split, annotations=KINDS)
    config = config_from(dataset.manifest.content, shard_size=8, codec="zstd")
    renderer = Renderer(config)
    for scene in renderer.scenes([0, 13]):
        clip, truth = dataset[scene.index], truth_of(renderer, scene)
        for names in ANNOTATION_KINDS.values():
            for name in names:
                np.testing.assert_array_equal(clip[name], getattr(truth, name))
    assert "mask" not in dynamics_gen.open(split)[0]
    assert set(dynamics_gen.open(split, annotations=["depth"])[0]) - set(dynamics_gen.open(split)[0]) == {"depth"}


def test_annotating_in_two_goes_or_with_more_workers_gives_the_same_files(split: Path, tmp_path: Path) -> None:
    """A shard that is missing is made again, bit for bit."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in split.glob("*.*"):
        (copy / path.name).write_bytes(path.read_bytes())
    annotate_split(copy, KINDS, 1)
    shards = sorted((split / "annotations").glob("*.h5"))
    shards_again = [copy / "annotations" / path.name for path in shards]
    assert [path.read_bytes() for path in shards] == [path.read_bytes() for path in shards_again]
    (copy / "annotations" / "manifest.json").unlink()
    shards_again[1].unlink()
    annotate_split(copy, KINDS, 2)
    assert [path.read_bytes() for path in shards] == [path.read_bytes() for path in shards_again]


def test_missing_annotations_are_one_sentence(split: Path, tmp_path: Path) -> None:
    """What is not there names the command that makes it; what does not exist names what does."""
    build_split(BuildConfig(split="test", per_class=1, image_size=16, frames=4), tmp_path / "bare", 1)
    with pytest.raises(ShardError, match=r"has no annotations: run `dynamics-gen annotate .*bare --annotations mask`"):
        dynamics_gen.open(tmp_path / "bare", annotations=["mask"])
    with pytest.raises(UnknownNameError, match="masks"):
        dynamics_gen.open(split, annotations=["masks"])


@pytest.mark.parametrize("changed", ["position", "orientation", "camera", "parameters/radius"])
def test_a_split_that_moves_otherwise_is_not_annotated(
    changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this installation simulates other clips than the stored ones, nothing is written about them."""
    build_split(BuildConfig(split="test", per_class=1, image_size=16, frames=4), tmp_path / "test", 1)
    plain = dynamics_gen.ClipDataset.column

    def elsewhere(dataset: dynamics_gen.ClipDataset, name: str) -> np.ndarray:
        values = plain(dataset, name)
        return values + np.float32(1e-3) if name == changed else values

    monkeypatch.setattr(dynamics_gen.ClipDataset, "column", elsewhere)
    config = BuildConfig(split="test", per_class=1, image_size=16, frames=4)
    with pytest.raises(ShardError, match=f"clip 0, simulated again, has another {changed} than"):
        list(Annotator(tmp_path / "test", ("mask",))(config, range(10)))


@pytest.mark.parametrize("release", sorted(RELEASES))
def test_a_configuration_comes_back_from_its_description(release: str) -> None:
    """What a manifest says of a build is enough to make it again, for every release."""
    config = BuildConfig(release=RELEASES[release], split="valid", per_class=7, seed=3, frames=RELEASES[release].frames)
    described = json.loads(json.dumps(config.content()))
    assert config_from(described, shard_size=1_000, codec="zstd") == config
