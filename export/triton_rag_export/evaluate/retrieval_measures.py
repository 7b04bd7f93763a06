"""Standard measures of ranked retrieval, computed by ir-measures (trec_eval's definitions).

nDCG@10 (Järvelin and Kekäläinen 2002, gain = grade), recall at 1, 5 and 10 (share of the right ones found),
MRR (reciprocal rank of the first right one). All are means over the questions.
"""

from collections.abc import Mapping, Sequence

MEASURES = ("nDCG@10", "recall@1", "recall@5", "recall@10", "MRR")


def retrieval_measures(
    grades: Sequence[Mapping[str, int]], rankings: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Measure rankings against grades.

    Args:
        grades: for each question, grade (1 or more) by id.
        rankings: for each question, ids best first, each id once.

    Returns:
        Each of `MEASURES`, 0 to 1.
    """
    import ir_measures
    from ir_measures import RR, R, nDCG

    wanted = dict(zip(MEASURES, (nDCG @ 10, R @ 1, R @ 5, R @ 10, RR), strict=True))
    right = [
        ir_measures.Qrel(str(number), name, grade)
        for number, question in enumerate(grades)
        for name, grade in question.items()
    ]
    found = [
        ir_measures.ScoredDoc(str(number), name, -float(rank))
        for number, ranking in enumerate(rankings)
        for rank, name in enumerate(ranking)
    ]
    values = ir_measures.calc_aggregate(list(wanted.values()), right, found)
    return {name: float(values[measure]) for name, measure in wanted.items()}
