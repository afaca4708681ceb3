"""Words of other languages become the field's, whole words only, in their order or turned."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ckptdoctor.runs.logs.languages import in_english
from tests.each import each


@each(
    ("text", "english"),
    [
        ("验证损失：0.4", "val loss:0.4"),
        ("训练集准确率: 0.5", "train accuracy: 0.5"),
        ("平均损失: 0.5", "mean loss: 0.5"),
        ("测试精度＝0.5，损失（平均）", "test accuracy=0.5,loss(mean)"),
        ("学习率: 1e-3", "lr: 1e-3"),
        ("検証ロス: 0.4", "val loss: 0.4"),
        ("검증 정확도: 0.4", "val accuracy: 0.4"),
        ("точность на валидации: 0.8", "val accuracy: 0.8"),
        ("Потери: 0.8", "loss: 0.8"),
        ("Kayıp: 0.5", "loss: 0.5"),
        ("Perte de validation : 0.4", "validation loss : 0.4"),
        ("perte d'entraînement : 0.4", "train loss : 0.4"),
        ("taux d'apprentissage : 0.1", "lr : 0.1"),
        ("pérdida de entrenamiento 0.3", "train loss 0.3"),
        ("Precisión: 0.7", "precision: 0.7"),
        ("Validierungsverlust: 0.4", "val loss: 0.4"),
        ("Trainingsgenauigkeit: 0.9", "train accuracy: 0.9"),
        ("VERLUST 0.4", "loss 0.4"),
    ],
)
def test_a_line_in_the_terms_of_the_field(text: str, english: str) -> None:
    assert in_english(text) == english


@each(
    "text",
    [
        "Epoch 3 loss: 0.4 val_iou: 0.5",
        "strategy: 3",
        "verlustig",
        "perteloss",
        "experte: 3",
        "superperda 3",
        "第3轮",
    ],
)
def test_a_part_of_another_word_is_no_term(text: str) -> None:
    assert in_english(text) == text


def test_terms_of_chinese_need_no_space_and_get_one() -> None:
    assert in_english("验证集的损失0.4") == "val 的loss0.4"
    assert in_english("最佳验证准确率") == "best val accuracy"


@given(st.text(st.characters(max_codepoint=127, exclude_categories=["L"])))
def test_what_has_no_letters_stays_to_the_byte(text: str) -> None:
    assert in_english(text) == text


@given(st.sampled_from(["验证损失: 0.4", "Perte de validation : 0.4", "Verlust 3"]))
def test_what_is_english_already_stays(text: str) -> None:
    assert in_english(in_english(text)) == in_english(text)
