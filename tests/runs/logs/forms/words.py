"""Logs in other languages than English, and with decimal commas."""

from __future__ import annotations

from collections.abc import Callable

from tests.runs.logs.forms.form import Answer, Form, Moment, as_read, epochs

__all__ = ["FORMS"]


def _plain(value: float) -> str:
    return f"{value:.4f}"


def _comma(value: float) -> str:
    return f"{value:.4f}".replace(".", ",")


def _words(
    name: str,
    pattern: str,
    metric: str,
    *,
    number: Callable[[float], str] = _plain,
    first: int = 1,
    of_loss: bool = False,
) -> Form:
    """A form of one line an epoch: `e`, `n`, and `s`, `t`, `v` as in `scripts`."""

    def shown(one: Moment) -> float:
        return as_read(_plain(one.val if of_loss else one.score))

    return Form(
        name=name,
        source="a script of people who speak that language",
        file="train.log",
        write=lambda course: "".join(
            pattern.format(
                e=at, n=len(course), s=number(one.score), t=number(one.train), v=number(one.val)
            )
            + "\n"
            for at, one in enumerate(course, start=first)
        ),
        answers=(Answer(metric=metric, shown=shown, place=epochs(first)),),
    )


FORMS: tuple[Form, ...] = (
    _words("chinese", "第{e}轮: 训练损失: {t}, 验证损失: {v}, 验证准确率: {s}", "准确率|acc"),
    _words("chinese-of-total", "第 {e}/{n} 个epoch，损失：{t}，验证集mIoU：{s}", "(?i)miou"),
    _words(
        "chinese-rounds", "轮次 {e}/{n} | 训练损失 {t} | 验证损失 {v}", "验证|val", of_loss=True
    ),
    _words("chinese-mixed", "Epoch {e}/{n} 训练loss={t} 验证loss={v} 准确率={s}", "准确率|acc"),
    _words(
        "japanese", "エポック {e}/{n} 損失: {t} 検証損失: {v} 検証精度: {s}", "精度|acc|precision"
    ),
    _words("korean", "에폭 {e}/{n} 손실: {t} 검증 손실: {v} 검증 정확도: {s}", "정확도|acc"),
    _words(
        "german",
        "Epoche {e}/{n}: Verlust {t}, Val-Verlust {v}, Genauigkeit {s}",
        "(?i)genauigkeit|acc",
    ),
    _words(
        "german-comma",
        "Epoche {e}: Trainingsverlust: {t} | Validierungsgenauigkeit: {s}",
        "(?i)genauigkeit|acc",
        number=_comma,
    ),
    _words(
        "french",
        "Époque {e}/{n} : perte = {t}, perte de validation = {v}, exactitude = {s}",
        "(?i)exactitude|acc",
    ),
    _words(
        "french-comma",
        "Époque {e} - perte : {t} - précision de validation : {s}",
        "(?i)précision|precision|acc",
        number=_comma,
    ),
    _words(
        "spanish",
        "Época {e}/{n} | pérdida: {t} | pérdida val: {v} | exactitud val: {s}",
        "(?i)exactitud|acc",
    ),
    _words(
        "portuguese", "Época {e}: perda {t}, perda de validação {v}, acurácia {s}", "(?i)acur|acc"
    ),
    _words(
        "italian",
        "Epoca {e}/{n}: perdita {t}, accuratezza di validazione {s}",
        "(?i)accuratezza|acc",
    ),
    _words(
        "russian",
        "Эпоха {e}/{n}: потери {t}, потери на валидации {v}, точность {s}",
        "(?i)точность|acc",
    ),
    _words("polish", "Epoka {e}: strata={t}, dokładność={s}", "(?i)dok|acc"),
    _words("turkish", "Dönem {e}/{n} kayıp: {t} doğruluk: {s}", "(?i)doğruluk|acc"),
    _words(
        "decimal-commas",
        "Epoch {e}: loss: {t}; val_loss: {v}; val_iou: {s}",
        "(?i)iou",
        number=_comma,
    ),
    _words(
        "decimal-commas-and-commas", "Epoch {e}, loss: {t}, val_iou: {s}", "(?i)iou", number=_comma
    ),
)
