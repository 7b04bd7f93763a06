"""Some of many, spread evenly over all of them."""


def spread_places(total: int, count: int) -> list[int]:
    """Places of `count` of `total` items, ascending, evenly spread, the first among them; all if fewer."""
    count = min(count, total)
    return [number * total // count for number in range(count)]
