"""How sparsity grows while a model trains: fast at first, when much is superfluous, and slower later.

Zhu and Gupta, 2017, https://arxiv.org/abs/1710.01878.
"""


def cubic_sparsity(step: int, steps: int, final: float, *, initial: float = 0.0) -> float:
    """`final + (initial - final) * (1 - step / steps) ** 3`.

    Args:
        step: how many steps are done; before the first and after the last the sparsity stands still.
        steps: in how many the final sparsity is reached, at least 1.
        final: the share that is gone in the end, 0 to 1.
        initial: the share that is gone at the start.
    """
    done = min(max(step / steps, 0.0), 1.0)
    return final + (initial - final) * (1 - done) ** 3
