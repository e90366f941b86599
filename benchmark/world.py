"""The processes that train one model together, one a device: which of them this is, and what they share.

They are started by `torchrun`, or by `benchmark.launch`, which sets the same variables. All of them run the same code
on the same global batches; each learns from its own share, and gradients are averaged. The first prints and writes.
"""

from __future__ import annotations

import atexit
import inspect
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy
from torch.nn.parallel import DistributedDataParallel

from dynamics_gen.errors import ConfigError

PATIENCE = timedelta(days=1)
"""How long a process waits for another, which may score or build data meanwhile; who started them sees a death."""

_SYNC_BUFFERS = (
    "forward_sync_buffers"
    if "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
    else "broadcast_buffers"
)
"""What a newer and an older torch call it."""

Rows = TypeVar("Rows")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True, slots=True)
class World:
    """This process among those that train together; alone unless told otherwise.

    Attributes:
        rank: its number, from 0 to `size` - 1.
        size: how many there are, on all machines.
        local_rank: its number on this machine; also that of its GPU.
        local_size: how many there are on this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @classmethod
    def from_environment(cls) -> World:
        """What torchrun says, or alone.

        Raises:
            ConfigError: the machines have different numbers of processes.
        """
        names = {"rank": "RANK", "size": "WORLD_SIZE", "local_rank": "LOCAL_RANK", "local_size": "LOCAL_WORLD_SIZE"}
        if any(name not in os.environ for name in (*names.values(), "MASTER_ADDR", "MASTER_PORT")):
            return cls()
        world = cls(**{name: int(os.environ[variable]) for name, variable in names.items()})
        if world.size % world.local_size:
            raise ConfigError(
                f"{world.local_size} of {world.size} processes are on this machine: "
                "expected as many on every one, as torchrun --nproc-per-node starts them"
            )
        return world

    @property
    def is_first(self) -> bool:
        """Whether it is this process that prints and writes."""
        return self.rank == 0

    def share(self, rows: Rows) -> Rows:
        """This process's part of a list, an array or a tensor; the parts of all make up the whole."""
        return rows[self.rank :: self.size]  # type: ignore[index]

    def fabric(self, device: torch.device, precision: str) -> Fabric:
        """What puts networks on the device of each process and averages their gradients."""
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it repeats precision and processes
        for name in ("rank_zero", "distributed"):
            logging.getLogger(f"lightning_fabric.utilities.{name}").setLevel(logging.WARNING)
        if self.size == 1:
            return Fabric(accelerator=device.type, devices=1, precision=precision)  # type: ignore[arg-type]
        strategy = DDPStrategy(
            cluster_environment=TorchElasticEnvironment(),
            timeout=PATIENCE,
            **{_SYNC_BUFFERS: False},  # type: ignore[arg-type]  # they are the same already, see `benchmark.batch_norm`
        )
        fabric = Fabric(
            accelerator=device.type,
            devices=self.local_size,
            num_nodes=self.size // self.local_size,
            strategy=strategy,
            precision=precision,  # type: ignore[arg-type]
        )
        fabric.launch()  # starts nothing: the processes are there, and meet
        atexit.register(_part)
        return fabric

    def agreed(self, make: Callable[[], Result]) -> Result:
        """What the first process makes, in all of them; none goes on before it is made.

        Where `make` raises, the others wait until whoever started them ends them.
        """
        if self.size == 1:
            return make()
        made = [make() if self.is_first else None]
        torch.distributed.broadcast_object_list(made, 0)
        return made[0]  # type: ignore[return-value]


def _part() -> None:
    """Ends the threads of the process group while the interpreter still lives: later they abort the process."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


ALONE = World()
