"""The generators' page: every number from a record, claims judged by them, nothing claimed that was not measured."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from synthetic_records import DATASET, ENVIRONMENT

from benchmark import plots
from benchmark.generation import pictures, record
from benchmark.generation.record import RECORD_VERSION, Network, Reconstruction, Record, Scores, Seed, View
from benchmark.record import Settings, Split, Splits, Tags
from leaderboard.results import chapter4
from leaderboard.results.committed import named
from leaderboard.results.generators import PICTURES, TWO_MODES, boards, read_generators, shows
from leaderboard.results.generators_page import make_generators_page
from leaderboard.results.studies import read_studies

BOARD = Path(__file__).parent.parent / "leaderboard"
HASH = "0" * 64


def scores(frechet: float, **others: Any) -> Scores:
    """Of 2,000 samples; `psnr` and `feature_distance` are those of reconstructions."""
    psnr, apart = others.pop("psnr", None), others.pop("feature_distance", 0.5)
    reconstruction = None
    if psnr is not None:
        reconstruction = Reconstruction(mean_squared_error=0.01, psnr=psnr, feature_distance=apart)
    known: dict[str, Any] = {
        "precision": 0.5,
        "recall": 0.25,
        "density": 0.75,
        "coverage": 0.5,
        "nats": None,
        "error": None,
        "failed": None,
        "failed_by_cause": {},
        "failed_of_data": None,
        "agreement": {},
        "agreement_of_data": {},
    }
    return Scores(
        samples=2000,
        frechet=frechet,
        frechet_of_train=1.0,
        spread=0.9,
        reconstruction=reconstruction,
        **{**known, **others},
    )


def made(model: str, frechet: float, *, form: str = "frames", seeds: int = 1, **others: Any) -> Record:
    """A record; `settings` are the model's, `labels` and `attributes` the record's own, the rest its scores'."""
    settings = others.pop("settings", {})
    labels, attributes = others.pop("labels", ""), others.pop("attributes", ())
    split = Split(fingerprint=HASH, clips=500)
    return Record(
        record_version=RECORD_VERSION,
        metric_version=record.METRIC_VERSION,
        model=model,
        task="generation",
        view=View(form=form, frames=1 if form == "frames" else 16, image_size=32),
        attributes=attributes,
        labels=labels,
        source="tests",
        dataset=dataclasses.replace(DATASET, seed=1, splits=Splits(train=split, valid=split, test=split)),
        config=Settings(model=settings, training={"epochs": 3}),
        features=Network(name="frames", sha256=HASH),
        seeds=tuple(
            Seed(
                seed=seed,
                chosen_epoch=1,
                chosen_by="frechet",
                history=({"epoch": 1.0, "valid_frechet": frechet},),
                test=scores(frechet + seed, **others),
                weights_sha256=HASH,
                wall_time_s=120.0,
                training_clips_per_s=100.0,
                samples_per_s=100.0,
                peak_memory_bytes=1,
            )
            for seed in range(seeds)
        ),
        parameters=1_500_000,
        flops_per_sample=10,
        environment=dataclasses.replace(ENVIRONMENT, device="a *computer*"),
        tags=Tags(verified=False, extra_data=False, note=""),
    )


def commit(root: Path, name: str, one: Record, pictures: tuple[str, ...] = ()) -> None:
    """Puts a run where the page looks for it."""
    folder = root / "generators" / name
    folder.mkdir(parents=True)
    record.write(one, folder / "record.json")
    for picture in pictures:
        Image.new("RGB", (4, 4)).save(folder / picture)


def claim(root: Path, start: str) -> chapter4.Claim:
    """The one that starts so."""
    (found,) = [one for one in chapter4.claims(read_generators(root), {}) if one.says.startswith(start)]
    return found


@pytest.mark.parametrize("judged", [True, False])
def test_curves_show_shares_only_of_models_that_judge(judged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a discriminator the axis of what it holds to be real is empty and has no name."""
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "save", lambda figure, path: drawn.append(figure))
    one = made("gan", 40.0)
    rows = tuple(dict(row) | ({"train_judged_real": 0.5} if judged else {}) for row in one.seeds[0].history)
    pictures.curves(dataclasses.replace(one, seeds=(dataclasses.replace(one.seeds[0], history=rows),)), Path("unused"))
    shares, metric = drawn[0].axes
    assert (shares.get_ylabel() == "held to be real (%)") is judged
    assert (len(shares.get_yticks()) > 0) is judged
    assert metric.get_ylabel() == "frechet"


def test_empty_board_claims_nothing(tmp_path: Path) -> None:
    """All sections are there and open."""
    text = make_generators_page(read_generators(tmp_path), {})
    assert "0 hold" not in text
    assert text.count("Not measured yet.") >= 10
    assert all(not one.verdict for one in chapter4.claims([], {}))


def test_rows_are_the_records_means_in_order_of_the_distance(tmp_path: Path) -> None:
    """Means over seeds; a dash where a model has no such score; pictures that are there; text makes no markup."""
    commit(tmp_path, "gan-mini", made("gan", 40.0, seeds=2), ("samples-seed0.png", "curves.png"))
    commit(tmp_path, "ali-mini", made("ali", 30.0, psnr=12.5, feature_distance=0.61))
    text = "\n".join(boards(read_generators(tmp_path)))
    lines = [line for line in text.splitlines() if line.startswith("| [")]
    assert lines[0].startswith("| [ali](ali-mini/) | 30.0 (1.0) | 0.50 | 0.25 | 0.75 | 0.50 | 12.5 | 0.61 | – | 1.50 M")
    assert lines[1].startswith("| [gan](gan-mini/) | 40.5 (1.0) | 0.50 | 0.25 | 0.75 | 0.50 | – | – | – |")
    assert lines[1].endswith("| 3 | 2 | a &#42;computer&#42; | 2 |")
    assert re.findall(r"!\[[^]]*\]\(([^)]*)\)", text) == ["gan-mini/samples-seed0.png", "gan-mini/curves.png"]


@pytest.mark.parametrize("alike", [True, False])
def test_curves_of_two_modes_are_labelled(alike: bool, tmp_path: Path) -> None:
    """Those of records from before the discriminator was watched in play; of models without one, nothing is said."""
    one = made("ali", 40.0)
    judged = {"train_judged_real": 0.5, "valid_judged_real": 0.5} | ({record.VALID_IN_PLAY: 0.5} if alike else {})
    row = dict(one.seeds[0].history[0]) | judged
    commit(tmp_path, "ali", dataclasses.replace(one, seeds=(dataclasses.replace(one.seeds[0], history=(row,)),)))
    commit(tmp_path, "vae", made("vae", 40.0))
    ours, without = read_generators(tmp_path)
    assert shows(ours, "curves").endswith(TWO_MODES) is not alike
    assert shows(ours, "samples") == PICTURES["samples"]
    assert shows(without, "curves") == PICTURES["curves"]


def test_runs_of_a_model_are_named_by_what_differs(tmp_path: Path) -> None:
    """Settings that all of them share are not said; other views do not count."""
    commit(tmp_path, "a", made("ali", 30.0, settings={"encoder": "gaussian", "width": 0.5}))
    commit(tmp_path, "b", made("ali", 31.0, settings={"encoder": "deterministic", "width": 0.5}))
    commit(tmp_path, "c", made("ali", 31.0, form="clips", settings={"encoder": "other", "width": 2.0}))
    found = read_generators(tmp_path)
    assert [named(one, found) for one in found] == ["ali (encoder gaussian)", "ali (encoder deterministic)", "ali"]


def test_clips_show_the_share_that_failed(tmp_path: Path) -> None:
    """And have a table of their own."""
    commit(tmp_path, "gan", made("gan", 40.0))
    commit(tmp_path, "rali", made("rali_single", 40.0, form="clips", failed=0.125))
    text = "\n".join(boards(read_generators(tmp_path)))
    assert text.count("## Frames of 32×32") == 1
    assert text.count("## Clips of 16×32×32") == 1
    assert text.count("failed %") == 1
    assert "| 12.5 |" in text


@pytest.mark.parametrize(
    ("ali", "gan", "verdict"), [(30.0, 40.0, "holds"), (31.0, 30.0, "holds"), (40.0, 30.0, "does not hold")]
)
def test_claims_are_judged_by_the_records(tmp_path: Path, ali: float, gan: float, verdict: str) -> None:
    """The other way round they do not hold; a tie costs nothing; one training of each is said."""
    commit(tmp_path, "ali", made("ali", ali))
    assert not claim(tmp_path, "Learning inference").verdict
    commit(tmp_path, "gan", made("gan", gan))
    found = claim(tmp_path, "Learning inference")
    assert found.verdict.startswith(verdict)
    assert found.verdict.endswith("(one training of each)")
    assert found.ours == f"Fréchet distance: ALI {ali:.1f}, GAN {gan:.1f}"


def test_reconstructions_must_beat_both_rivals(tmp_path: Path) -> None:
    """In features less is better, in pixels more."""
    commit(tmp_path, "ali", made("ali", 1.0, psnr=14.0, feature_distance=0.5))
    commit(tmp_path, "inverse", made("learned_inverse", 1.0, psnr=13.0, feature_distance=0.7))
    commit(tmp_path, "post", made("post_hoc_inference", 1.0, psnr=16.0, feature_distance=0.8))
    joint = [one for one in chapter4.claims(read_generators(tmp_path), {}) if one.says.startswith("Inference")]
    assert [one.verdict.split(" (")[0] for one in joint] == ["holds", chapter4.REVERSED]


def test_a_tie_of_reconstructions_is_no_verdict(tmp_path: Path) -> None:
    """Runs of one training each that lie within a tenth of each other."""
    commit(tmp_path, "ali", made("ali", 1.0, psnr=14.0, feature_distance=0.60))
    commit(tmp_path, "inverse", made("learned_inverse", 1.0, psnr=13.0, feature_distance=0.61))
    commit(tmp_path, "post", made("post_hoc_inference", 1.0, psnr=13.9, feature_distance=0.8))
    joint = [one for one in chapter4.claims(read_generators(tmp_path), {}) if one.says.startswith("Inference")]
    assert all(one.verdict.startswith(chapter4.UNTOLD) for one in joint)


def test_few_labels_are_compared_number_by_number(tmp_path: Path) -> None:
    """Ahead at one number and behind at the other is no verdict."""
    for labels, ali, gan in ((1000, 0.5, 0.6), (2000, 0.5, 0.4)):
        for model, error in (("semi_supervised_ali", ali), ("semi_supervised_gan", gan)):
            run = made(model, 30.0, labels="shape", error=error, settings={"labels": labels})
            commit(tmp_path, f"{model}-{labels}", run)
    found = claim(tmp_path, "Of K + 1")
    assert found.ours == "shape of frames, 1,000, 2,000 labels: 50.0, 50.0 % against 60.0, 40.0 %"
    assert found.verdict.startswith("cannot be told")
    text = make_generators_page(read_generators(tmp_path), {})
    assert "| 1,000 | 50.0 | 60.0 |" in text
    assert "| 2,000 | 50.0 | 40.0 |" in text


@pytest.mark.parametrize(
    ("gan", "verdict"), [(0.355, "cannot"), (0.37, "holds"), (0.245, "cannot"), (0.23, "does not")]
)
def test_few_labels_need_as_many_test_clips_as_tell_them_apart(tmp_path: Path, gan: float, verdict: str) -> None:
    """Two deviations of the difference between two shares of 500 clips."""
    for model, error in (("semi_supervised_rali", 0.3), ("semi_supervised_rgan", gan)):
        run = made(model, 30.0, labels="path", error=error, settings={"labels": 1000})
        assert run.dataset.splits.test.clips == 500
        commit(tmp_path, model, run)
    assert claim(tmp_path, "Of K + 1").verdict.startswith(verdict)


def test_few_labels_of_frames_and_of_clips_stand_apart(tmp_path: Path) -> None:
    """A table for each attribute, a column for labels alone, which is no GAN."""
    for model, labels, unlabelled, error in (
        ("semi_supervised_ali", "shape", 1.0, 0.5),
        ("semi_supervised_gan", "shape", 1.0, 0.6),
        ("semi_supervised_rali", "path", 1.0, 0.3),
        ("semi_supervised_rgan", "path", 1.0, 0.4),
        ("semi_supervised_rgan", "path", 0.0, 0.2),
    ):
        run = made(model, 30.0, labels=labels, error=error, settings={"labels": 1000, "unlabelled": unlabelled})
        commit(tmp_path, f"{model}-{unlabelled}", run)
    found = claim(tmp_path, "Of K + 1")
    path, shape = (
        "path of clips, 1,000 labels: 30.0 % against 40.0 %",
        "shape of frames, 1,000 labels: 50.0 % against 60.0 %",
    )
    assert found.ours == f"{path}; {shape}"
    assert found.verdict.startswith("holds (")
    text = make_generators_page(read_generators(tmp_path), {})
    assert "| labels of shape | semi\\_supervised\\_ali, error % | semi\\_supervised\\_gan, error % |" in text
    assert "| 1,000 | 30.0 | 40.0 | 20.0 |" in text


def test_few_labels_of_several_attributes_are_compared_each_by_itself(tmp_path: Path) -> None:
    """The speed and the path of the same clips, from as many labels: neither takes the other's place."""
    for target, ali, gan in (("path", 0.3, 0.4), ("speed", 0.6, 0.5)):
        for model, error in (("semi_supervised_rali", ali), ("semi_supervised_rgan", gan)):
            run = made(model, 30.0, labels=target, error=error, settings={"labels": 1000})
            commit(tmp_path, f"{model}-{target}", run)
    found = claim(tmp_path, "Of K + 1")
    path, speed = (
        "path of clips, 1,000 labels: 30.0 % against 40.0 %",
        "speed of clips, 1,000 labels: 60.0 % against 50.0 %",
    )
    assert found.ours == f"{path}; {speed}"
    assert found.verdict.startswith(chapter4.UNTOLD)


def study(errors: dict[tuple[str, str, int], list[float]]) -> dict[str, Any]:
    """A study of few labels."""
    rows = [{"target": t, "features": f, "labels": n, "errors": found} for (t, f, n), found in errors.items()]
    return {"few_labels": {"seeds": [{"findings": {"rows": rows}}]}}


def test_linear_machines_are_told_apart_by_their_draws() -> None:
    """Two deviations apart or more; the table has mean and deviation of each."""
    few = study(
        {
            ("shape", "ali", 1000): [0.50, 0.52],
            ("shape", "gan", 1000): [0.60, 0.62],
            ("path", "ali", 1000): [0.50, 0.60],
            ("path", "gan", 1000): [0.52, 0.62],
        }
    )
    (found,) = [one for one in chapter4.claims([], few) if "linear machine" in one.says]
    assert found.ours == "shape, 1,000 labels: 51.0 against 61.0 %; path, 1,000 labels: 55.0 against 57.0 %"
    assert found.verdict.startswith("holds in part")
    text = make_generators_page([], few)
    assert "| ali | 51.0 ± 1.4 |" in text
    assert "| gan | 57.0 ± 7.1 |" in text


def test_linear_machines_are_compared_at_every_number_of_labels() -> None:
    """One number more is one verdict more; numbers that only one kind of features has compare with nothing."""
    few = {
        ("shape", "ali", 1000): [0.50, 0.52],
        ("shape", "gan", 1000): [0.60, 0.62],
        ("shape", "ali", 2000): [0.60, 0.62],
        ("shape", "gan", 2000): [0.50, 0.52],
    }
    (found,) = [one for one in chapter4.claims([], study(few)) if "linear machine" in one.says]
    assert found.ours == "shape, 1,000, 2,000 labels: 51.0, 61.0 against 61.0, 51.0 %"
    assert found.verdict == "cannot be told (by 2 deviations over draws of labels; one training of each)"
    alone = {key: errors for key, errors in few.items() if key != ("shape", "gan", 2000)}
    (found,) = [one for one in chapter4.claims([], study(alone)) if "linear machine" in one.says]
    assert not found.verdict


def test_numbers_of_labels_that_were_left_out_are_said() -> None:
    """Of the targets that lack them, with what train has; nothing is said where nothing lacks."""
    errors = [0.5, 0.52]
    few = study({("shape", "gan", 1000): errors, ("shape", "gan", 8000): errors, ("path", "gan", 1000): errors})
    few["few_labels"]["config"] = {"size": "mini", "labels": [1000, 8000]}
    text = make_generators_page([], few)
    assert "Not measured: path with 8,000 labels, for train has no more labels of these: one a clip, 5,000 at" in text
    assert "shape with" not in text
    few["few_labels"]["config"]["labels"] = [1000]
    assert "Not measured: " not in make_generators_page([], few)


def test_linear_machines_are_apart_by_deviations_of_single_draws() -> None:
    """Many draws, whose mean is certain, do not make one training of each certain."""
    few = study({("shape", "ali", 1000): [0.50, 0.56] * 50, ("shape", "gan", 1000): [0.54, 0.60] * 50})
    (found,) = [one for one in chapter4.claims([], few) if "linear machine" in one.says]
    assert found.ours == "shape, 1,000 labels: 53.0 against 57.0 %"
    assert found.verdict.startswith(chapter4.UNTOLD)


@pytest.mark.parametrize(
    ("shape", "size", "verdict"),
    [(0.25, 0.30, "holds ("), (0.25, 0.29, "holds in part ("), (0.2, 0.1, "does not hold (")],
)
def test_conditional_samples_must_show_half_of_what_true_frames_show(
    tmp_path: Path, shape: float, size: float, verdict: str
) -> None:
    """Of every attribute; the least Fréchet distance stands for the model, other models for nothing."""
    attributes, true = ("shape", "size"), {"shape": 0.5, "size": 0.6}
    for model, frechet, said in (
        ("conditional_ali", 30.0, {"shape": shape, "size": size}),
        ("conditional_ali", 40.0, {"shape": 0.01, "size": 0.01}),
        ("clip_flow_matching", 20.0, {"shape": 0.02, "size": 0.02}),
    ):
        run = made(model, frechet, attributes=attributes, agreement=said, agreement_of_data=true)
        commit(tmp_path, f"{model}-{frechet}", run)
    found = claim(tmp_path, "Conditional ALI")
    assert found.ours.endswith(f": shape {shape:.2f} against 0.50, size {size:.2f} against 0.60")
    assert found.verdict == verdict + "one training of each)"


def test_the_committed_conditional_model_has_its_verdict() -> None:
    """Its poor agreement is among the claims."""
    found = claim(BOARD, "Conditional ALI")
    assert "shape 0.12 against 0.42" in found.ours
    assert found.verdict.startswith(chapter4.FAILS)


def test_conditional_models_are_set_beside_true_frames(tmp_path: Path) -> None:
    """What is read off samples, and off true ones."""
    told = made(
        "conditional_ali", 30.0, attributes=("shape",), agreement={"shape": 0.25}, agreement_of_data={"shape": 0.5}
    )
    commit(tmp_path, "conditional", told)
    assert "| shape | 0.25 | 0.50 |" in make_generators_page(read_generators(tmp_path), {})


def test_committed_runs_have_their_pictures() -> None:
    """Every committed run shows samples and curves; models that infer, reconstructions and interpolations as well."""
    for one in read_generators(BOARD):
        for seed in one.record.seeds:
            wanted = {f"samples-seed{seed.seed}.png", "curves.png"}
            if seed.test.reconstruction is not None:
                wanted |= {f"{name}-seed{seed.seed}.png" for name in ("reconstructions", "interpolations")}
            if one.record.attributes:
                wanted.add(f"varied-seed{seed.seed}.png")
            assert wanted <= set(one.pictures), one.name
        for picture in one.pictures:
            with Image.open(BOARD / "generators" / one.name / picture) as opened:
                opened.verify()


def test_verdicts_of_the_toy_are_those_of_its_tests() -> None:
    """The committed study's test decides."""
    found = read_studies(BOARD)
    p = found["ali_toy"]["seeds"][0]["findings"]["tests"]["covered"]["mann_whitney"]["p"]
    (modes,) = [one for one in chapter4.claims([], found) if one.says.startswith("On the grid")]
    assert (modes.verdict == chapter4.UNTOLD) == (p > 0.05)
    assert dataclasses.replace(modes, verdict="").thesis == "13.4 ± 5.8 against 10.4 ± 9.2"


@pytest.mark.parametrize(
    ("distance", "same_mode", "verdict"),
    [
        (0.2, 0.5, chapter4.HOLDS),
        (0.3, 0.5, chapter4.DISAGREE),
        (0.2, 0.41, chapter4.DISAGREE),
        (0.3, 0.2, chapter4.DISAGREE),
    ],
)
def test_joint_inference_of_points_holds_only_if_all_measures_agree(
    distance: float, same_mode: float, verdict: str
) -> None:
    """ALI has the least squared error; a measure that is reversed or tied leaves it open; all numbers are told."""
    found = read_studies(BOARD)
    measured = {"ali": (1.0, distance, same_mode), "inverse": (1.5, 0.25, 0.4), "posthoc": (1.2, 0.26, 0.4)}
    for one in found["ali_toy"]["seeds"][0]["findings"]["models"]:
        if one["stage"] in measured:
            one.update(zip(("squared_error", "distance", "same_mode"), measured[one["stage"]], strict=True))
    (joint,) = [one for one in chapter4.claims([], found) if one.says.startswith("There, inference")]
    assert joint.verdict == f"{verdict} (one training of each)"
    assert f"median distance: ALI {distance:.3f}, learned inverse 0.250, post-hoc 0.260" in joint.ours
    assert f"back in its own mode %: ALI {100 * same_mode:.0f}, learned inverse 40, post-hoc 40" in joint.ours


def test_joint_inference_of_the_committed_toy_cannot_be_told() -> None:
    """Its squared error is ALI's, its median distance is not."""
    (joint,) = [one for one in chapter4.claims([], read_studies(BOARD)) if one.says.startswith("There, inference")]
    assert joint.verdict.startswith(chapter4.DISAGREE)
    assert "ALI 0.274, learned inverse 0.255, post-hoc 0.246" in joint.ours
