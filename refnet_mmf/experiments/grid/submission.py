"""What a run asks for when it is submitted to a SLURM cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Cluster = Literal["slurm", "local"]
CLUSTERS = ("slurm", "local")


@dataclass(frozen=True)
class Submission:
    """What a job asks for.

    Attributes:
        cluster: ``slurm``; ``local``: processes of this machine, by the same code.
        at_once: how many jobs are submitted at a time; 0: all.
        partition: of the cluster; empty: its default.
        account: that pays; empty: its default.
        gpus: of a run: 0 or 1.
        cpus: of a run, which computes with one thread; the others load data.
        memory: of a run, in GB.
        hours: after which a job is stopped; it is submitted anew then, and goes on.
    """

    cluster: Cluster
    at_once: int = 0
    partition: str = ""
    account: str = ""
    gpus: int = 1
    cpus: int = 4
    memory: float = 32.0
    hours: float = 12.0

    @property
    def parameters(self) -> dict[str, Any]:
        """What submitit's executor is told."""
        slurm = {"slurm_partition": self.partition, "slurm_account": self.account}
        return {
            "timeout_min": max(1, round(60 * self.hours)),
            "cpus_per_task": self.cpus,
            "gpus_per_node": self.gpus,
            "mem_gb": self.memory,
            "tasks_per_node": 1,
            "nodes": 1,
            **{key: value for key, value in slurm.items() if value},
        }
