"""The chosen weights put to the three splits: probabilities by clip, and the scores they have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import nn

from benchmark import flops
from benchmark.checkpoint import Checkpoint
from benchmark.choice import read_choice
from benchmark.classification import Classification
from benchmark.data import Clips, sequential
from benchmark.errors import ModelError, TrainingError
from benchmark.folder import RunFolder
from benchmark.predictions import Predictions, make
from dynamics_gen.files import write_whole

SCORED_TRAIN_CLIPS = 5_000
"""Train is scored on its first clips, up to this many."""


def predict(learner: Classification, clips: Clips, batch_size: int, most: int | None = None) -> Predictions:
    """What the learner says of a split's clips in order, the first `most` of them; no augmentation, eval mode."""
    count = len(clips) if most is None else min(most, len(clips))
    labels, probabilities = learner.predict(clips.batches(sequential(count, batch_size)))
    return make(clips.dataset.clip_ids[:count], labels.numpy(), probabilities.numpy())


def save_weights(state: Checkpoint, path: Path) -> bytes:
    """Writes the chosen weights of a finished run as safetensors, keys `module/name`; returns the file's bytes."""
    tensors = {
        f"{module}/{key}": tensor.contiguous()
        for module, weights in state.chosen.items()
        for key, tensor in weights.items()
    }
    content = save(tensors)
    write_whole(path, content)
    return content


def load_weights(modules: Mapping[str, nn.Module], path: Path) -> None:
    """Puts saved weights into modules of the same shape.

    Raises:
        TrainingError: the file is damaged, or has other weights than the modules.
    """
    try:
        tensors = load_file(path)
        for name, module in modules.items():
            prefix = f"{name}/"
            module.load_state_dict(
                {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
            )
    except (SafetensorError, RuntimeError) as error:
        reason = str(error).strip().replace("\n", " ")[:200]
        raise TrainingError(f"{path} does not hold the weights of this model ({reason})") from None


def load_chosen(modules: Mapping[str, nn.Module], folder: RunFolder, seed: int) -> None:
    """Puts a seed's chosen weights into modules of the same shape.

    Raises:
        TrainingError: the choice or the weights are missing, or not each other's.
    """
    read_choice(folder.choice(seed))
    load_weights(modules, folder.weights(seed))


def parameters(network: nn.Module) -> int:
    """How many numbers are learnt."""
    return sum(weight.numel() for weight in network.parameters() if weight.requires_grad)


@torch.no_grad()
def flops_per_clip(network: nn.Module, shape: tuple[int, int, int, int], classes: int) -> int:
    """Floating-point operations of one clip's way forward: two for each multiply-add of a convolution or a matrix.

    Args:
        network: on the CPU; its mode is restored.
        shape: the (T, C, H, W) of its input.
        classes: how many logits it must give.

    Raises:
        ModelError: what it gives are no logits of that many classes.
    """
    frames, channels, height, width = shape
    with flops.counted(network) as counter:
        logits = network(torch.zeros(1, channels, frames, height, width))
    found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    if found != (1, classes):
        raise ModelError(f"the network gives {found} for one clip: expected logits of shape {(1, classes)}")
    return counter.get_total_flops()
