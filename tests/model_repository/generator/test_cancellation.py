"""Cancelling by key: for those who got the key, and only for as long as the request is there."""

import gc

from generation import CancellationKeys


def test_a_key_cancels_its_own_request_alone() -> None:
    keys = CancellationKeys()
    left, right = keys.issue(), keys.issue()
    keys.cancel(left.key)
    assert left.is_cancelled
    assert not right.is_cancelled


def test_a_key_that_was_never_given_out_cancels_nothing() -> None:
    keys = CancellationKeys()
    cancellation = keys.issue()
    for guess in (b"", b"0", cancellation.key[:-1], cancellation.key.upper() + b"0"):
        keys.cancel(guess)
    assert not cancellation.is_cancelled


def test_no_two_keys_are_alike_and_each_takes_128_bits_to_guess() -> None:
    keys = CancellationKeys()
    issued = [keys.issue() for _ in range(1000)]
    assert len({cancellation.key for cancellation in issued}) == 1000
    assert {len(bytes.fromhex(cancellation.key.decode())) for cancellation in issued} == {16}


def test_a_request_that_has_ended_is_forgotten() -> None:
    keys = CancellationKeys()
    ended, running = keys.issue(), keys.issue()
    key = ended.key
    del ended
    gc.collect()
    assert len(keys) == 1
    keys.cancel(key)
    assert not running.is_cancelled
