"""Splits as batches on the device: kept there whole when they fit, else read ahead in the background.

The order of clips and what is drawn for them are functions of (seed, epoch, step) alone, so that a run that was
stopped and resumed sees what an undisturbed one sees.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Float16, Int64
from torch import Tensor

from benchmark import inputs
from benchmark.machine import free_memory
from benchmark.spec import FLOW_INPUTS

SHARE_OF_MEMORY = 0.6
"""A split stays on the device when it takes at most this much of what is free there."""

CLIPS_A_READ = 256
BATCHES_AHEAD = 3

_ORDER, _SYMMETRY, _RANK = 0, 1, 2


class ClipDataset(Protocol):
    """What is asked of a split; `dynamics_gen.open` gives it."""

    @property
    def directory(self) -> Path:
        """Where it stands."""
        ...

    @property
    def labels(self) -> np.ndarray:
        """int64 [clips]."""
        ...

    @property
    def clip_ids(self) -> list[str]:
        """Each clip's name."""
        ...

    @property
    def video_shape(self) -> tuple[int, int, int, int]:
        """The (T, H, W, 3) of one clip."""
        ...

    @property
    def manifest(self) -> Any:
        """What the split is: release, seed, fingerprint, content."""
        ...

    def __len__(self) -> int: ...

    def read_videos(self, indices: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Frames of some clips, uint8 [clips, T, H, W, 3], into `out` where it is given."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Some clips, in the model's form, their labels, and their attributes where these were given, on the device."""

    clips: Float[Tensor, "batch channels time height width"]
    labels: Int64[Tensor, " batch"]
    attributes: Float[Tensor, "batch attribute"] | None = None
    labelled: Batch | None = None
    """Others, whose attributes may be learnt from; where a model is given few labels."""

    def __len__(self) -> int:
        return len(self.labels)

    def tensors(self) -> list[Tensor]:
        """All that it holds, in order."""
        beside = [] if self.attributes is None else [self.attributes]
        return [self.clips, self.labels, *beside, *([] if self.labelled is None else self.labelled.tensors())]

    def mapped(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """The same with a function of every tensor in its place."""
        return Batch(
            clips=function(self.clips),
            labels=function(self.labels),
            attributes=None if self.attributes is None else function(self.attributes),
            labelled=None if self.labelled is None else self.labelled.mapped(function),
        )


def shuffled(clips: int, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Every clip once, in an order drawn from (seed, epoch), cut into whole batches; the rest sits the epoch out.

    Fewer clips than one batch are one batch.
    """
    order = _generator(seed, _ORDER, epoch).permutation(clips)
    size = min(batch_size, clips)
    return list(order[: clips - clips % size].reshape(-1, size))


def sequential(clips: int, batch_size: int) -> list[np.ndarray]:
    """Every clip once, in the order of the split; the last batch may be short."""
    return [np.arange(start, min(start + batch_size, clips)) for start in range(0, clips, batch_size)]


def places_of(clips: int, count: int) -> np.ndarray:
    """Numbers of `count` of so many clips, evenly spread over them."""
    return np.linspace(0, clips - 1, count).round().astype(int)


def symmetries(batches: Sequence[np.ndarray], seed: int, epoch: int) -> list[Tensor]:
    """A symmetry of the square for each clip of each batch, uniform, drawn from (seed, epoch, step)."""
    return [
        torch.from_numpy(_generator(seed, _SYMMETRY, epoch, step).integers(0, inputs.SYMMETRIES, len(batch)))
        for step, batch in enumerate(batches)
    ]


def rank_seed(seed: int, epoch: int, rank: int) -> int:
    """Where a process draws from in an epoch, so that no two draw the same dropout; a function of its arguments."""
    return int(_generator(seed, _RANK, epoch, rank).integers(2**63))


class Clips:
    """A split, ready to be handed out as batches on a device.

    Args:
        dataset: the split.
        device: where batches are wanted.
        form: one of `spec.INPUTS`.
        resident: whether the split is kept whole on the device; by default, if it fits.
        flow: as `flow.open_flow` gives it; for the forms that have flow.
        holders: how many processes want to keep the split there.
        attributes: float32 [clips, attribute], handed out with the clips.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        device: torch.device,
        form: str,
        resident: bool | None = None,
        flow: Float16[np.ndarray, "clips steps height width 2"] | None = None,
        holders: int = 1,
        attributes: np.ndarray | None = None,
    ) -> None:
        self.dataset, self.device = dataset, device
        self.attributes = None if attributes is None else torch.from_numpy(attributes).to(device)
        self.shape = inputs.shape_of(form, dataset.video_shape)
        self.form, _, beside = form.partition("+")
        self.labels = torch.from_numpy(np.asarray(dataset.labels, np.int64))
        self._flow = flow if self.form in FLOW_INPUTS else None
        self._raw_shape = dataset.video_shape if self._flow is None else self._flow.shape[1:]
        self._raw_type = torch.uint8 if self._flow is None else torch.float16
        size = len(dataset) * int(np.prod(self._raw_shape)) * self._raw_type.itemsize
        if resident is None:
            resident = holders * size <= SHARE_OF_MEMORY * free_memory(device)
        self.resident = resident
        self._videos = self._read_all() if resident else None
        self._beside = Clips(dataset, device, beside, resident, flow, holders) if beside else None
        self._known = np.zeros(len(dataset), bool)
        self._moments = torch.zeros(len(dataset), 2, 3, device=device)
        self._mean, self._deviation = self._moments.unbind(1)
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __len__(self) -> int:
        return len(self.labels)

    def draw(self, size: int) -> Batch:
        """A batch of clips drawn with replacement, from torch's global generator."""
        return next(self.batches([torch.randint(len(self), (size,)).numpy()]))

    def spread(self, count: int, batch_size: int) -> Iterator[Batch]:
        """Batches of some clips, evenly spread over the split, in its order."""
        places = places_of(len(self), count)
        return self.batches([places[rows] for rows in sequential(count, batch_size)])

    def batches(self, order: Sequence[np.ndarray], turns: Sequence[Tensor] | None = None) -> Iterator[Batch]:
        """Batches of the clips named by `order`, each clip turned as `turns` says.

        Args:
            order: indices into the split, one array a batch.
            turns: codes for `inputs.turn`, one tensor a batch.
        """
        made = self._whole_batches(order, turns)
        return made if self._stream is None else _made_beside(made, self._stream)

    def _whole_batches(self, order: Sequence[np.ndarray], turns: Sequence[Tensor] | None) -> Iterator[Batch]:
        """Batches of the whole form."""
        if self._beside is None:
            yield from self._batches(order, turns)
            return
        for one, other in zip(self._batches(order, turns), self._beside._batches(order, turns), strict=True):
            steps = other.clips.shape[2]
            yield replace(one, clips=torch.cat([one.clips[:, :, :steps], other.clips], dim=1))

    def _batches(self, order: Sequence[np.ndarray], turns: Sequence[Tensor] | None) -> Iterator[Batch]:
        """Batches of the first part of the form.

        Rows and codes go to the device once, for all batches: from then on nothing there waits for the processor.
        """
        if len(order) == 0:
            return
        sizes = [len(rows) for rows in order]
        all_places = torch.from_numpy(np.concatenate(order)).to(self.device, non_blocking=True)
        places = all_places.split(sizes)
        labels = self.labels.to(self.device).index_select(0, all_places).split(sizes)
        if turns is not None:
            turns = torch.cat(list(turns)).to(self.device, non_blocking=True).split([len(codes) for codes in turns])
        turn = inputs.turn if self._flow is None else inputs.turn_flow
        for step, (rows, parts) in enumerate(self._fetch(order, places)):
            known = self._statistics(rows, places[step], parts) if self._flow is None else None
            if turns is not None:
                codes = turns[step].split([len(part) for part in parts])
                parts = [turn(part, code) for part, code in zip(parts, codes, strict=True)]
            yield Batch(
                clips=inputs.prepare_flow(parts) if known is None else inputs.prepare(parts, self.form, *known),
                labels=labels[step],
                attributes=None if self.attributes is None else self.attributes.index_select(0, places[step]),
            )

    def _statistics(self, rows: np.ndarray, places: Tensor, parts: Sequence[inputs.Part]) -> tuple[Tensor, Tensor]:
        """The clips' means and deviations: computed once, looked up ever after; `places` are the rows on the device."""
        if not self._known[rows].all():
            mean, deviation = inputs.statistics(parts)
            self._mean.index_copy_(0, places, mean)
            self._deviation.index_copy_(0, places, deviation)
            self._known[rows] = True
        mean, deviation = self._moments.index_select(0, places).unbind(1)
        return mean, deviation

    def _fetch(
        self, order: Sequence[np.ndarray], places: Sequence[Tensor]
    ) -> Iterator[tuple[np.ndarray, Sequence[inputs.Part]]]:
        """Each batch's frames, in parts as `inputs` likes them; `places` are the order on the device."""
        if self._videos is not None and self.device.type == "cpu":
            for rows in order:
                yield rows, [self._videos[row : row + 1] for row in rows.tolist()]
        elif self._videos is not None:
            for rows, those in zip(order, places, strict=True):
                yield rows, [inputs.select(self._videos, those)]
        else:
            for rows, videos in self._read_ahead(order):
                yield rows, videos.split(1 if self.device.type == "cpu" else len(videos))

    def _read_ahead(self, order: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, Tensor]]:
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="clips") as reader:
            waiting = iter(order)
            ahead: deque[tuple[np.ndarray, Future[Tensor]]] = deque()
            try:
                while True:
                    for rows in islice(waiting, BATCHES_AHEAD - len(ahead)):
                        ahead.append((rows, reader.submit(self._read, rows)))
                    if not ahead:
                        return
                    rows, videos = ahead.popleft()
                    yield rows, videos.result().to(self.device, non_blocking=True)
            finally:
                for _, videos in ahead:
                    videos.cancel()

    def _read(self, rows: np.ndarray) -> Tensor:
        videos = torch.from_numpy(self.dataset.read_videos(rows) if self._flow is None else self._flow[rows])
        return videos.pin_memory() if self.device.type == "cuda" else videos

    def _read_all(self) -> Tensor:
        videos = torch.empty(len(self.dataset), *self._raw_shape, dtype=self._raw_type, device=self.device)
        for start in range(0, len(videos), CLIPS_A_READ):
            part = videos[start : start + CLIPS_A_READ]
            if self.device.type == "cpu" and self._flow is None:
                self.dataset.read_videos(slice(start, start + len(part)), out=part.numpy())
            else:
                part.copy_(self._read(np.arange(start, start + len(part))))
        return videos


def _made_beside(batches: Iterator[Batch], stream: torch.cuda.Stream) -> Iterator[Batch]:
    """The same batches, each made on a stream of its own while the one before it is learnt from."""
    stream.wait_stream(torch.cuda.current_stream(stream.device))  # which may still be putting the split there

    def following() -> Batch | None:
        with torch.cuda.stream(stream):
            return next(batches, None)

    batch = following()
    while batch is not None:
        user = torch.cuda.current_stream(stream.device)
        user.wait_stream(stream)
        for made in batch.tensors():
            made.record_stream(user)
        ahead = following()
        yield batch
        batch = ahead


def _generator(seed: int, purpose: int, *key: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, *key)))
