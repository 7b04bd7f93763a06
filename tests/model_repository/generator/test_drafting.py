"""Guesses are copied from where the last words stood before."""

from generation.drafting import Acceptance, DraftSource
from hypothesis import given
from hypothesis import strategies as st


def source(*token_ids: int) -> DraftSource:
    return DraftSource(token_ids)


def test_a_guess_is_what_followed_the_same_words_before() -> None:
    assert source(1, 2, 3, 4, 5, 9, 2, 3).propose(3) == (4, 5, 9)


def test_the_longest_match_counts_then_the_latest() -> None:
    assert source(1, 2, 3, 7, 0, 2, 3, 8, 1, 2, 3).propose(1) == (7,)
    assert source(2, 3, 7, 2, 3, 8, 2, 3).propose(1) == (8,)


def test_words_that_never_stood_before_give_no_guess() -> None:
    assert source(1, 2, 3, 4).propose(4) == ()
    assert source(5).propose(4) == ()
    assert source(1, 2, 9, 2).propose(4) == ()  # a single token means nothing


def test_a_text_that_repeats_itself_is_guessed_to_go_on() -> None:
    assert source(1, 2, 3, 1, 2, 3, 1, 2).propose(7) == (3, 1, 2, 3, 1, 2, 3)


def test_pushed_tokens_count_like_the_prompt() -> None:
    drafts = source(1, 2, 3, 4)
    assert drafts.propose(2) == ()
    for token_id in (1, 2):
        drafts.push(token_id)
    assert drafts.propose(2) == (3, 4)


@given(st.lists(st.integers(0, 3), max_size=60), st.integers(0, 9))
def test_a_guess_is_never_longer_than_asked_and_made_of_the_text(token_ids: list[int], count: int) -> None:
    guess = DraftSource(token_ids).propose(count)
    assert len(guess) in (0, count)
    assert set(guess) <= set(token_ids)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=40))
def test_a_guess_follows_two_equal_tokens_at_least(token_ids: list[int]) -> None:
    guess = DraftSource(token_ids).propose(1)
    followers = {
        token_ids[place + 2]
        for place in range(len(token_ids) - 2)
        if token_ids[place : place + 2] == token_ids[-2:]
    }
    assert set(guess) <= followers
    assert bool(guess) == bool(followers)


def test_the_rate_follows_what_happens_and_stays_a_probability() -> None:
    acceptance = Acceptance()
    assert acceptance.rate == 0.5
    for _ in range(50):
        acceptance.observe(4, failed=False)
    assert 0.95 < acceptance.rate < 1
    for _ in range(50):
        acceptance.observe(0, failed=True)
    assert 0 < acceptance.rate < 0.05
