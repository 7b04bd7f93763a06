"""Turns of two servers: their order, what they are asked, and what their ratios say."""

import math
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial

import pytest
from triton_rag_client.errors import UnavailableError
from triton_rag_client.load import ClosedLoop, LevelResult, Load, OpenLoop, Service, measure_level
from triton_rag_client.load.comparison import FIGURES, ComparedFigure, Contestant, compared, notes, rounds_of
from triton_rag_client.load.comparison_table import comparison_table, failure_table
from triton_rag_client.load.ratios import paired_ratio
from triton_rag_client.results import Delta
from virtual_services import delta

QUESTIONS = tuple(f"question {number}" for number in range(40))
TWO = ClosedLoop(2)  # for no time at all: two requests to warm up, and two that are measured


class Client:
    """Answers at once, with so many tokens, or fails."""

    def __init__(self, asked: list[str], tokens: int, is_failing: bool = False) -> None:
        self._asked, self._tokens, self._is_failing = asked, tokens, is_failing

    async def ready(self) -> bool:
        return True

    async def stream(self, query: str, /, **options: object) -> AsyncGenerator[Delta]:
        self._asked.append(query)
        if self._is_failing and len(self._asked) > 3:  # the check and the warm-up
            raise UnavailableError("full")
        yield delta("answer", self._tokens)


def service_of(client: Client) -> Service:
    return Service("test://", partial(nullcontext, client), 4)


class Server:
    """A contestant that notes when its turns begin and end, and what it was asked in each."""

    def __init__(self, name: str, events: list[str], tokens: int = 1, **options: bool) -> None:
        self.turns: list[list[str]] = []
        self.contestant = Contestant(name, self._serving, options.pop("is_started_anew", True))
        self._events, self._tokens, self._options = events, tokens, options

    @contextmanager
    def _serving(self) -> Iterator[Service]:
        asked: list[str] = []
        self.turns.append(asked)
        self._events.append(f"{self.contestant.name} begins")

        yield service_of(Client(asked, self._tokens, **self._options))
        self._events.append(f"{self.contestant.name} ends")


def test_servers_take_turns_and_never_run_at_once() -> None:
    events: list[str] = []
    first, second = Server("A", events), Server("B", events)
    pair = (first.contestant, second.contestant)
    found = list(rounds_of(pair, [TWO], QUESTIONS, rounds=2, seconds=0))
    assert len(found) == 2
    assert events == ["A begins", "A ends", "B begins", "B ends"] * 2


def test_both_are_asked_the_same_and_each_load_has_questions_of_its_own() -> None:
    events: list[str] = []
    first, second = Server("A", events), Server("B", events)
    pair = (first.contestant, second.contestant)
    loads = [TWO, ClosedLoop(3)]
    list(rounds_of(pair, loads, QUESTIONS, rounds=1, seconds=0))
    of_check, of_two, of_three = [39], [18, 19, 0, 1], [37, 38, 39, 20, 21, 22]  # warm-ups ask the last ones
    expected = [f"question {number}" for number in (*of_check, *of_two, *of_three)]
    assert (first.turns, second.turns) == ([expected], [expected])


def test_random_arrivals_are_the_same_in_a_round_and_others_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[Load] = []
    level = measure_level(service_of(Client([], 1)), QUESTIONS, TWO, seconds=0)

    def note(service: Service, questions: object, load: Load, **options: object) -> LevelResult:
        measured.append(load)
        return replace(level, load=load)

    monkeypatch.setattr("triton_rag_client.load.comparison.measure_level", note)
    pair = (Server("A", []).contestant, Server("B", []).contestant)
    list(rounds_of(pair, [OpenLoop(30, "poisson", 7)], QUESTIONS, rounds=2, seconds=1))
    assert [load.seed for load in measured] == [7, 7, 8, 8]


def test_ratios_are_of_the_second_to_the_first_in_every_figure() -> None:
    first, second = Server("A", [], tokens=2), Server("B", [], tokens=6)
    pair = (first.contestant, second.contestant)
    loads = [TWO]
    rounds = list(rounds_of(pair, loads, QUESTIONS, rounds=2, seconds=0))
    found = {figure.figure: figure for figure in compared(loads, rounds)}
    assert list(found) == list(FIGURES)
    assert found["tokens/s"].ratio.ratio == pytest.approx(3 * found["requests/s"].ratio.ratio)
    assert found["tokens/s"].ratio.rounds == 2
    heading, *rows = comparison_table(list(found.values()), "A", "B")
    assert heading == ("load", "figure", "A", "B", "ratio", "95% interval", "says")
    assert len(rows) == len(FIGURES)


@pytest.mark.parametrize(
    ("figure", "seconds", "says"),
    [
        ("latency p50", [2.0, 2.1, 1.9], "worse"),
        ("latency p50", [0.5, 0.51, 0.49], "better"),
        ("requests/s", [2.0, 2.1, 1.9], "better"),
        ("requests/s", [0.5, 0.51, 0.49], "worse"),
        ("requests/s", [0.9, 1.2, 1.0], "no difference shown: holds 1"),
        ("requests/s", [2.0], "one round: no interval"),
        ("requests/s", [2.0, math.nan], "not measured in every round"),
    ],
)
def test_the_table_says_what_an_interval_means(figure: str, seconds: list[float], says: str) -> None:
    ratio = paired_ratio([1.0] * len(seconds), seconds)
    found = ComparedFigure(ClosedLoop(1), figure, 1.0, seconds[0], ratio)
    assert comparison_table([found], "A", "B")[1][-1] == says


def test_a_server_that_fails_has_no_ratio_of_times_and_its_failures_are_counted() -> None:
    first, second = Server("A", []), Server("B", [], is_failing=True)
    pair = (first.contestant, second.contestant)
    loads = [TWO]
    rounds = list(rounds_of(pair, loads, QUESTIONS, rounds=2, seconds=0))
    assert all(math.isnan(figure.ratio.ratio) for figure in compared(loads, rounds))
    assert failure_table(loads, rounds, "A", "B")[1:] == (("2 at a time", "0 of 4", "4 of 4"),)


def test_nothing_is_compared_without_a_complete_round() -> None:
    assert compared([ClosedLoop(1)], []) == ()


def test_notes_say_where_a_cache_can_help() -> None:
    loads = [TWO]
    first, second = Server("A", []), Server("B", [], is_started_anew=False)
    pair = (first.contestant, second.contestant)
    rounds_with = partial(rounds_of, pair, loads, rounds=2, seconds=0)
    few, enough = QUESTIONS[:3], QUESTIONS[:4]
    repeated = notes(pair, loads, few, list(rounds_with(few)))
    assert [note.split(" ")[0] for note in repeated] == ["A", "B", "B"]
    assert "A was asked questions again (2 at a time)" in repeated[0]
    (running,) = notes(pair, loads, enough, list(rounds_with(enough)))
    assert running.startswith("B ran on from round to round")
