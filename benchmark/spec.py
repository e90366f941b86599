"""What a model must offer: one file, found by its name, described without being imported.

The file starts with a docstring (its first line is the summary) and states, as literals, `TASK`, `INPUT`, `SOURCE`
and, if it likes, `TRAINING`: its own defaults of the training recipe by size, "*" for every size. It defines a frozen
dataclass `Config` of hyper-parameters with defaults, and what its task asks for. A classifier (`classification`)
defines one of

- `build(config, shape, classes)`, which returns a `torch.nn.Module` from clips [B, C, T, H, W] to logits [B, classes],
  where `shape` is the (T, C, H, W) of its input: a network, trained by the benchmark's loop. One that learns from more
  than the cross-entropy, or in phases, also has the method `losses` of `benchmark.classification.OwnLosses`;
- `fit(config, train, valid, seed)`, which learns in its own way from two `lessons.Lesson` and yields one or more
  `lessons.Fitted`: each is scored on valid, and the best is tested. Its `INPUT` is `rgb`, for frames as they are
  stored, or `trajectory`, for the object's true motion; it has no `TRAINING`.

A generator (`generation`) defines `build(config, shape)`, which returns a network of `benchmark.generation.contract`.
Its `INPUT` is `frames` or `clips`; its `Config` may have `image_size` and, for clips, `frames`, to which they are then
shrunk. If it states `ATTRIBUTES`, names of `benchmark.generation.attributes`, it is conditional, and `build` is also
given how many numbers a row of these has. If it states `LABELS`, the name of one of them, it learns to tell its values
from few labels, of which `build` is given the number; a setting `target`, the name of another, goes before it.

A predictor (`prediction`) sees the beginning of clips. Its `INPUT` is `clips`; its `Config` may have `image_size`. It
defines `build(config, shape)`, which returns a network of `benchmark.prediction.contract`, or `predict(config, context,
count)`, a rule without weights, which returns the next frames of clips [B, C, T, H, W]; a rule has no `TRAINING`.

A study (`study`) defines `study(config, seed, folder, device, say)`, an experiment of its own on data of its own. If it
states `GROWS`, the name of a setting that says which of its parts are wanted (all, if none is named), a finished study
may be asked for more of them.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import importlib.util
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmark.errors import ModelError
from dynamics_gen.errors import DynamicsError, UnknownNameError

PACKAGE = "baselines"
GROUPS = ("classifiers", "generators", "predictors", "studies")
"""Folders of the package that hold models."""

FRAME_INPUTS = ("rgb", "pixels", "centred", "difference")
FLOW_INPUTS = ("flow_farneback", "flow_exact")
INPUTS = (*FRAME_INPUTS, *FLOW_INPUTS, *(f"rgb+{flow}" for flow in FLOW_INPUTS))
"""Forms in which a network may ask for its clips; `benchmark.inputs` makes them, of frames and of `benchmark.flow`."""

FITTED_INPUTS = ("rgb", "trajectory")
"""What a model that is fitted may ask for; `benchmark.lessons` shows it."""

VIEWS = ("frames", "clips")
"""What a generator may ask for: single frames, or whole clips; `benchmark.generation.views` shows it."""

STUDY_INPUTS = ("points", "frames", "clips")
"""What a study may say that it looks at."""

OWN_FILE = "bench_model_"
"""How the module of a user's own file begins."""

_LITERALS = ("TASK", "INPUT", "SOURCE", "TRAINING", "ATTRIBUTES", "LABELS")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

OFFERS: dict[str, dict[str, tuple[str, ...]]] = {
    "classification": {"build": INPUTS, "fit": FITTED_INPUTS},
    "generation": {"build": VIEWS},
    "prediction": {"build": ("clips",), "predict": ("clips",)},
    "study": {"study": STUDY_INPUTS},
}
"""What a model's file defines beside `Config`, one of these, by task; and which inputs go with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """A model as its file states it.

    Attributes:
        module: dotted name for import; "" for a file outside the package.
        training: the model's own defaults of the recipe, by size.
        attributes: what a conditional generator is told of a clip, by name.
        labels: the attribute that a semi-supervised generator learns to tell; "" of others.
    """

    name: str
    path: Path
    module: str = ""
    task: str
    input: str
    source: str
    summary: str
    training: dict[str, dict[str, Any]] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    labels: str = ""

    @property
    def known(self) -> tuple[str, ...]:
        """Attributes that go with its clips, whether it is told them or learns to tell them."""
        return (self.labels,) if self.labels else self.attributes


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """An imported model."""

    description: Description
    module: ModuleType

    @property
    def is_fitted(self) -> bool:
        """Whether it learns in its own way, and not by the benchmark's loop."""
        return hasattr(self.module, "fit")

    @property
    def is_trained(self) -> bool:
        """Whether it is a network that the benchmark's loop trains."""
        return hasattr(self.module, "build")

    def config(self, settings: dict[str, str]) -> Any:
        """The model's `Config`, with `settings` (names and texts, as typed on a command line) over its defaults.

        Raises:
            ModelError: the model has no such setting, or the text is not of its type.
        """
        name = self.description.name
        fields = {f.name: f for f in dataclasses.fields(self.module.Config)}
        values = {}
        for key, text in settings.items():
            if key not in fields:
                known = ", ".join(fields) or "none at all"
                raise ModelError(f"{name} has no setting {key!r}: expected one of {known}")
            default = getattr(self.module.Config(), key)
            values[key] = parse_setting(text, default, f"setting {key} of {name}")
        try:
            config = self.module.Config(**values)
            json.dumps(dataclasses.asdict(config), allow_nan=False)
        except DynamicsError:
            raise
        except (TypeError, ValueError) as error:
            raise ModelError(f"the Config of {name} cannot be used ({error}): expected plain finite values") from None
        return config

    def asked(self, config: Any) -> Model:
        """The same, learning to tell the attribute that its settings name as `target`, if it learns from few labels."""
        target = getattr(config, "target", "") if self.description.labels else ""
        if not target:
            return self
        return dataclasses.replace(self, description=dataclasses.replace(self.description, labels=target))


def list_models() -> tuple[Description, ...]:
    """Every model of the package, by group and name; nothing is imported."""
    found = importlib.util.find_spec(PACKAGE)
    folders = [Path(place) for place in (found.submodule_search_locations or ())] if found else []
    return tuple(
        describe(path, f"{PACKAGE}.{group}.{path.stem}")
        for group in GROUPS
        for folder in folders
        for path in sorted((folder / group).glob("*.py"))
        if not path.name.startswith("_")
    )


def find(name: str) -> Description:
    """Finds a model by name, or by the path of its file (anything with a slash or a `.py`).

    Raises:
        UnknownNameError: no model has that name, and there is no such file.
        ModelError: the file does not describe a model.
    """
    if name.endswith(".py") or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise UnknownNameError("model file", name, ("the path of a Python file that exists",))
        return describe(path)
    models = {model.name: model for model in list_models()}
    if name not in models:
        raise UnknownNameError("model", name, (*models, "the path of a file such as path/to/my_model.py"))
    return models[name]


def describe(path: Path, module: str = "") -> Description:
    """Reads what a model's file states of itself, without running it.

    Raises:
        ModelError: the file is no Python, or a statement is missing or not one of those that exist.
    """
    try:
        tree = ast.parse(path.read_text("utf-8"), str(path))
    except (SyntaxError, ValueError) as error:  # ValueError: not UTF-8, or a null byte
        raise ModelError(f"{path} is not Python that can be read: {error}") from None
    if not _NAME.fullmatch(path.stem):
        raise ModelError(f"{path} cannot name a model: expected a file name of at most 64 letters, digits and _ . -")
    summary = (ast.get_docstring(tree) or "").strip().partition("\n")[0]
    if not summary:
        raise ModelError(f"{path} has no docstring: expected one whose first line says what the model is")
    stated = _literals(tree, path)
    inputs = tuple(dict.fromkeys((*INPUTS, *FITTED_INPUTS, *VIEWS, *STUDY_INPUTS)))
    for constant, allowed in (
        ("TASK", tuple(OFFERS)),
        ("INPUT", inputs),
        ("SOURCE", None),
    ):
        value = stated.get(constant)
        expected = "a text" if allowed is None else f"one of {', '.join(allowed)}"
        if not isinstance(value, str) or (allowed is not None and value not in allowed):
            got = "is missing" if constant not in stated else f"is {value!r}"
            raise ModelError(f"{constant} {got} in {path}: expected {expected}, as a literal")
    training = stated.get("TRAINING", {})
    if not isinstance(training, dict) or not all(isinstance(part, dict) for part in training.values()):
        raise ModelError(
            f"TRAINING in {path} is not a dictionary of dictionaries by size: expected, for example, "
            '{"*": {"learning_rate": 1e-3}, "mini": {"epochs": 12}}'
        )
    attributes = stated.get("ATTRIBUTES", ())
    if not isinstance(attributes, tuple) or not all(isinstance(name, str) for name in attributes):
        raise ModelError(
            f'ATTRIBUTES is {attributes!r} in {path}: expected a tuple of names, such as ("shape", "size")'
        )
    labels = stated.get("LABELS", "")
    if not isinstance(labels, str) or (labels and attributes):
        raise ModelError(f"LABELS is {labels!r} in {path}: expected the name of one attribute, and no ATTRIBUTES")
    if not stated["SOURCE"].isprintable():
        raise ModelError(f"SOURCE in {path} is {stated['SOURCE']!r}: expected one line of text")
    return Description(
        name=path.stem,
        path=path,
        module=module,
        task=stated["TASK"],
        input=stated["INPUT"],
        source=stated["SOURCE"],
        summary=summary,
        training=training,
        attributes=attributes,
        labels=labels,
    )


def load(description: Description) -> Model:
    """Imports a model; a user's own file runs here, as any script of theirs would.

    Raises:
        ModelError: the file lacks something that its task asks for.
    """
    inside = description.module
    module = importlib.import_module(inside) if inside else _import_file(description.path)
    if not hasattr(module, "Config"):
        raise ModelError(f"{description.path} does not define Config: a model of {description.task} needs it")
    offered = [name for name in OFFERS[description.task] if hasattr(module, name)]
    if len(offered) != 1:
        found = (
            f"defines {' and '.join(offered)}"
            if offered
            else "does not define " + " or ".join(OFFERS[description.task])
        )
        raise ModelError(f"{description.path} {found}: a model of {description.task} needs one of them")
    if not (isinstance(module.Config, type) and dataclasses.is_dataclass(module.Config)):
        raise ModelError(
            f"Config in {description.path} is not a dataclass: decorate it with @dataclass(frozen=True, kw_only=True)"
        )
    for one in dataclasses.fields(module.Config):
        if one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            raise ModelError(f"{one.name} in the Config of {description.path} has no default: expected one for each")
    model = Model(description=description, module=module)
    allowed = OFFERS[description.task][offered[0]]
    if description.input not in allowed:
        raise ModelError(
            f"INPUT is {description.input!r} in {description.path}, which defines {offered[0]}: "
            f"expected one of {', '.join(allowed)}"
        )
    if not model.is_trained and description.training:
        raise ModelError(f"TRAINING in {description.path} has no effect on a model that is not trained: remove it")
    return model


def parse_setting(text: str, default: Any, where: str) -> Any:
    """Reads a text as a value of the type of `default`; a tuple is typed with commas between its items.

    Raises:
        ModelError: the text is of another type.
    """
    kind = type(default)
    expected = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}.get(kind)
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]
        if kind in (int, float, str):
            return kind(text)
        if kind is tuple:
            expected = "values with commas between them"
            item = default[0] if default else ""
            return tuple(parse_setting(part.strip(), item, where) for part in text.strip("() ").split(",") if part)
    except (ValueError, KeyError):
        raise ModelError(f"{where} is {text!r}: expected {expected}, for example {default!r}") from None
    raise ModelError(f"{where} is a {kind.__name__}, which cannot be set from the command line: edit the file")


def _literals(tree: ast.Module, path: Path) -> dict[str, Any]:
    """The module's assignments of literals to upper-case names."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name) and target.id in _LITERALS:
            try:
                found[target.id] = ast.literal_eval(value)
            except ValueError:
                raise ModelError(
                    f"{target.id} in line {node.lineno} of {path} is computed: expected a literal, "
                    "so that models can be listed without being run"
                ) from None
    return found


def _import_file(path: Path) -> ModuleType:
    name = f"{OWN_FILE}{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path} cannot be imported: expected a file whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
