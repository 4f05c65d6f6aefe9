"""What a sandbox can be told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path


class PollShape(Enum):
    """The two shapes of a poll's answer: of the documentation repository, and of the model page."""

    DOCUMENTATION = "documentation"
    MODEL_PAGE = "model_page"


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """Settings of one sandbox. Rates are shares between 0 and 1, drawn from `seed`."""

    listen_host: str = "127.0.0.1"
    port: int = 0
    seconds: float = 2.0
    """How long a prediction runs."""
    run_seconds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """For some models instead: how long a run takes, from and to; drawn from `seed`."""
    fail_rate: float = 0.0
    creates_per_minute: int = 100
    concurrent: int = 10
    seed: int = 0
    key: tuple[str, ...] | None = None
    """The accepted keys; None accepts any key that is not empty."""
    balance_usd: Decimal | None = None
    """What the organisation can spend in all; None is no bound."""
    state: Path | None = None
    """A file by which a restarted sandbox remembers its predictions; None forgets them."""
    poll_shape: PollShape = PollShape.DOCUMENTATION
    create_status: int = 200
    """Some pages say 200, some 201."""
    cancel_works: bool = True
    """Off: cancels are accepted and the run goes on, as at providers that cannot interrupt one."""
    executions_count_cap: int = 10_000
    executions_lag_seconds: float = 0.0
    """How long after its creation an execution appears in the listing."""
    body_limit_bytes: int = 1_048_576
    webhook_retry_seconds: float = 10.0
    webhook_timeout_seconds: float = 30.0
    clock_offset_seconds: float = 0.0
    """How far this upstream's clock is from the machine's."""

    slow_rate: float = 0.0
    slow_seconds: float = 5.0
    cut_before_rate: float = 0.0
    cut_after_rate: float = 0.0
    error_before_rate: float = 0.0
    error_after_rate: float = 0.0
    mid_answer_rate: float = 0.0
    garbage_rate: float = 0.0
    poll_error_rate: float = 0.0
    poll_cut_rate: float = 0.0
    zero_cost_rate: float = 0.0
    """Share of successes whose first terminal poll still reads a cost of 0."""
