"""What a fine-tuning has come to, so that one that was interrupted goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

EVERY = 100  # steps


@dataclass(frozen=True)
class Checkpoint:
    """One file, of one recipe: what was saved of other messages or settings is not taken up."""

    path: Path
    made_of: str

    def save(self, step: int, parts: dict[str, Any]) -> None:
        """Whole or not at all: a run that is killed while it writes leaves the file before."""
        saved = {"made_of": self.made_of, "step": step} | {name: part.state_dict() for name, part in parts.items()}
        unfinished = self.path.with_suffix(".unfinished")
        torch.save(saved, unfinished)
        unfinished.replace(self.path)

    def take_up(self, parts: dict[str, Any]) -> int:
        """Brings everything to where it was saved; returns how many steps were done."""
        saved = torch.load(self.path) if self.path.exists() else {"made_of": None}
        if saved["made_of"] != self.made_of:
            return 0
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        print(f"goes on after step {saved['step']}", flush=True)
        return saved["step"]

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
