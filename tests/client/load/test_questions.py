from triton_rag_client.load import python_questions


def test_questions_are_many_and_distinct() -> None:
    questions = python_questions()
    assert len(questions) == len(set(questions)) == 200
    assert all(question.endswith("?") for question in questions)
