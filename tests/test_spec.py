"""What a model must offer, and what is said of one that does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from moving_squares import MODEL

from benchmark import spec
from benchmark.errors import ModelError
from dynamics_gen.errors import UnknownNameError


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A user's own model."""
    path = tmp_path / "my_model.py"
    path.write_text(MODEL)
    return path


def test_models_of_the_package_are_found_by_file_name() -> None:
    """A file in a group's folder is a model; its name is the file's."""
    described = {model.name: model for model in spec.list_models()}
    assert {"conv3d", "convlstm", "conv3d_convlstm"} <= described.keys()
    assert described["conv3d"].task == "classification"
    assert described["conv3d"].module == "baselines.classifiers.conv3d"
    assert described["conv3d"].summary.startswith("Conv3D")


def test_listing_imports_neither_models_nor_torch() -> None:
    """Models are described from their text alone."""
    code = (
        "import sys; from benchmark import spec; spec.list_models();"
        "print([name for name in ('torch', 'pybullet', 'h5py', 'baselines.classifiers.conv3d') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_description_states_what_the_file_states(model_file: Path) -> None:
    """Task, input, source, summary and recipe come from the literals of the file."""
    found = spec.find(str(model_file))
    assert (found.name, found.task, found.input, found.source) == ("my_model", "classification", "rgb", "tests")
    assert found.summary == "A tiny network for tests."
    assert found.training["tiny"] == {"epochs": 2}


def test_unknown_model_is_refused_with_the_names_there_are() -> None:
    """A mistyped name is answered with the list."""
    with pytest.raises(UnknownNameError, match=r"unknown model 'conv3': expected one of .*conv3d_convlstm"):
        spec.find("conv3")


def test_missing_file_is_refused() -> None:
    """A path that leads nowhere is an unknown model."""
    with pytest.raises(UnknownNameError, match="no_such"):
        spec.find("no_such.py")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"""A tiny network for tests."""', "", "has no docstring"),
        ('TASK = "classification"', 'TASK = "cooking"', "TASK is 'cooking' in .*expected one of classification"),
        ('TASK = "classification"', "", "TASK is missing in"),
        ('INPUT = "rgb"', 'INPUT = "sound"', "INPUT is 'sound' in .*expected one of rgb, pixels"),
        ('SOURCE = "tests"', "SOURCE = 3", "SOURCE is 3 in .*expected a text"),
        ('SOURCE = "tests"', 'SOURCE = "te" + str(1)', r"SOURCE in line \d+ of .* is computed"),
        ("TRAINING = {", "TRAINING = 3  # {", "TRAINING in .* is not a dictionary of dictionaries"),
        ('SOURCE = "tests"', 'SOURCE = "two\\nlines"', "SOURCE in .* expected one line of text"),
        ("def build(", "def build((", "is not Python that can be read"),
    ],
)
def test_file_that_does_not_describe_a_model_is_refused(model_file: Path, old: str, new: str, sentence: str) -> None:
    """Each thing that is missing or wrong is named, with the file."""
    assert old in MODEL
    model_file.write_text(MODEL.replace(old, new))
    with pytest.raises(ModelError, match=sentence):
        spec.find(str(model_file))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("def build(", "def construct(", "does not define build"),
        ("class Config:", "class Settings:", "does not define Config"),
        ("@dataclass(frozen=True, kw_only=True, slots=True)\n", "", "is not a dataclass"),
        ("width: int = 4", "width: int", "width in the Config of .* has no default: expected one for each"),
    ],
)
def test_file_that_lacks_what_its_task_needs_is_refused(model_file: Path, old: str, new: str, sentence: str) -> None:
    """A classifier needs a Config and a build."""
    assert old in MODEL
    model_file.write_text(MODEL.replace(old, new))
    with pytest.raises(ModelError, match=sentence):
        spec.load(spec.find(str(model_file)))


def test_name_that_no_record_could_hold_is_refused(tmp_path: Path) -> None:
    """It is a folder's name and the board's."""
    (tmp_path / "my model.py").write_text(MODEL)
    with pytest.raises(ModelError, match="cannot name a model: expected a file name of at most 64 letters"):
        spec.find(str(tmp_path / "my model.py"))


@pytest.mark.parametrize(
    ("default", "sentence"),
    [("float('nan')", "not JSON compliant"), ("frozenset()", "frozenset is not JSON"), ("3 + 4j", "complex")],
)
def test_config_that_no_record_could_hold_is_refused(model_file: Path, default: str, sentence: str) -> None:
    """Before anything is trained."""
    model_file.write_text(MODEL.replace("width: int = 4", f"width: object = {default}"))
    with pytest.raises(ModelError, match=f"the Config of my_model cannot be used .*{sentence}"):
        spec.load(spec.find(str(model_file))).config({})


def test_config_that_refuses_a_value_is_told(model_file: Path) -> None:
    """A model may check its own settings with a plain ValueError."""
    check = "    def __post_init__(self):\n        if self.width > 8:\n            raise ValueError('too wide')\n"
    model_file.write_text(MODEL.replace("def build(", f"{check}\n\ndef build("))
    with pytest.raises(ModelError, match=r"the Config of my_model cannot be used \(too wide\)"):
        spec.load(spec.find(str(model_file))).config({"width": "9"})


def test_settings_have_the_type_of_their_default(model_file: Path) -> None:
    """What is typed on a command line is read as what the Config declares."""
    model = spec.load(spec.find(str(model_file)))
    config = model.config({"width": "32", "dropout": "0.5", "bias": "False", "strides": "1,2"})
    assert (config.width, config.dropout, config.bias, config.strides) == (32, 0.5, False, (1, 2))
    assert model.config({}) == model.module.Config()


@pytest.mark.parametrize(
    ("key", "text", "sentence"),
    [
        ("height", "3", "my_model has no setting 'height': expected one of width, dropout, bias, strides"),
        ("width", "wide", "setting width of my_model is 'wide': expected a whole number, for example 4"),
        ("width", "3.5", "expected a whole number"),
        ("dropout", "much", "expected a number, for example 0.1"),
        ("bias", "perhaps", "expected true or false"),
        ("strides", "1,x", "setting strides of my_model is '1,x': expected values with commas"),
    ],
)
def test_wrong_setting_is_refused(model_file: Path, key: str, text: str, sentence: str) -> None:
    """A key that is not there, or a value of another type, is one sentence."""
    with pytest.raises(ModelError, match=sentence):
        spec.load(spec.find(str(model_file))).config({key: text})


GENERATOR = MODEL.replace('"classification"', '"generation"').replace('INPUT = "rgb"', 'INPUT = "frames"')


def test_generator_states_what_it_is_told_or_learns_to_tell(model_file: Path) -> None:
    """ATTRIBUTES and LABELS are literals too; a file has one of them, or neither."""
    model_file.write_text(GENERATOR + '\nATTRIBUTES = ("shape", "size")\n')
    found = spec.find(str(model_file))
    assert (found.task, found.input, found.attributes, found.labels) == ("generation", "frames", ("shape", "size"), "")
    model_file.write_text(GENERATOR + '\nLABELS = "shape"\n')
    assert spec.find(str(model_file)).labels == "shape"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('ATTRIBUTES = ["shape"]', r"ATTRIBUTES is \['shape'\] .* expected a tuple of names"),
        ("LABELS = 3", "LABELS is 3 .* expected the name of one attribute"),
        ('ATTRIBUTES = ("shape",)\nLABELS = "shape"', "expected the name of one attribute, and no ATTRIBUTES"),
    ],
)
def test_other_statements_of_a_generator_are_refused(more: str, message: str, model_file: Path) -> None:
    """The message says what was expected."""
    model_file.write_text(f"{GENERATOR}\n{more}\n")
    with pytest.raises(ModelError, match=message):
        spec.find(str(model_file))


def test_generator_of_another_input_is_refused(model_file: Path) -> None:
    """Flow and standardised clips are for classifiers."""
    model_file.write_text(GENERATOR.replace('INPUT = "frames"', 'INPUT = "rgb"'))
    with pytest.raises(ModelError, match=r"INPUT is 'rgb' .* expected one of frames, clips"):
        spec.load(spec.find(str(model_file)))
