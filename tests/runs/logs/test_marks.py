"""Where a line names its moment, and where a number beside such a word is none."""

from __future__ import annotations

import pytest

from ckptdoctor.histories import Position
from ckptdoctor.runs.logs import epoch_of
from ckptdoctor.runs.logs.marks import ELSEWHERE, Mark, find_mark, fraction_in, is_of_epoch
from tests.each import each


def mark(line: str, *, in_words: bool = False) -> Mark | None:
    return find_mark(line.encode(), in_words=in_words)


def moment(line: str) -> tuple[Position | None, int | None]:
    found = mark(line)
    assert found is not None, line
    assert found is not ELSEWHERE, line
    return found.epoch, found.step


@each(
    ("line", "epoch"),
    [
        ("Epoch 89: loss 0.5", 89),
        ("Epoch [89/120] loss 0.5", 89),
        ("Epoch #007 loss 0.5", 7),
        ("{'loss': 0.4, 'epoch': 0.33}", 0.33),
        ("{'epoch': '2.0', 'loss': '0.4'}", 2.0),
        ("{'loss': 0.4, 'completions/max_length': 256.0, 'epoch': 0.03}", 0.03),
        ("{'loss': 0.4, 'best_loss': 0.3, 'epoch': 3}", 3),
        ("('epoch', 3), ('loss', 0.4)", 3),
        ("Train: 88 [  10/100 ( 10%)]", 88),
        ("Train (3/20) loss 0.5", 3),
        ("E3 | loss 0.5", 3),
        ("  3|1000| loss 0.5", 3),
        ("3/10epoch: loss 0.5", 3),
        ("epochs 3/10 loss 0.5", 3),
        ("epoch-3 loss-0.4", 3),
        ("第3轮 损失 0.5", 3),
        ("第 3/20 轮 损失 0.5", 3),
        ("époque 3 : perte 0.5", 3),
        ("эпоха 4: потери 0.5", 4),
        ("Loss after epoch 3: 0.5", 3),
        ("Accuracy at epoch 3 is 0.5", 3),
        ("epoch_3: loss 0.5", 3),
        ("(3/20) loss 0.5", 3),
        ("3. Epoche: Verlust 0.5", 3),
        ("3rd epoch: loss 0.5", 3),
        ("2024-01-01 INFO 3. Epoche - Verlust: 0.5", 3),
        ("[12:00:00] After 3 epochs, loss 0.5", 3),
        ("After 3 epoch(s): loss 0.5", 3),
    ],
)
def test_an_epoch_in_the_ways_in_which_scripts_name_it(line: str, epoch: Position) -> None:
    assert moment(line)[0] == epoch


@each(
    ("line", "step"),
    [
        ("step 1500 loss 0.5", 1500),
        ("iter: 19 total_loss: 1.5", 19),
        ("Iter [50/160000] loss: 0.5", 50),
        ("Iter(train) [100/160000] loss: 0.5", 100),
        (" iteration      100/    5000 | lm loss: 0.5", 100),
        ("{'global_step': 40, 'loss': 0.5}", 40),
        ("tick 1 kimg 200 loss 0.5", 200),
        ("Steps:   5%|█ | 50/1000 [00:10<03:10]", 50),
        ("Train loss 499 0.51", 499),
        ("Validation loss 500:  0.512", 500),
        ("100 train 2.512312", 100),
    ],
)
def test_a_step_in_the_ways_in_which_scripts_name_it(line: str, step: int) -> None:
    assert moment(line) == (None, step)


@pytest.mark.parametrize(
    ("line", "both"),
    [
        ("epoch 3 step 50/100 loss 0.5", (3, 50)),
        ("  3|1000| loss 0.5", (3, 1000)),
        ("epoch 3 step 7 global_step: 1207 loss 1", (3, 1207)),  # 7 is of the epoch alone
    ],
)
def test_both_and_the_step_of_the_whole_training_first(
    line: str, both: tuple[Position, int]
) -> None:
    assert moment(line) == both


@each(
    "line",
    [
        "best epoch: 12, iou 0.6",
        "Resuming from epoch 3",
        "Total epoch: 100",
        "patience until epoch 9",
        "previous checkpoint epoch 4",
        "best_stat: {'epoch': 14, 'coco_eval_bbox': 0.5}",
        "{'best_iou': 0.6, 'epoch': 12}",
    ],
)
def test_a_line_may_speak_of_another_epoch_than_now(line: str) -> None:
    assert mark(line) is ELSEWHERE


@each(
    "line",
    [
        "accuracy 0.5",
        "Saved every step 100",
        "max step 100",
        "warmup step 100: lr 0.1",
        "deepstep 3",
        "step 10% done",
        "step_time 3.5",
        "time 2:30 loss 0.5",
        "Early stopping after no epochs",
        "Early stopping after 10 epochs, loss 0.5",
        "After 10 epochs without a better loss",
        "decays at the 30th epoch",
        "see (3/20) of 5",
        "version 1.2. epoch",
        "top-epoch 3",
        "epoch 3x",
    ],
)
def test_what_only_looks_like_a_moment_is_none(line: str) -> None:
    assert mark(line) is None


def test_the_batches_of_a_validation_are_no_step_of_the_training() -> None:
    assert find_mark(b"Iter(val) [125/125] mIoU: 0.5", in_words=False) is None
    assert moment("Iter(train) [125/160000] loss: 0.5") == (None, 125)


def test_a_number_in_brackets_is_an_epoch_only_where_none_was_named_in_words() -> None:
    for line in ("[3/10] loss 0.5", "3/10: loss 0.5", "3/10 | loss 1", "#3 loss 1", "003 | loss 1"):
        found = mark(line)
        assert found is not None
        assert (found.epoch, found.in_words) == (3, False)
        assert mark(line, in_words=True) is None
    assert mark("[3/10] loss 0.5", in_words=True) is None
    assert mark("Iter [3/10] loss 0.5", in_words=True) is not None  # that is in words


@each(
    ("line", "phase"),
    [
        ("Epoch(train) [3][50/100] loss: 0.5", b"train"),
        ("Epoch(val) [3][20/20] mIoU: 0.5", b"val"),
        ("val | epoch 003 | loss 0.5", b"val"),
        ("Test: 88 [   0/10]", b"val"),  # timm calls its validation so
        ("Train (3/20) loss 0.5", b"train"),
        ("Epoch 3 loss 0.5", b""),
        ("Train: 88 [   0/10]", b""),
    ],
)
def test_the_part_of_the_data_that_an_epoch_is_named_with(line: str, phase: bytes) -> None:
    found = mark(line)
    assert found is not None
    assert found.phase == phase


def test_lines_of_one_shape_are_of_one_epoch_as_long_as_its_bytes_are_the_same() -> None:
    """The byte behind the number belongs to them: 1 is not the beginning of 12."""
    for first, second in (("Epoch 1: loss 0.5", "Epoch 12: loss 0.5"), ("[1/20] a", "[12/20] a")):
        found = mark(first)
        assert found is not None
        assert first.encode()[found.start : found.end] == found.text
        assert second.encode()[found.start : found.end] != found.text


def test_values_begin_behind_the_moment_or_with_the_dictionary_that_it_stands_in() -> None:
    line = "{'loss': 0.4, 'epoch': 3}"
    found = mark(line)
    assert found is not None
    assert line[found.values_from :] == line
    line = "Epoch 3: loss 0.4"
    found = mark(line)
    assert found is not None
    assert line[found.values_from :] == ": loss 0.4"


@each(
    ("line", "left"),
    [
        ("Loss after epoch 3: 0.5", "Loss: 0.5"),
        ("Test accuracy at epoch 3/20 is 0.5", "Test accuracy is 0.5"),
        ("Mean IoU (epoch 3): 0.5", "Mean IoU: 0.5"),
        ("Loss (epoch 3/20) = 0.5", "Loss = 0.5"),
        ("Loss of epoch 3 = tensor(0.5)", "Loss = tensor(0.5)"),
        ("Loss after epoch 3: nan", "Loss: nan"),
    ],
)
def test_an_epoch_between_a_name_and_its_value_is_cut_out(line: str, left: str) -> None:
    found = mark(line)
    assert found is not None
    start, end = found.cut
    assert line[found.values_from : start] + line[end:] == left


def test_of_a_step_only_what_is_no_value_is_cut() -> None:
    for line, left in (
        ("step 100: loss 0.5", ": loss 0.5"),
        ("Train loss 499 0.51", "Train loss  0.51"),
        ("100 train 2.5", " train 2.5"),
    ):
        found = mark(line)
        assert found is not None
        start, end = found.cut
        assert line[:start] + line[end:] == left


def test_lines_that_count_steps_or_fractions_name_another_moment_each() -> None:
    moves = {line: mark(line) for line in ("step 3 loss 1", "epoch 0.3 loss 1", "Epoch 3 loss 1")}
    assert [found is not None and found.moves for found in moves.values()] == [True, True, False]


def test_the_fraction_of_a_line() -> None:
    assert fraction_in(b"{'loss': 0.4, 'epoch': 0.33}") == 0.33
    assert fraction_in(b"Epoch 4 loss 0.5") == 4.0
    assert fraction_in(b"loss 0.5") is None


def test_a_line_of_the_same_shape_is_of_the_epoch_that_it_names() -> None:
    """Fractions are of the epoch that they lie in, and whole ones end it."""
    within = mark("{'loss': 0.4, 'epoch': 0.33}")
    assert within is not None
    lines = {f"{{'loss': 0.4, 'epoch': {at}}}".encode(): at for at in (0.5, 0.97, 1.02, 2.5)}
    of_first = [at for line, at in lines.items() if is_of_epoch(line, within, epoch_of(0.33))]
    assert of_first == [0.5, 0.97]
    assert not is_of_epoch(b"{'loss': 0.4, 'epoch': nan}", within, epoch_of(0.33))
    named = mark("Epoch 3 loss 1")
    assert named is not None
    assert [is_of_epoch(line, named, 3) for line in (b"Epoch 3 loss 2", b"Epoch 4 loss 2")] == [
        *(True, False)
    ]
    step = mark("step 3 loss 1")
    assert step is not None
    assert is_of_epoch(b"step 4 loss 1", step, 7)
