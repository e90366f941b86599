"""What a dataset says of itself: a card for people, in the manner of datasheets, and Croissant metadata for programs.

Sources: Gebru et al., *Datasheets for Datasets*, Communications of the ACM 64(12), 2021; the Croissant format
specification 1.0, MLCommons, 2024. Both are made from the manifests alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dynamics_gen.config import RELEASES, SECRET
from dynamics_gen.errors import ShardError
from dynamics_gen.files import explained, write_whole
from dynamics_gen.layout import Column
from dynamics_gen.manifest import NAME, Manifest, read_manifest

CARD, CROISSANT = "README.md", "croissant.json"

THESIS = "O. Mastropietro, Deep Learning for Video Modelling, MSc thesis, Université de Montréal, 2017, section 5.2"

_ORDER = ("train", "valid", "test")


def splits_in(directory: Path) -> dict[str, Path]:
    """The splits that a folder holds, by name: itself, or those in it, train before valid before test.

    Raises:
        ShardError: there is none, or two of them are not of one dataset.
    """
    folders = (
        [directory] if (directory / NAME).exists() else sorted(path.parent for path in directory.glob(f"*/{NAME}"))
    )
    if not folders:
        read_manifest(directory)  # says what is wrong
    found = {read_manifest(folder).split: folder for folder in folders}
    manifests = [read_manifest(folder) for folder in folders]
    if len({(one.release, one.classes, tuple(one.columns.items())) for one in manifests}) > 1 or len(found) < len(
        folders
    ):
        raise ShardError(
            f"{directory} holds splits of different datasets ({', '.join(str(folder) for folder in folders)}): "
            "give the folder of one"
        )
    return dict(sorted(found.items(), key=lambda item: (_ORDER.index(item[0]) if item[0] in _ORDER else 9, item[0])))


def write_card(directory: Path) -> list[Path]:
    """Writes README.md and croissant.json into a folder of one split or several.

    Raises:
        ShardError: there is no split. BuildError: the folder cannot be written.
    """
    splits = splits_in(directory)
    manifests = {split: read_manifest(folder) for split, folder in splits.items()}
    files = {
        split: [
            {
                "name": str((folder / entry.name).relative_to(directory)),
                "sha256": entry.sha256,
                "bytes": entry.bytes,
            }
            for entry in manifests[split].shards
        ]
        for split, folder in splits.items()
    }
    columns = next(iter(manifests.values())).columns
    card = dataset_card(
        manifests, columns, "HDF5 shards and a `manifest.json` a split; read them with `dynamics_gen.open`."
    )
    texts = {CARD: card, CROISSANT: croissant(manifests, columns, files, "application/x-hdf5")}
    for name, text in texts.items():
        with explained(directory / name):
            write_whole(directory / name, text.encode())
    return [directory / name for name in texts]


def title(manifest: Manifest) -> str:
    """What a dataset is called: `dynamics-standard`, or the name that an imported one was given."""
    return manifest.release if "imported" in manifest.content else f"dynamics-{manifest.release}"


def dataset_card(manifests: Mapping[str, Manifest], columns: Mapping[str, Column], form: str, front: str = "") -> str:
    """The card of a dataset, in Markdown: a datasheet's questions and what the manifests answer.

    Args:
        manifests: of its splits, by name.
        columns: what each clip has there, by name.
        form: a sentence: how it is stored.
        front: what stands above it.
    """
    first = next(iter(manifests.values()))
    imported = "imported" in first.content
    return front + "\n".join(
        [
            f"# {title(first)}",
            "",
            *(_imported if imported else _simulated)(manifests, first),
            "",
            "## Splits",
            "",
            "| split | clips | fingerprint (SHA-256 over the decoded clips) |",
            "|---|---:|---|",
            *(f"| {split} | {one.clips:,} | `{one.fingerprint}` |" for split, one in manifests.items()),
            "",
            "## Columns",
            "",
            "| column | type | shape of a clip |",
            "|---|---|---|",
            *(f"| `{name}` | {_type_name(column)} | {_shape(column)} |" for name, column in columns.items()),
            "",
            f"Stored as: {form}",
            "",
            "Made by " + ", ".join(f"{name} {version}" for name, version in first.versions.items()) + ".",
            "",
        ]
    )


def _simulated(manifests: Mapping[str, Manifest], first: Manifest) -> list[str]:
    frames, height, width, _ = first.video_shape
    content, hidden = first.content, first.seed == SECRET
    release = content.get("release", {})
    standard = RELEASES["standard"]
    differs = [
        f"{name} {_range(release[name])} instead of {_range(getattr(standard, name))}"
        for name in ("radius", "extent", "backdrop_contrast", "rotation", "falls", "restitution", "initial_speed")
        if name in release and tuple(release[name]) != tuple(getattr(standard, name))
    ]
    return [
        "Synthetic video clips in which only motion carries the class.",
        "",
        "## Motivation",
        "",
        "**For what purpose was it made?** To measure whether a video model sees motion: a single frame says nothing "
        f"of a clip's class, the trajectory says all. It realises the dataset proposed in {THESIS}, whose own data "
        "were never released.",
        "",
        "**Who made it?** Whoever ran `dynamics-gen`; its clips are a function of the configuration alone.",
        "",
        "## Composition",
        "",
        f"**What is an instance?** A clip of {frames} frames of {width}×{height} RGB at {content.get('fps', '?')} "
        "frames/s: one object before a backdrop, in one of ten motions"
        + (
            ", under names that tell nothing and without labels."
            if hidden
            else ", with everything that was drawn and simulated."
        ),
        "",
        f"**Classes.** {', '.join(first.classes)}: a path times a speed type, or rotation in place"
        + ("." if hidden else f"; {content.get('per_class', '?')} clips of each in {first.split}."),
        "",
        "**How does this release differ from `standard`?** "
        + (
            f"Its name is `{first.release}`. " + ("; ".join(differs) + "." if differs else "")
            if first.release != "standard"
            else "It is `standard`."
        ),
        "",
        "**Is anything missing, confidential, offensive, or about people?** No: everything is simulated. "
        + ("Labels are held back; `commitment.json` lets all check them later." if hidden else "Nothing is held back."),
        "",
        "**Known dependence between class and anything but motion.** What single frames, places and looks tell of the "
        "class is measured by `bench audit`, which fails above the limits it states.",
        "",
        "## Collection and labelling",
        "",
        "**How was it acquired?** Every motion was integrated by the Bullet physics engine, with real contacts for "
        "bounces; every frame was rendered by its TinyRenderer. Class and appearance are drawn from separate random "
        "streams of " + ("a secret seed." if hidden else f"seed {first.seed}."),
        "",
        "**Who labelled it?** Nobody: a clip was simulated from its label.",
        "",
        "**Preprocessing.** None; edges are anti-aliased by 2×2 samples a pixel.",
        "",
        "## Uses",
        "",
        "**What is it for?** Classifying, predicting and generating video; studying what models take from motion. "
        "**What is it not for?** Judging how a model does on natural video, or on sound, people or texture.",
        "",
        "## Distribution and maintenance",
        "",
        "The clips may be used under the MIT licence. They are rebuilt, bit for bit, by the same version of "
        "`dynamics-gen`; what has another fingerprint than below is another dataset.",
    ]


def _imported(manifests: Mapping[str, Manifest], first: Manifest) -> list[str]:
    frames, height, width, _ = first.video_shape
    said = first.content["imported"]
    return [
        "Clips that were made elsewhere, brought into the form that the Dynamics benchmark reads.",
        "",
        "## Composition",
        "",
        f"**What is an instance?** {frames} frames of {width}×{height} RGB, cut from a video file"
        + (f" at {first.content['fps']} frames/s." if first.content.get("fps") else "."),
        "",
        f"**Classes.** {', '.join(first.classes)}.",
        "",
        "**Motivation, consent, licence, people shown.** Not known here: see the source of the videos.",
        "",
        "## Preprocessing",
        "",
        "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in said.items()) + ".",
    ]


def croissant(
    manifests: Mapping[str, Manifest],
    columns: Mapping[str, Column],
    files: Mapping[str, list[dict[str, Any]]],
    encoding: str,
) -> str:
    """Croissant metadata, as JSON-LD.

    Args:
        manifests: of the splits, by name.
        columns: what each clip has there, by name.
        files: of each split: `name` (relative to where the text will stand), `sha256`, `bytes`.
        encoding: their media type.
    """
    first = next(iter(manifests.values()))
    distribution: list[dict[str, Any]] = []
    for split, entries in files.items():
        folder, suffix = Path(entries[0]["name"]).parent, Path(entries[0]["name"]).suffix
        distribution += [
            {
                "@type": "cr:FileObject",
                "@id": entry["name"],
                "name": entry["name"],
                "contentUrl": entry["name"],
                "contentSize": f"{entry['bytes']} B",
                "encodingFormat": encoding,
                "sha256": entry["sha256"],
            }
            for entry in entries
        ]
        distribution.append(
            {
                "@type": "cr:FileSet",
                "@id": f"{split}-files",
                "name": f"{split}-files",
                "encodingFormat": encoding,
                "includes": f"{folder / split}-*{suffix}",
            }
        )
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": title(first),
        "description": "Video clips in which only motion carries the class."
        if "imported" not in first.content
        else "Video clips of classes, imported into the form of the Dynamics benchmark.",
        "version": first.versions["generator"],
        "keywords": ["video", "motion", "classification"],
        "isLiveDataset": False,
        "distribution": distribution,
        "recordSet": [_record_set(split, one, columns) for split, one in manifests.items()],
    }
    if "imported" not in first.content:
        described |= {"license": "https://spdx.org/licenses/MIT.html", "citeAs": THESIS}
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def _record_set(split: str, manifest: Manifest, columns: Mapping[str, Column]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "description": f"The {manifest.clips:,} clips of {split}; fingerprint {manifest.fingerprint}.",
        "key": {"@id": f"{split}/clip_id"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{split}/{name}",
                "name": name,
                "description": f"{_type_name(column)}, {_shape(column)}",
                "dataType": _data_type(column),
                "source": {"fileSet": {"@id": f"{split}-files"}, "extract": {"column": name}},
                **({"repeated": True} if column.shape else {}),
            }
            for name, column in columns.items()
        ],
    }


def _data_type(column: Column) -> str:
    kind = column.dtype[1]
    return "sc:Text" if kind == "S" else "sc:Float" if kind == "f" else "sc:Integer"


def _type_name(column: Column) -> str:
    kind, size = column.dtype[1], int(column.dtype[2:])
    if kind == "S":
        return "text"
    return {"f": "float", "i": "int", "u": "uint", "b": "bool"}[kind] + ("" if kind == "b" else str(8 * size))


def _shape(column: Column) -> str:
    return f"[{', '.join(map(str, column.shape))}]" if column.shape else "one value"


def _range(values: list | tuple) -> str:
    return f"{values[0]:g}–{values[-1]:g}"


_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The specification's own context, appendix 1."""
