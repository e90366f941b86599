"""The machine a run is on: its device, its number format, its memory, and what a record says of them.

Torch is loaded by what asks for a device: whoever scores predictions needs none.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import platform
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import TrainingError
from benchmark.recipe import PRECISIONS
from benchmark.record import Environment
from dynamics_gen.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")
LIBRARIES = (
    "dynamics-benchmark",
    "torch",
    "lightning-fabric",
    "numpy",
    "h5py",
    "scikit-learn",
    "opencv-python-headless",
)

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_LARGEST_INT = 2**31 - 1


def choose_device(name: str, number: int | None = None) -> torch.device:
    """The device called `auto` (CUDA where there is one, else the CPU), `cpu` or `cuda`.

    On CUDA, cuDNN tries its kernels on the first batch of each shape and keeps the fastest; shapes hardly ever change.

    Args:
        name: one of `DEVICES`.
        number: which GPU, where several are used; on a CPU it is no matter.

    Raises:
        UnknownNameError: no device has that name.
        ConfigError: there is no CUDA device, or none of that number.
    """
    import torch

    if name not in DEVICES:
        raise UnknownNameError("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device is cuda, but torch finds no CUDA device here: use --device cpu, or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = name == "cuda"
    if name == "cpu" or number is None:
        return torch.device(name)
    if number >= torch.cuda.device_count():
        raise ConfigError(
            f"a process was given the CUDA device {number}, and there are {torch.cuda.device_count()} here, "
            "counted from 0: use fewer --devices, or --device cpu"
        )
    return torch.device(name, number)


def choose_precision(name: str, device: torch.device) -> str:
    """The precision called `auto` on a device: bfloat16 on processors that multiply it natively, else 32 bits.

    Measured on one core with AVX512-BF16, a training step, in ms a clip, 32-true against bf16-mixed: `conv3d` 10.8
    and 7.4, `conv3d_convlstm` 22.9 and 13.5. Without such instructions oneDNN emulates them, slowly. On an H100 steps
    of networks as small as ours wait for kernels to be launched, and autocast's casts are more of them: in bfloat16
    eight classifiers had 0.69 to 1.14 times the pace that they had in 32 bits, in the median 0.83. Where steps are
    replayed there is no such wait: `conv3d`, the one that was measured so, had 1.14 times the pace in bfloat16.
    """
    if name != "auto":
        assert name in PRECISIONS
        return name
    return "bf16-mixed" if device.type == "cpu" and _multiplies_bfloat16() else "32-true"


def precision_to_apply(trained: str, device: torch.device) -> str:
    """In what to apply weights that were trained in some precision: the same, but where a CPU would emulate it.

    There a convolution took 150 times as long in bfloat16 (one core, AVX2), and 32 bits hold all that it does.
    """
    return "32-true" if trained == "bf16-mixed" and device.type == "cpu" and not _multiplies_bfloat16() else trained


def _multiplies_bfloat16() -> bool:
    import torch

    return torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported()


@contextlib.contextmanager
def enough_memory(advice: str) -> Iterator[None]:
    """Within it, a GPU with too little memory is one sentence: how much was wanted, of how much, and `advice`.

    Raises:
        TrainingError: it has too little.
    """
    try:
        yield
    except RuntimeError as error:
        if type(error).__name__ != "OutOfMemoryError":  # torch's; it may not have been loaded at all
            raise
        wanted = str(error).partition(" Process ")[0].rstrip(".")  # torch goes on with every process there
        raise TrainingError(f"{wanted}: {advice}") from None


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """Within it numbers below 1.2e-38 are zero on a CPU, in this thread and in those that it starts.

    Processors reckon with such numbers many times as slowly, and where gradients are small, Adam's averages of their
    squares are full of them. In the second epoch of `semi_supervised_gan` the pace had fallen from 149 frames/s to less
    than 35; so it is 151. Outside of training they stay as they are: what is simulated or tested is as ever.
    """
    import torch

    before = (torch.tensor([torch.finfo(torch.float32).tiny]) / 2).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def keep_freed_memory() -> bool:
    """Makes glibc keep what is freed, so that every step's activations reuse the pages of the step before.

    Otherwise each is mapped anew and each of its pages faults: a third of a training step of a small Conv3D on a CPU.

    Returns:
        whether the process runs on glibc, the one allocator this speaks to.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return mallopt(_M_MMAP_MAX, 0) == 1 and mallopt(_M_TRIM_THRESHOLD, _LARGEST_INT) == 1


def free_memory(device: torch.device) -> int:
    """Bytes that a tensor on the device could still take: of the GPU, or of the machine and its control group."""
    if device.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(device)[0]
    free = [_field("/proc/meminfo", "MemAvailable:")]
    with contextlib.suppress(OSError, ValueError):  # "max", or no control groups of version 2
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        cache = _field("/sys/fs/cgroup/memory.stat", "file", unit=1)
        free.append(limit - used + cache)
    return max(min(free), 0)


def reset_peak_memory(device: torch.device) -> None:
    """Starts `peak_memory` anew, where the system can."""
    if device.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int:
    """Most bytes taken since the last reset: on a GPU by tensors there, else by the process, clips included."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device)
    return _field("/proc/self/status", "VmHWM:") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def device_name(device: torch.device) -> str:
    """What the device calls itself."""
    if device.type == "cuda":
        import torch

        return torch.cuda.get_device_name(device)
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip() or "CPU"
    return platform.processor() or "CPU"


def optimiser_settings(device: torch.device) -> dict[str, Any]:
    """How Adam is computed on a device, which is no part of a recipe: on a GPU in one kernel that can be recorded."""
    return dict.fromkeys(("fused", "capturable"), device.type == "cuda")


def hardware(device: torch.device, count: int) -> str:
    """The device's name, with their number where there are several."""
    name = device_name(device)
    return name if count == 1 else f"{count} × {name}"


def commit(folder: Path = Path(__file__).parent) -> str:
    """The commit of the checkout that holds this file, `-dirty` added where tracked files differ from it.

    `unknown` outside a checkout, also when a stranger's checkout holds an installed copy.
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("-dirty" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def environment(device: str, precision: str) -> Environment:
    """What a record says of where it was made: on which device, by name, and in which number format."""
    import torch

    return Environment(
        device=device,
        precision=precision,
        threads=torch.get_num_threads(),
        commit=commit(),
        python=platform.python_version(),
        platform=platform.platform(),
        libraries=libraries(),
    )


def libraries() -> dict[str, str]:
    """Versions of what the figures depend on."""
    found = {}
    for name in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _field(path: str, name: str, unit: int = 1024) -> int:
    """A number from a file of lines `name number`, in bytes; 0 where there is none."""
    with contextlib.suppress(OSError):
        for line in Path(path).read_text().splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == name:
                return int(words[1]) * unit
    return 0
