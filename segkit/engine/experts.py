"""Bring a separately trained network into a training when it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from segkit.engine.checkpoints import check_state_fits, latest_checkpoint, load_state
from segkit.weights import load_weights


class LoadExpert(Hook):
    """Load a frozen submodule's weights at the start, or before the iteration that needs them.

    So a training whose first part does without the expert may start before the expert is trained.

    Args:
        module: name of the submodule, such as ``"sync_expert"``.
        checkpoint: a checkpoint, or a work directory whose newest one is taken; or published
            weights, as ``segkit convert`` writes them.
        prefix: of the expert's keys in that checkpoint; other keys are left out.
        needed_at: first iteration that uses the expert.
        trained_by: the command that trains it, for messages.
    """

    priority = "HIGH"

    def __init__(
        self,
        *,
        module: str,
        checkpoint: str | Path,
        prefix: str = "",
        needed_at: int = 0,
        trained_by: str = "",
    ) -> None:
        self.module, self.prefix, self.needed_at = module, prefix, needed_at
        self.checkpoint, self.trained_by = Path(checkpoint), trained_by

    def before_train(self, runner: Any) -> None:
        """Load the weights if they are there; warn if they are not and not needed yet.

        Raises:
            FileNotFoundError: needed now and not there.
            CheckpointMismatchError: trained with other arguments.
        """
        if runner.iter > self.needed_at:
            return  # A resumed training that uses the expert has it in its own checkpoint.
        if self._found() is None and runner.iter < self.needed_at:
            runner.logger.warning(
                f"{self._missing()} It is needed from iteration {self.needed_at} on."
            )
            return
        self._load(runner)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Load the weights before the first iteration that needs them."""
        if batch_idx == self.needed_at:
            self._load(runner)

    def _load(self, runner: Any) -> None:
        path = self._found()
        if path is None:
            raise FileNotFoundError(f"{self._missing()} Then continue with --resume.")
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        expert = model.get_submodule(self.module)
        if path.suffix == ".safetensors":
            load_weights(expert, path)
        else:
            state = {
                key.removeprefix(self.prefix): value
                for key, value in load_state(path).items()
                if key.startswith(self.prefix)
            }
            check_state_fits(expert, state, exact=True)
            expert.load_state_dict(state)
        runner.logger.info(f"{self.module}: weights of {path}")

    def _found(self) -> Path | None:
        if self.checkpoint.is_dir():
            return latest_checkpoint(self.checkpoint)
        return self.checkpoint if self.checkpoint.is_file() else None

    def _missing(self) -> str:
        remedy = f" Train it first: `{self.trained_by}`." if self.trained_by else ""
        return f"{self.module}: no checkpoint at {self.checkpoint}.{remedy}"
