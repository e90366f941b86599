"""What is exported is the split: every pixel where the format keeps it, every value by its name."""

import csv
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from click.testing import CliRunner

import dynamics_gen
from dynamics_gen.annotate import annotate_split
from dynamics_gen.cli import main
from dynamics_gen.config import RELEASES, BuildConfig
from dynamics_gen.errors import BuildError, ConfigError
from dynamics_gen.export.folder import export_folder
from dynamics_gen.export.huggingface import export_huggingface
from dynamics_gen.export.webdataset import export_webdataset
from dynamics_gen.generate import build_split

# The libraries that read back here leave files for the garbage collector to close.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:rdflib"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlcroissant"),
]


def ignore(clips: int) -> None:
    """Takes progress and does nothing with it."""


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten clips with masks."""
    directory = tmp_path_factory.mktemp("split") / "test"
    build_split(BuildConfig(split="test", per_class=1, image_size=32, frames=8), directory, 1)
    annotate_split(directory, ("mask",), 1)
    return directory


def test_webdataset_reads_what_was_written(split: Path, tmp_path: Path) -> None:
    """The library of that name finds every clip, in order, with its frames, masks, label and parameters."""
    webdataset: Any = importlib.import_module("webdataset")
    dataset = dynamics_gen.open(split, annotations=["mask"])
    paths = export_webdataset(dataset, tmp_path / "tar", ignore, clips=4)
    assert [path.name for path in paths] == ["test-000000.tar", "test-000001.tar", "test-000002.tar"]
    urls = [str(path) for path in paths]
    found = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode())
    assert [sample["__key__"] for sample in found] == dataset.clip_ids
    for clip, sample in enumerate(found):
        np.testing.assert_array_equal(sample["video.npy"], dataset[clip]["video"])
        np.testing.assert_array_equal(sample["mask.npy"], dataset[clip]["mask"])
        assert sample["json"]["label"] == dataset.labels[clip]
        assert sample["json"]["class"] == dataset.manifest.classes[dataset.labels[clip]]
        np.testing.assert_allclose(sample["json"]["position"], dataset.column("position")[clip])
        falls = dataset.column("parameters/falls")[clip]
        assert sample["json"]["falls"] == (None if np.isnan(falls) else falls)


def test_the_same_split_gives_the_same_archives(split: Path, tmp_path: Path) -> None:
    """No time, user or order of the day is in them."""
    for name in ("a", "b"):
        export_webdataset(dynamics_gen.open(split), tmp_path / name, ignore)
    assert (tmp_path / "a/test-000000.tar").read_bytes() == (tmp_path / "b/test-000000.tar").read_bytes()


@pytest.mark.parametrize(("form", "least_psnr"), [("mp4-lossless", np.inf), ("mp4", 26.0), ("gif", 28.0)])
def test_films_show_the_clips(form: str, least_psnr: float, split: Path, tmp_path: Path) -> None:
    """All frames, at the clip's rate; lossless means every pixel; the table has a row a clip."""
    dataset = dynamics_gen.open(split)
    export_folder(dataset, tmp_path / "out", form, ignore)
    with (tmp_path / "out/clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip_id"] for row in rows] == dataset.clip_ids
    assert [int(row["label"]) for row in rows] == dataset.labels.tolist()
    for clip, row in enumerate(rows):
        path = tmp_path / "out" / row["file"]
        shown = iio.imread(path, plugin="pillow" if form == "gif" else "FFMPEG")[..., :3].astype(float)
        video = dataset[clip]["video"]
        assert shown.shape == video.shape
        error = ((shown - video) ** 2).mean()
        assert error == 0 or 10 * np.log10(255**2 / error) >= least_psnr
        duration = 1000 / 16 if form == "gif" else 16
        meta = iio.immeta(path, plugin="pillow" if form == "gif" else "FFMPEG")
        assert abs(meta["duration" if form == "gif" else "fps"] - duration) <= 5


def test_exports_are_one_command(split: Path, tmp_path: Path) -> None:
    """`dynamics-gen export DIR --to gif --out OUT`."""
    result = CliRunner().invoke(main, ["export", str(split), "--to", "gif", "--out", str(tmp_path / "gif")])
    assert result.exit_code == 0
    assert "10 clips as gif" in result.stdout
    assert len(list((tmp_path / "gif/clips").glob("*.gif"))) == 10
    tar = ["export", str(split), "--to", "webdataset", "--annotations", "mask", "--out", str(tmp_path / "tar")]
    assert CliRunner().invoke(main, tar).exit_code == 0
    wrong = CliRunner().invoke(main, [*tar[:2], "--to", "gif", "--annotations", "mask", "--out", str(tmp_path / "x")])
    assert wrong.exit_code == 2
    assert not (tmp_path / "x").exists()


def test_nothing_is_overwritten(split: Path, tmp_path: Path) -> None:
    """A folder with something in it is refused and left alone."""
    (tmp_path / "mine").write_text("kept")
    for export in (
        lambda: export_webdataset(dynamics_gen.open(split), tmp_path, ignore),
        lambda: export_folder(dynamics_gen.open(split), tmp_path, "gif", ignore),
    ):
        with pytest.raises(BuildError, match="is not empty: an export needs a folder of its own"):
            export()
    assert (tmp_path / "mine").read_text() == "kept"
    with pytest.raises(BuildError, match="cannot write"):
        export_webdataset(dynamics_gen.open(split), tmp_path / "mine" / "deeper", ignore)


def test_what_mp4_cannot_hold_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Odd sides, and a library that is missing, before anything is written."""
    build_split(BuildConfig(split="test", per_class=1, image_size=17, frames=2), tmp_path / "odd", 1)
    with pytest.raises(ConfigError, match="have odd sides: mp4 needs even ones, take mp4-lossless"):
        export_folder(dynamics_gen.open(tmp_path / "odd"), tmp_path / "out", "mp4", ignore)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ConfigError, match=r"pip install 'dynamics-benchmark\[video\]'"):
        export_folder(dynamics_gen.open(tmp_path / "odd"), tmp_path / "out", "mp4-lossless", ignore)


def test_descriptions_are_plain_json(split: Path, tmp_path: Path) -> None:
    """No NaN, which JSON does not have."""
    (path,) = export_webdataset(dynamics_gen.open(split), tmp_path / "tar", ignore)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    with tarfile.open(path) as archive:
        for name in archive.getnames():
            if name.endswith(".json"):
                member = archive.extractfile(name)
                assert member is not None
                json.loads(member.read(), parse_constant=refuse)


def test_parameters_do_not_hide_columns_of_the_same_name(split: Path, tmp_path: Path) -> None:
    """The orientation in every frame and the one that was drawn are told apart."""
    dataset = dynamics_gen.open(split)
    (path,) = export_webdataset(dataset, tmp_path / "tar", ignore)
    with tarfile.open(path) as archive:
        member = archive.extractfile(f"{dataset.clip_ids[3]}.json")
        assert member is not None
        said = json.loads(member.read())
    np.testing.assert_allclose(said["orientation"], dataset.column("orientation")[3])
    np.testing.assert_allclose(said["drawn_orientation"], dataset.column("parameters/orientation")[3])


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset of two splits, and its export for Hugging Face in `hub`."""
    folder = tmp_path_factory.mktemp("hub")
    for name, per_class in (("train", 2), ("test", 1)):
        build_split(BuildConfig(split=name, per_class=per_class, image_size=16, frames=4), folder / "data" / name, 1)
    annotate_split(folder / "data" / "test", ("mask",), 1)
    datasets = {name: dynamics_gen.open(folder / "data" / name) for name in ("train", "test")}
    export_huggingface(datasets, folder / "hub", ignore, clips=12)
    return folder


def in_a_process(script: str, *paths: Path) -> None:
    """Runs a script that is given paths, without network; the libraries change pandas for a whole process."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(paths[-1])}
    command = [sys.executable, "-c", script, *map(str, paths)]
    done = subprocess.run(command, env=os.environ | offline, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_hugging_face_loads_every_split_offline(hub: Path, tmp_path: Path) -> None:
    """In a process without network, `load_dataset` gives the very clips, names of classes and all columns."""
    script = """
import sys, json
import numpy as np
import datasets, dynamics_gen
loaded = datasets.load_dataset(sys.argv[1] + "/hub", cache_dir=sys.argv[2])
assert list(loaded) == ["train", "test"], list(loaded)
for split in loaded:
    ours = dynamics_gen.open(sys.argv[1] + "/data/" + split)
    theirs = loaded[split].with_format("numpy")
    assert len(theirs) == len(ours)
    assert loaded[split].features["label"].names == list(ours.manifest.classes)
    for clip in range(len(ours)):
        row = theirs[clip]
        np.testing.assert_array_equal(row["video"].transpose(0, 2, 3, 1), ours[clip]["video"])
        assert row["label"] == ours.labels[clip] and str(row["clip_id"]) == ours.clip_ids[clip]
        np.testing.assert_array_equal(row["position"], ours.column("position")[clip])
        np.testing.assert_array_equal(row["orientation"], ours.column("orientation")[clip])
        np.testing.assert_array_equal(row["radius"], ours.column("parameters/radius")[clip])
    first = next(iter(datasets.load_dataset(sys.argv[1] + "/hub", split=split, streaming=True)))
    assert np.shape(first["video"]) == (4, 3, 16, 16)
"""
    in_a_process(script, hub, tmp_path / "cache", tmp_path / "home")


def test_ground_truth_goes_along_if_asked_for(hub: Path, tmp_path: Path) -> None:
    """A mask is a column of the Parquet files."""
    parquet: Any = importlib.import_module("pyarrow.parquet")
    dataset = dynamics_gen.open(hub / "data" / "test", annotations=["mask"])
    export_huggingface({"test": dataset}, tmp_path / "hub", ignore)
    table = parquet.read_table(tmp_path / "hub" / "data" / "test-00000-of-00001.parquet")
    np.testing.assert_array_equal(np.array(table["mask"].to_pylist(), np.uint8)[3], dataset[3]["mask"])


def test_card_and_croissant_describe_the_files(hub: Path, tmp_path: Path) -> None:
    """The card's head and tables name what is there; Croissant's own library reads the clips."""
    card = (hub / "hub" / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\n")
    ours = {name: dynamics_gen.open(hub / "data" / name) for name in ("train", "test")}
    for name, dataset in ours.items():
        assert f"| {name} | {len(dataset)} | `{dataset.manifest.fingerprint}` |" in card
    assert "4 frames of 16×16 RGB at 16 frames/s" in card
    told = json.loads((hub / "hub" / "croissant.json").read_text())
    files = [entry for entry in told["distribution"] if entry["@type"] == "cr:FileObject"]
    assert len(files) == 3
    for entry in files:
        data = (hub / "hub" / entry["contentUrl"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["contentSize"] == f"{len(data)} B"
    script = """
import sys
import mlcroissant, dynamics_gen
import numpy as np
read = mlcroissant.Dataset(jsonld=sys.argv[1] + "/hub/croissant.json")
for split in ("train", "test"):
    ours = dynamics_gen.open(sys.argv[1] + "/data/" + split)
    rows = list(read.records(split))
    assert [row[split + "/clip_id"].decode() for row in rows] == ours.clip_ids
    assert [row[split + "/label"] for row in rows] == ours.labels.tolist()
    np.testing.assert_array_equal(rows[1][split + "/position"], ours.column("position")[1])
    np.testing.assert_array_equal(np.transpose(rows[1][split + "/video"], (0, 2, 3, 1)), ours[1]["video"])
"""
    in_a_process(script, hub, tmp_path)


def test_card_of_shards(hub: Path) -> None:
    """`dynamics-gen card` describes HDF5 splits where they are; other splits beside them are refused."""
    croissant: Any = importlib.import_module("mlcroissant")
    done = CliRunner().invoke(main, ["card", str(hub / "data")])
    assert done.exit_code == 0, done.output
    told = croissant.Dataset(jsonld=hub / "data" / "croissant.json").metadata.to_json()
    manifest = dynamics_gen.open(hub / "data" / "train").manifest
    assert manifest.shards[0].sha256 in [entry.get("sha256") for entry in told["distribution"]]
    assert "instead of" not in (hub / "data" / "README.md").read_text()
    hard = BuildConfig(split="valid", per_class=1, image_size=16, frames=4, release=RELEASES["hard"])
    build_split(hard, hub / "data" / "valid", 1)
    done = CliRunner().invoke(main, ["card", str(hub / "data")])
    assert "holds splits of different datasets" in done.output
    done = CliRunner().invoke(main, ["card", str(hub / "data" / "valid")])
    assert done.exit_code == 0
    assert "Its name is `hard`. radius 0." in (hub / "data" / "valid" / "README.md").read_text()
    shutil.rmtree(hub / "data" / "valid")


def test_missing_library_is_one_sentence(hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError, match=r"pip install 'dynamics-benchmark\[huggingface\]'"):
        export_huggingface({"test": dynamics_gen.open(hub / "data" / "test")}, tmp_path / "out", ignore)
