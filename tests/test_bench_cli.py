"""The command `bench`: quick to start, every flag has its effect, every mistake is one sentence."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import torch
from click.testing import CliRunner, Result
from moving_squares import MODEL, build_squares

from benchmark import cli, figures, spec, tune
from leaderboard.table import main as board

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: 40 / 10 / 10 clips. Never change it."""
    return build_squares(tmp_path_factory.mktemp("squares"), per_class=(4, 1, 1))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A user's own model."""
    (tmp_path / "tiny_net.py").write_text(MODEL)
    return tmp_path / "tiny_net.py"


@pytest.fixture(scope="module")
def plain(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The record of a run without any flag."""
    folder = tmp_path_factory.mktemp("plain")
    (folder / "tiny_net.py").write_text(MODEL)
    assert run(folder / "tiny_net.py", squares, folder / "runs").exit_code == 0
    return recorded(folder / "runs")


def bench(*words: str | Path) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(cli.main, [str(word) for word in words], prog_name="bench")


def run(model: str | Path, squares: Path, runs: Path, *flags: str) -> Result:
    """`bench run` at size tiny."""
    return bench("run", model, "--size", "tiny", "--data", squares, "--runs", runs, *flags)


def recorded(runs: Path) -> dict:
    """What the run of tiny_net recorded."""
    return json.loads((runs / "tiny_net" / "standard-tiny" / "record.json").read_text())


def commands() -> list[list[str]]:
    """Every command, as it is typed."""
    return [[], *([name] for name in cli.main.commands), ["human", "score"]]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(words: list[str]) -> None:
    """The example starts with the command itself, on its own line; every flag says what it does."""
    result = bench(*words, "--help")
    assert result.exit_code == 0
    assert "\n".join(["bench", *words]).replace("\n", " ") in result.output.split("Example")[1]
    command: click.Command = cli.main
    for word in words:
        assert isinstance(command, click.Group)
        command = command.commands[word]
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name


@pytest.mark.parametrize("words", [["list"], ["--help"], ["run", "--help"]], ids=" ".join)
def test_command_starts_without_heavy_imports(words: list[str]) -> None:
    """Neither torch nor what else takes long is imported, which is what keeps it under a second."""
    heavy = "('torch', 'pybullet', 'h5py', 'pandas', 'matplotlib', 'lightning_fabric')"
    code = (
        f"import sys; sys.argv = ['bench', *{words!r}]\n"
        "from benchmark.cli import main\n"
        "try: main()\n"
        f"finally: print([name for name in {heavy} if name in sys.modules], file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "[]"


def test_list_shows_every_model() -> None:
    """A line each: name, task, input, parameters, GFLOPs, source, summary."""
    lines = bench("list").output.splitlines()
    assert lines[0].split() == ["MODEL", "TASK", "INPUT", "PARAMETERS", "GFLOPS", "SOURCE", "SUMMARY"]
    known = figures.read(figures.path())
    for line, one in zip(lines[1:], spec.list_models(), strict=True):
        of = known.get(one.name)  # a model that is fitted has no figures before it is
        measured = [f"{of.parameters:,}", f"{of.flops_per_clip / 1e9:.2f}"] if of else ["–", "–"]
        expected = [one.name, one.task, one.input, *measured]
        assert line.split()[:5] == expected
        assert one.source in line
        assert line.endswith(one.summary)


def test_list_as_json_holds_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers as numbers; what was not measured is null there, and a dash in the table."""
    first = spec.list_models()[0].name
    one = {name: of for name, of in figures.read(figures.path()).items() if name == first}
    figures.write(one, tmp_path / "figures.json")
    monkeypatch.setattr(figures, "path", lambda: tmp_path / "figures.json")
    listed = json.loads(bench("list", "--json").output)
    assert [row["name"] for row in listed] == [model.name for model in spec.list_models()]
    assert listed[0]["parameters"] == one[first].parameters
    assert listed[0]["flops_per_clip"] == one[first].flops_per_clip
    assert {row["parameters"] for row in listed[1:]} == {None}
    assert bench("list").output.splitlines()[2].split()[3:5] == ["–", "–"]


def test_list_ends_lines_at_the_terminals_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures fit into 100 columns, and what is cut says so."""
    monkeypatch.setenv("COLUMNS", "100")
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    with contextlib.redirect_stdout(screen):
        cli.main(["list"], standalone_mode=False)
    lines = screen.getvalue().splitlines()
    assert len(lines) == 1 + len(spec.list_models())
    for line, one in zip(lines[1:], spec.list_models(), strict=True):
        assert len(line) == 100
        assert line.endswith("…")
        of = figures.read(figures.path()).get(one.name)
        assert of is None or f"{of.parameters:,}" in line


def test_measuring_writes_the_figures_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the models that there are, and no others."""
    few = [one for one in spec.list_models() if one.name in ("mean_frame", "single_frame")]
    monkeypatch.setattr(spec, "list_models", lambda: few)
    monkeypatch.setattr(figures, "path", lambda: tmp_path / "figures.json")
    figures.write({"gone": figures.Figures(parameters=1, flops_per_clip=1)}, tmp_path / "figures.json")
    result = bench("list", "--measure")
    assert result.exit_code == 0, result.output
    assert figures.read(tmp_path / "figures.json").keys() == {"mean_frame", "single_frame"}


def test_run_prints_its_result_and_where_it_is(model: Path, squares: Path, tmp_path: Path) -> None:
    """One line on stdout, progress on stderr, exit 0; recipe and seeds are the model's and the defaults."""
    result = run(model, squares, tmp_path / "runs")
    assert result.exit_code == 0, result.output
    made = recorded(tmp_path / "runs")
    error = 100 * made["seeds"][0]["scores"]["test"]["error"]
    assert result.stdout.startswith(f"tiny_net on standard tiny: {error:.1f} % test error (path ")
    assert result.stdout.rstrip().endswith("runs/tiny_net/standard-tiny/record.json")
    assert result.stdout.count("\n") == 1
    assert "seed 0 epoch 2/2: loss" in result.stderr
    assert len(made["seeds"]) == 1
    training = made["config"]["training"]
    assert (training["epochs"], training["learning_rate"], training["weight_decay"]) == (2, 0.01, 0.01)


@pytest.mark.parametrize("form", ["centred", "flow_farneback", "rgb+flow_farneback"])
def test_input_flag_changes_what_is_seen(model: Path, tmp_path: Path, plain: dict, form: str) -> None:
    """The record and the board's row say so; the run has a folder of its own beside that of the model's own input."""
    data = build_squares(tmp_path / "data", per_class=(4, 1, 1))
    result = run(model, data, tmp_path / "runs", "--input", form)
    assert result.exit_code == 0, result.output
    made = json.loads((tmp_path / "runs" / "tiny_net" / f"standard-tiny-{form}" / "record.json").read_text())
    assert (plain["input"], made["input"]) == ("rgb", form)
    digests = [one["seeds"][0]["predictions_sha256"] for one in (made, plain)]
    assert digests[0] != digests[1]
    configuration = tmp_path / "runs" / "tiny_net" / f"standard-tiny-{form}" / "seed-0" / "configuration.json"
    assert json.loads(configuration.read_text())["input"] == form
    assert f"input {form}" in board(ROOT / "leaderboard", tmp_path / "runs", True)


def test_input_that_is_the_models_own_changes_nothing(model: Path, squares: Path, tmp_path: Path, plain: dict) -> None:
    """Spelt out, it is the same run in the same folder."""
    assert run(model, squares, tmp_path / "runs", "--input", "rgb").exit_code == 0
    assert recorded(tmp_path / "runs")["seeds"][0]["predictions_sha256"] == plain["seeds"][0]["predictions_sha256"]


def test_input_that_is_not_there_is_refused(model: Path, squares: Path, tmp_path: Path) -> None:
    """With those that are, before anything is written."""
    result = run(model, squares, tmp_path / "runs", "--input", "sound")
    assert result.exit_code == 2
    assert "error: unknown input 'sound': expected one of rgb, pixels" in result.output
    assert not (tmp_path / "runs").exists()


def test_model_that_needs_flow_says_so(squares: Path, tmp_path: Path) -> None:
    """In one sentence, with what to try."""
    result = run("two_streams", squares, tmp_path / "runs", "--input", "rgb")
    assert result.exit_code == 1
    assert "got clips of 3 channels for two_streams, expected flow (2) or colours and flow (5)" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("flags", "setting", "value"),
    [
        (("--epochs", "1"), "epochs", 1),
        (("--batch-size", "5"), "batch_size", 5),
        (("--learning-rate", "0.002"), "learning_rate", 0.002),
        (("--weight-decay", "0.3"), "weight_decay", 0.3),
        (("--warmup", "0.5"), "warmup", 0.5),
        (("--label-smoothing", "0.1"), "label_smoothing", 0.1),
        (("--gradient-clip", "0.001"), "gradient_clip", 0.001),
        (("--optimiser", "sgd"), "optimiser", "sgd"),
        (("--augment",), "augment", True),
        (("--precision", "bf16-mixed"), "precision", "bf16-mixed"),
        (("--set", "width=6"), "width", 6),
    ],
    ids=lambda flags: flags[0] if isinstance(flags, tuple) else "",
)
def test_flag_changes_what_is_trained(
    model: Path, squares: Path, tmp_path: Path, plain: dict, flags: tuple[str, ...], setting: str, value: object
) -> None:
    """The setting is in the record, and the training is another one for it."""
    result = run(model, squares, tmp_path / "runs", *flags)
    assert result.exit_code == 0, result.output
    made = recorded(tmp_path / "runs")
    found = {**made["config"]["training"], **made["config"]["model"]}
    assert found[setting] == value
    other = {**plain["config"]["training"], **plain["config"]["model"]}
    assert {name for name in found if found[name] != other[name]} == {setting}
    digests = [one["seeds"][0]["predictions_sha256"] for one in (made, plain)]
    assert digests[0] != digests[1]


def test_seeds_resume_and_overwrite(model: Path, squares: Path, tmp_path: Path) -> None:
    """Seeds are added by --resume; without a flag an earlier run is kept; --overwrite starts again."""
    assert run(model, squares, tmp_path / "runs").exit_code == 0
    refused = run(model, squares, tmp_path / "runs")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: ")
    assert "holds an earlier run: use --resume" in refused.stderr
    assert run(model, squares, tmp_path / "runs", "--seeds", "2", "--resume").exit_code == 0
    assert [seed["seed"] for seed in recorded(tmp_path / "runs")["seeds"]] == [0, 1]
    assert run(model, squares, tmp_path / "runs", "--overwrite", "--device", "cpu").exit_code == 0
    assert len(recorded(tmp_path / "runs")["seeds"]) == 1


def test_missing_data_are_built_by_the_workers_asked_for(
    model: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and builds where --data points."""
    asked = []

    def build_split(config: object, directory: Path, workers: int, progress: object) -> None:
        asked.append((directory, workers))
        directory.parent.mkdir(parents=True, exist_ok=True)
        directory.symlink_to(squares / "dynamics-tiny" / directory.name)

    monkeypatch.setattr("dynamics_gen.generate.build_split", build_split)
    result = run(model, tmp_path / "data", tmp_path / "runs", "--workers", "3")
    assert result.exit_code == 0, result.output
    assert asked == [(tmp_path / "data" / "dynamics-tiny" / split, 3) for split in ("train", "valid", "test")]
    assert "train is not there: building its 100 clips" in result.stderr


def test_several_models_run_in_turn_and_a_failure_is_told(squares: Path, tmp_path: Path) -> None:
    """One model's bad luck does not cost the others; the exit code says that there was some."""
    for name in ("tiny_net", "second_net"):
        (tmp_path / f"{name}.py").write_text(MODEL)
    (tmp_path / "bad_net.py").write_text(
        MODEL.replace("nn.Flatten(),", "nn.Flatten(), nn.Threshold(1e9, float('nan')),")
    )
    words = [tmp_path / f"{name}.py" for name in ("tiny_net", "bad_net", "second_net", "tiny_net")]
    result = bench("run", *words, "--size", "tiny", "--data", squares, "--runs", tmp_path / "runs")
    assert result.exit_code == 1
    assert "error: bad_net: the loss is not finite at step 1, in epoch 1: try a lower --learning-rate" in result.stderr
    assert "error: 1 of 3 models failed: bad_net" in result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["tiny_net", "second_net"]


def test_all_is_every_model(squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`bench run all` runs what `bench list` shows."""
    monkeypatch.setattr(spec, "GROUPS", ("classifiers",))
    ran = []

    def run_model(planned: object, options: object, say: object) -> object:
        ran.append(planned.model.description.name)  # type: ignore[attr-defined]
        raise OSError("not here")

    monkeypatch.setattr("benchmark.run.run_model", run_model)
    result = bench("run", "all", "--size", "tiny", "--data", squares, "--runs", tmp_path)
    assert result.exit_code == 1
    assert ran == [one.name for one in spec.list_models()]
    assert len(ran) >= 3


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("conv3",), 2, "unknown model 'conv3': expected one of c3d, "),
        (("MODEL", "--size", "huge"), 2, "unknown size 'huge': expected one of full, mini, tiny"),
        (("MODEL", "--release", "soft"), 2, "unknown release 'soft': expected one of standard"),
        (("MODEL", "--device", "tpu"), 2, "unknown device 'tpu': expected one of auto, cpu, cuda"),
        (("MODEL", "--seeds", "-1"), 1, "seeds is -1: expected a whole number from 1"),
        (("MODEL", "--epochs", "0"), 1, "epochs is 0: expected a whole number from 1"),
        (("MODEL", "--batch-size", "-8"), 1, "batch_size is -8: expected a whole number from 1"),
        (("MODEL", "--optimiser", "adam"), 1, "optimiser is 'adam': expected one of adamw, sgd"),
        (("MODEL", "--precision", "fp8"), 1, "precision is 'fp8': expected one of auto, 32-true, bf16-mixed"),
        (("MODEL", "--set", "widht=3"), 1, "tiny_net has no setting 'widht': expected one of width"),
        (("MODEL", "--set", "width=wide"), 1, "setting width of tiny_net is 'wide': expected a whole number"),
        (("MODEL", "--resume", "--overwrite"), 1, "resume and overwrite were both asked for"),
        (("MODEL", "--runs", "MODEL/runs"), 1, "Not a directory"),
    ],
    ids=lambda words: " ".join(words[-2:]) if isinstance(words, tuple) else "",
)
def test_mistake_is_one_sentence(
    model: Path, squares: Path, tmp_path: Path, words: tuple[str, ...], code: int, sentence: str
) -> None:
    """On stderr, with the exit code of its kind; nothing is trained and no traceback shown."""
    typed = [word.replace("MODEL", str(model)) for word in words]
    runs = [] if "--runs" in typed else ["--runs", str(tmp_path / "runs")]
    result = bench("run", *typed, *([] if "--size" in typed else ["--size", "tiny"]), "--data", squares, *runs)
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("error: ")
    assert sentence in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("checkpoint.pt"))


def test_too_little_memory_of_a_gpu_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the command."""

    def make_table(root: Path, runs: Path | None, check: bool) -> str:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 MiB. Process 7 has 1 GiB in use.")

    monkeypatch.setattr("leaderboard.table.main", make_table)
    result = bench("table")
    assert result.exit_code == 1
    told = "CUDA out of memory. Tried to allocate 2 MiB: leave the GPU to this command, or take --device cpu"
    assert result.stderr == f"error: {told}\n"


def test_model_too_large_for_a_gpu_does_not_keep_the_next_from_being_tuned(
    model: Path, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two finds too little memory; trials of the second are in the table."""
    (tmp_path / "second_net.py").write_text(MODEL)
    real, fits = tune.fit, []

    def fit(*of: Any) -> Any:
        fits.append(of)
        if len(fits) == 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Process 7 has 1 GiB in use.")
        return real(*of)

    monkeypatch.setattr(tune, "fit", fit)
    asked = ("--size", "tiny", "--trials", "1", "--epochs", "1", "--data", squares, "--table", tmp_path / "trials.csv")
    result = bench("tune", model, tmp_path / "second_net.py", *asked, "--runs", tmp_path / "runs")
    assert result.exit_code == 1
    told = (
        "error: tiny_net: CUDA out of memory: finished trials are kept; leave the GPU to this command, and it goes on"
    )
    assert told in result.stderr.splitlines()
    assert [row["model"] for row in csv.DictReader((tmp_path / "trials.csv").read_text().splitlines())] == [
        "second_net"
    ]


@pytest.mark.parametrize("words", [("--set", "width"), ("--epochs", "many"), ("--nonsense",), ("--workers", "0")])
def test_wrong_usage_exits_with_two(model: Path, words: tuple[str, ...]) -> None:
    """As click has it: how it is used, and what was wrong."""
    result = bench("run", model, *words)
    assert result.exit_code == 2
    assert "Usage: bench run" in result.stderr


def test_table_passes_its_flags_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The board's folder, local runs, and whether it is only checked; what comes back is printed."""
    asked = []

    def make_table(root: Path, runs: Path | None, check: bool) -> str:
        asked.append((root, runs, check))
        return "the board"

    monkeypatch.setattr("leaderboard.table.main", make_table)
    assert bench("table").output == "the board\n"
    assert bench("table", "--board", tmp_path, "--runs", "runs", "--check").exit_code == 0
    assert asked == [(Path("leaderboard"), None, False), (tmp_path, Path("runs"), True)]


def test_results_passes_its_flags_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The board's folder, the page, and whether it is only checked; what comes back is printed."""
    asked = []

    def make_results(root: Path, page: Path, check: bool) -> str:
        asked.append((root, page, check))
        return "the page"

    monkeypatch.setattr("leaderboard.results.command.main", make_results)
    assert bench("results").output == "the page\n"
    assert bench("results", "--board", tmp_path, "--page", "other.md", "--check").exit_code == 0
    assert asked == [(Path("leaderboard"), Path("RESULTS.md"), False), (tmp_path, Path("other.md"), True)]


def test_table_of_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    """One sentence, exit 1."""
    result = bench("table", "--board", tmp_path / "nowhere")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_table_shows_a_run_of_this_machine(model: Path, squares: Path, tmp_path: Path) -> None:
    """From `bench run` to `bench table --runs`, with nothing between."""
    assert run(model, squares, tmp_path / "runs").exit_code == 0
    board = tmp_path / "board"
    for folder in ("entries", "reference"):
        (board / folder).mkdir(parents=True)
    result = bench("table", "--board", board, "--runs", tmp_path / "runs")
    assert result.exit_code == 0, result.output
    assert "tiny_net" in result.output
    assert "tiny_net" not in (board / "README.md").read_text()
