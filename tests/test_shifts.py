"""What shifted test sets add is drawn apart from the object, in view, and never in a plain release."""

import dataclasses

import numpy as np
import pytest

from dynamics_gen import shapes, shifts, textures
from dynamics_gen.bullet import Studio
from dynamics_gen.classes import CLASSES
from dynamics_gen.config import RELEASES, BuildConfig
from dynamics_gen.parameters import CAMERA_DISTANCE
from dynamics_gen.render import Renderer, Scene, render_clips, rotation_matrices

PAIRED = ("camera", "clutter", "companion", "occluder")
"""Shifts that leave the object and its motion what they are in the plain clip."""

RENDERED = range(100, 106)


def test_paired_releases_say_so() -> None:
    """Those whose clips show what the plain ones show, and no others."""
    assert tuple(name for name, release in RELEASES.items() if release.is_paired) == PAIRED


def config_of(release: str, **settings: int) -> BuildConfig:
    """The test split of a release at its own number of frames."""
    ranges = RELEASES[release]
    config = BuildConfig(release=ranges, split="test", per_class=50, frames=ranges.frames)
    return dataclasses.replace(config, **settings)


def scenes_of(release: str, indices: range) -> list[Scene]:
    """Simulated scenes."""
    return Renderer(config_of(release)).scenes(indices)


@pytest.fixture(scope="module")
def plain() -> list[Scene]:
    """Scenes of the plain release, for comparison."""
    return scenes_of("standard", range(60))


@pytest.fixture(scope="module")
def videos() -> dict[str, list[np.ndarray]]:
    """Some clips of the plain release and of those that keep its objects; none had to be drawn again."""
    clips = {name: list(render_clips(config_of(name), RENDERED)) for name in ("standard", *PAIRED)}
    assert all(clip.parameters["attempt"] == 0 for some in clips.values() for clip in some)
    return {name: [clip.video for clip in some] for name, some in clips.items()}


def object_masks(scene: Scene, size: int = 64) -> np.ndarray:
    """Pixels that lie wholly inside the object, frame by frame, from the depth of a picture of it alone."""
    renderer = Renderer(config_of("standard"))
    studio = Studio(CAMERA_DISTANCE)
    thing = renderer.solids(scene)[1]
    body = studio.add(thing.mesh)
    masks = []
    for t, camera in enumerate(scene.setting.camera.tolist()):
        studio.place(body, thing.position[t].tolist(), thing.orientation[t].tolist())
        covered = studio.picture(4 * size, 0, 0, 4 * size, 4 * size, camera)[1] < 1.0
        masks.append(covered.reshape(size, 4, size, 4).all(axis=(1, 3)))
    return np.array(masks)


@pytest.mark.parametrize("release", PAIRED)
def test_object_and_motion_are_those_of_the_plain_clip(release: str, plain: list[Scene]) -> None:
    """Clip i of a shifted set shows the object of clip i of the plain one, on the same path."""
    for scene, other in zip(scenes_of(release, range(20)), plain, strict=False):
        assert scene.label == other.label
        assert scene.appearance.shape == other.appearance.shape
        np.testing.assert_array_equal(scene.trajectory.position, other.trajectory.position)
        assert other.setting.plain
        assert not scene.setting.plain


@pytest.mark.parametrize("release", ["clutter", "companion"])
def test_what_stands_behind_never_hides_the_object(release: str, videos: dict, plain: list[Scene]) -> None:
    """Where the object covers a pixel wholly it looks as in the plain clip (99.9 %); elsewhere it need not."""
    differ = 0
    for scene, shown, usual in zip(scenes_of("standard", RENDERED), videos[release], videos["standard"], strict=True):
        inside = object_masks(scene)
        assert inside.any(axis=(1, 2)).all()
        assert (np.abs(shown.astype(int) - usual)[inside] > 1).mean() <= 1e-3
        differ += int((shown != usual)[~inside].any())
    assert differ == len(RENDERED)


def test_bars_hide_and_leave_enough(videos: dict) -> None:
    """Bars cover some of the picture, and the object's centre is free in at least half of the frames."""
    scenes = scenes_of("occluder", RENDERED)
    for scene, shown, usual in zip(scenes, videos["occluder"], videos["standard"], strict=True):
        changed = (np.abs(shown.astype(int) - usual) > 1).any(axis=-1)
        assert 0.02 < changed.mean() < 0.6
        inside = object_masks(scene)
        hidden = [(changed[t] & inside[t]).sum() / inside[t].sum() for t in range(len(shown))]
        assert np.mean([share < 1.0 for share in hidden]) >= 0.5


def test_moving_cameras_keep_the_object_in_view() -> None:
    """Every corner of the object is projected into the picture in every frame, whatever the camera does."""
    kinds = set()
    renderer = Renderer(config_of("camera"))
    for scene in renderer.scenes(range(60)):
        camera, thing = scene.setting.camera, renderer.solids(scene)[1]
        kinds.add(str(scene.setting.drawn["camera_motion"]))
        world = thing.mesh.vertices @ rotation_matrices(thing.orientation).transpose(0, 2, 1) + thing.position[:, None]
        sight = camera[:, None, 3] * (camera[:, None, 2] - world[..., 2]) / camera[:, None, 2]
        assert (np.abs(world[..., :2] - camera[:, None, :2]).max(axis=-1) <= sight).all()
        assert np.ptp(camera, axis=0).max() > 0.01
        jerk = np.abs(np.diff(camera, 2, axis=0)).max()
        assert jerk < np.ptp(camera, axis=0).max()  # smooth: it never jumps to and fro from frame to frame
    assert kinds == {"pan", "zoom", "shake"}


def test_the_wall_fills_the_view_of_a_moving_camera() -> None:
    """No picture shows the white nothing beyond the wall, and nearer panels move more than the wall."""
    renderer, studio = Renderer(config_of("camera")), Studio(CAMERA_DISTANCE)
    for scene in renderer.scenes(range(20)):
        wall = renderer.solids(scene)[0]
        body = studio.add(wall.mesh)
        for t in (0, 10, 31):
            studio.place(body, wall.position[t].tolist(), wall.orientation[t].tolist())
            assert studio.picture(64, 0, 0, 64, 64, scene.setting.camera[t].tolist())[1].max() < 1.0
        studio.remove(body)
        depths = [solid.position[0, 2] for solid in scene.setting.solids]
        assert 6 <= len(depths) <= 10
        assert max(depths) - min(depths) > 0.3
        assert min(depths) > -scene.setting.wall[0]


def test_camera_motion_says_nothing_of_the_class() -> None:
    """Each class sees each kind of camera about equally often (χ² against independence)."""
    scenes = scenes_of("camera", range(500))
    kinds = ("pan", "zoom", "shake")
    counts = np.zeros((len(CLASSES), len(kinds)))
    for scene in scenes:
        counts[scene.label, kinds.index(str(scene.setting.drawn["camera_motion"]))] += 1
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    assert ((counts - expected) ** 2 / expected).sum() < 42.3  # the 99.9th percentile for 18 degrees of freedom


def test_distractors_stand_still_in_view_one_behind_the_other() -> None:
    """Still objects are 2 to 5, wholly in view, and their spheres do not meet each other's nor the object's."""
    for scene in scenes_of("clutter", range(40)):
        solids = scene.setting.solids
        assert len(solids) == scene.setting.drawn["distractors"]
        assert 2 <= len(solids) <= 5
        front = -scene.appearance.radius
        for solid in solids:
            radius = np.linalg.norm(solid.mesh.vertices, axis=1).max()
            assert (solid.position == solid.position[0]).all()
            x, y, z = solid.position[0]
            assert z + radius < front
            assert max(abs(x), abs(y)) + radius <= (CAMERA_DISTANCE - z) / CAMERA_DISTANCE * 1.001
            front = z - radius
        assert front > -scene.setting.wall[0]


def test_companions_are_smaller_and_of_another_class() -> None:
    """The label is the larger object's; the smaller one moves too, and as every other class in turn."""
    others = set()
    for scene in scenes_of("companion", range(60)):
        (solid,) = scene.setting.solids
        other, radius = scene.setting.drawn["companion_label"], scene.setting.drawn["companion_radius"]
        assert other != scene.label
        assert 0.5 <= float(radius) / scene.appearance.radius <= 0.7
        moves = np.ptp(solid.position, axis=0).max() > 0.1
        turns = np.abs(np.diff(solid.orientation, axis=0)).max() > 1e-3
        assert moves != turns
        assert turns == (other == CLASSES.index("rotation"))
        others.add(other)
    assert others == set(range(10))


def test_unseen_families_are_in_no_other_release() -> None:
    """Shapes, patterns and backdrops of `appearance` are of its own families, and it shows all of them."""
    assert not set(shapes.FAMILIES) & set(shapes.UNSEEN_FAMILIES)
    assert not set(textures.FAMILIES) & set(textures.UNSEEN_FAMILIES)
    looks = [scene.appearance for scene in scenes_of("appearance", range(60))]
    assert {look.shape for look in looks} == set(shapes.UNSEEN_FAMILIES)
    assert {look.pattern for look in looks} == {look.backdrop for look in looks} == set(textures.UNSEEN_FAMILIES)
    for name, release in RELEASES.items():
        assert (release.shift is not None and release.shift.unseen_families) == (name == "appearance")


def test_dynamics_are_outside_the_plain_ranges() -> None:
    """In each grade every parameter of the motion is beyond what plain clips have, and further than a grade before."""
    usual = RELEASES["standard"]
    names = ("extent", "sine_amplitude", "sine_periods", "hypocycloid_fraction", "initial_speed", "falls", "rotation")
    before = usual
    for grade in RELEASES["dynamics"].grades:
        for name in names:
            assert getattr(grade, name)[0] > getattr(before, name)[1]
        assert grade.restitution[1] < before.restitution[0]
        assert not set(grade.hypocycloid_cusps) & set(before.hypocycloid_cusps)
        before = grade
    scenes = scenes_of("dynamics", range(90))
    assert {str(scene.setting.drawn["grade"]) for scene in scenes} == {"0", "1", "2"}


@pytest.mark.parametrize("release", ["dynamics", "long", "tempo"])
def test_other_dynamics_are_still_physics(release: str) -> None:
    """Bullet's way along the path is the closed form's within 1 % of its length, up to the last bounce."""
    config = config_of(release)
    for scene in Renderer(config).scenes(range(60)):
        law = scene.motion.law
        t = np.arange(config.frames) * law.duration / (config.frames - 1)
        if scene.motion.host_frame >= 0:
            continue
        if law.kind == "bouncing":
            contacts = [time for time, _ in law.impacts(law.duration) if time <= law.duration]
            t = t[t <= contacts[-1]]
        error = np.abs(scene.trajectory.arc_length[: len(t)] - law.arc_length(t))
        assert error.max() <= 0.01 * law.length


def test_tempo_shows_the_same_motions_at_other_rates() -> None:
    """Frame rates are 12 and 24 a second; extents and turns a second are those of the plain release."""
    usual = RELEASES["standard"]
    rates = set()
    for scene in scenes_of("tempo", range(100)):
        rate = float(scene.setting.drawn["frame_rate"])
        rates.add(rate)
        assert scene.motion.law.duration == pytest.approx(31 / rate)
        if scene.motion.host_frame >= 0:
            low, high = (value * 16 / rate for value in usual.rotation)
            assert low <= abs(scene.motion.turn) <= high
    assert rates == {12.0, 24.0}


def test_long_clips_have_twice_the_frames() -> None:
    """`long` has 64 frames at the usual rate; what repeats in a clip does so about twice as often."""
    (clip,) = render_clips(config_of("long", image_size=32), [0])
    assert clip.video.shape == (64, 32, 32, 3)
    assert RELEASES["long"].falls == tuple(2 * value for value in RELEASES["standard"].falls)


@pytest.mark.parametrize("release", sorted(set(RELEASES) - {"standard"}))
def test_a_clip_does_not_depend_on_its_neighbours(release: str) -> None:
    """Alone or amid others, a clip of every release is the same bit for bit."""
    config = config_of(release, image_size=16, frames=8)
    many = list(render_clips(config, range(40, 46)))
    (alone,) = render_clips(config, [43])
    np.testing.assert_array_equal(many[3].video, alone.video)
    for name, value in alone.parameters.items():
        np.testing.assert_array_equal(many[3].parameters[name], value)


def test_depth_leaves_no_two_bodies_in_one_place() -> None:
    """Spheres in a row behind the object touch neither it nor each other."""
    assert shifts.depth_behind(0.2, 0.1) == pytest.approx(-0.3 - shifts.GAP)
    assert shifts.depth_behind(0.2, 0.1, 0.3) == pytest.approx(-0.7 - 2 * shifts.GAP)
