"""The log lines are those of a real Triton 2.51."""

import pytest
from triton_rag_server.log import Failure, find_failure, loaded_models, stuck_model

NOISE = """\
W1124 00:09:38.307032 15847 pinned_memory_manager.cc:273] "Unable to allocate pinned system memory"
E1124 00:09:38.307260 15847 server.cc:241] "CudaDriverHelper has not been initialized."
Error: Failed to initialize NVML
"""
END = "error: creating server: Internal - failed to load all models\n"

CASES = {
    "an exception in initialize": (
        (
            "E1124 00:12:23 19963 model_lifecycle.cc:642] \"failed to load 'generator' version 1: "
            'Internal: ValueError: two\\nlines \\"quoted\\"\\n\\nAt:\\n  /g/1/model.py(6): initialize\\n"\n'
        ),
        Failure("model", "generator", 'ValueError: two lines "quoted" (/g/1/model.py line 6)'),
    ),
    "a syntax error": (
        (
            "E1124 00:12:15 19803 model_lifecycle.cc:642] \"failed to load 'answer' version 1: Internal: "
            "SyntaxError: '(' was never closed (model.py, line 15)\"\n"
        ),
        Failure("model", "answer", "SyntaxError: '(' was never closed (model.py, line 15)"),
    ),
    "a missing backend": (
        (
            "E1124 00:12:16 19803 model_lifecycle.cc:642] \"failed to load 'encoder' version 1: Invalid "
            "argument: unable to find backend library for backend 'onnxruntime', try something.\"\n"
        ),
        Failure(
            "model",
            "encoder",
            "unable to find backend library for backend 'onnxruntime', try something.",
        ),
    ),
    "an unreadable configuration": (
        (
            "[libprotobuf ERROR text_format.cc:337] Error parsing text-format inference.ModelConfig: 7:10: "
            'Message type "inference.ModelConfig" has no field named "nonsense".\n'
            'E1124 00:11:13 19803 model_repository_manager.cc:1460] "Poll failed for model directory '
            "'embed': failed to read text proto from /r/embed/config.pbtxt\"\n"
        ),
        Failure(
            "model",
            "embed",
            "config.pbtxt line 7, column 10: "
            'Message type "inference.ModelConfig" has no field named "nonsense".',
        ),
    ),
    "no version": (
        (
            "E1124 00:12:14 19803 model_repository_manager.cc:724] \"failed to load model 'rag': "
            "at least one version must be available under the version policy of model 'rag'\"\n"
        ),
        Failure(
            "model", "rag", "at least one version must be available under the version policy of model 'rag'"
        ),
    ),
    "a type that does not fit": (
        (
            'E1124 00:12:25 19803 model_repository_manager.cc:703] "Invalid argument: in ensemble rag, '
            'ensemble tensor IN: inconsistent data type: TYPE_FP32 is inferred"\n'
        ),
        Failure("model", "rag", "ensemble tensor IN: inconsistent data type: TYPE_FP32 is inferred"),
    ),
    "a port in use": (
        (
            'E1124 00:09:47.895289 16100 main.cc:257] "failed to start HTTP service: Unavailable - Socket '
            "'127.0.0.1:18100' already in use \"\n"
        ),
        Failure("port", "127.0.0.1:18100", "the HTTP port 127.0.0.1:18100 is in use"),
    ),
    "a missing library": (
        "/stub: error while loading shared libraries: libpython3.11.so.1.0: cannot open shared object\n",
        Failure("library", "libpython3.11.so.1.0", "libpython3.11.so.1.0: cannot open shared object"),
    ),
    "no repository": (
        "error: creating server: Internal - failed to stat file /missing\n",
        Failure("server", "", "failed to stat file /missing"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_cause_is_named_in_one_line(case: str) -> None:
    lines, failure = CASES[case]
    assert find_failure(NOISE + lines + END) == failure


def test_the_model_that_failed_is_named_and_not_the_ensemble_that_needs_it() -> None:
    lines, failure = CASES["an exception in initialize"]
    dependent = (
        "E1124 00:12:30 20230 manager.cc:703] \"Invalid argument: ensemble 'rag' "
        "depends on 'generator' which has no loaded version. Model 'generator' loading failed: ...\"\n"
    )
    assert find_failure(NOISE + lines + dependent + END) == failure
    assert find_failure(NOISE + dependent + END).subject == "rag"


def test_a_server_that_crashed_over_a_model_leaves_the_reason_and_whom_it_can_be() -> None:
    begun = "".join(
        f'I1124 22:07:06 9 python_be.cc:2249] "TRITONBACKEND_ModelInstanceInitialize: {instance} (CPU 0)"\n'
        for instance in ("answer_0_0", "generator_0_0", "embed_0_1")
    )
    loaded = "I1124 22:07:07 9 model_lifecycle.cc:839] \"successfully loaded '{}'\"\n"
    failed = (
        'E1124 22:07:09 9 backend_model.cc:692] "ERROR: Failed to create instance: failed to run warmup '
        "sample 'question': the model's scores are no numbers: the largest is nan; \"\n"
    )
    log = f"{begun}{loaded.format('answer')}{failed}I1124 22:07:09 9 model_lifecycle.cc:777] and on\n"
    reason = "failed to run warmup sample 'question': the model's scores are no numbers: the largest is nan"
    assert find_failure(log) == Failure("model", "generator or embed", reason)
    assert find_failure(log + loaded.format("embed")) == Failure("model", "generator", reason)


def test_of_a_server_that_crashed_before_it_said_why_the_models_last_exception_is_told() -> None:
    log = (
        "I1125 00:02:11 9 model_lifecycle.cc:839] \"successfully loaded 'answer'\"\n"
        "a token could not be added to its answer\n"
        "Traceback (most recent call last):\n"
        '  File "/r/generator/1/generation/delivery.py", line 40, in advance\n'
        "    news = request.advance(drafts, result)\n"
        "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "generation.errors.StepError: the model's scores are no numbers: the largest is nan\n"
        "terminate called after throwing an instance of 'boost::interprocess::lock_exception'\n"
        "  what():  boost::interprocess::lock_exception\n"
    )
    reason = "generation.errors.StepError: the model's scores are no numbers: the largest is nan"
    assert find_failure(log) == Failure("model", "generator", reason)


def test_a_log_without_a_known_cause_gives_its_last_line() -> None:
    assert find_failure("something\nSegmentation fault\n+----+\n").reason == "Segmentation fault"
    assert find_failure("").reason == "it wrote nothing"


def test_a_model_without_its_file_is_seen_while_the_server_hangs() -> None:
    line = (
        "I1124 00:11:14.335174 18272 pb_stub.cc:2105]  Failed to preinitialize Python stub: Python model "
        "file not found in '/r/identity/1/model.py'\n"
    )
    failure = stuck_model(NOISE + line)
    assert failure is not None
    assert failure == Failure("model", "identity", "Python model file not found in '/r/identity/1/model.py'")
    assert stuck_model(NOISE) is None


def test_loaded_models_come_in_their_order() -> None:
    log = "x \"successfully loaded 'b'\"\nx \"successfully loaded 'a'\"\n"
    assert loaded_models(log) == ("b", "a")
