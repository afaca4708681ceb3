"""The words of training logs in other languages, in the terms of the field."""

from __future__ import annotations

import re

from ckptdoctor.runs.logs.any_word import any_word

__all__ = ["are_eastern", "in_english"]

# What is measured, by language: the English term and the words for it.
_MEASURES = {
    "loss": (
        *("损失函数", "损失值", "损失", "損失", "ロス", "손실", "로스"),
        *("потери", "потеря", "лосс", "функция потерь"),
        *("kayıp", "perte", "verlust", "pérdida", "perdida", "perda", "perdita", "strata"),
    ),
    "accuracy": (
        *(
            "准确率",
            "精度",
            "准确度",
            "正确率",
            "準確率",
            "正解率",
            "정확도",
            "точность",
            "doğruluk",
        ),
        *("genauigkeit", "exactitude", "exactitud", "acurácia", "acuracia", "accuratezza"),
        *("dokładność", "exactidão"),
    ),
    "precision": ("精确率", "精确度", "précision", "precisión", "precisão", "precisione"),
    "recall": ("召回率", "再現率", "재현율", "полнота", "rappel", "richiamo"),
    "miou": ("平均交并比",),
    "iou": ("交并比",),
    "dice": ("骰子系数",),
    "error": ("误差", "誤差", "오차", "ошибка", "fehler", "erreur"),
    "lr": (
        *("学习率", "學習率", "学習率", "학습률", "скорость обучения"),
        *("lernrate", "taux d'apprentissage", "tasa de aprendizaje", "taxa de aprendizado"),
    ),
}
_SPLITS = {
    "train": (
        *("训练集", "训练", "訓練", "学習", "훈련", "학습", "обучение", "обучения", "трейн"),
        *("entraînement", "entrainement", "entrenamiento", "treinamento", "treino"),
        *("addestramento", "trainings", "apprentissage"),
    ),
    "val": (
        *("验证集", "验证", "驗證", "検証", "검증", "валидация", "валидации", "валидационная"),
        *("validierungs", "validierung", "validación", "validacion", "validação", "validazione"),
    ),
    "test": ("测试集", "测试", "測試", "テスト", "테스트", "тест"),
}
_OTHERS = {
    "mean": (
        "平均",
        "средняя",
        "средний",
        "moyenne",
        "durchschnittliche",
        "durchschnittlicher",
        "durchschnitt",
    ),
    "best": (
        "最佳",
        "最好",
        "最优",
        "最高",
        "최고",
        "лучшая",
        "лучший",
        "meilleure",
        "beste",
        "bester",
        "bestes",
        "mejor",
    ),
}
_OF = r"\s+(?:de\s+la\s+|de\s+|du\s+|d['’]|di\s+|na\s+|на\s+|при\s+)"
_WIDE = str.maketrans("：，；（）＝｜【】", ":,;()=|[]")

_TERMS = {
    word: english
    for table in (_MEASURES, _SPLITS, _OTHERS)
    for english, words in table.items()
    for word in words
}


_CJK = "぀-ヿ㐀-鿿가-힯"


_OF_A_SPLIT = re.compile(
    rf"(?P<what>{any_word(word for words in _MEASURES.values() for word in words)}){_OF}"
    rf"(?P<split>{any_word(word for words in _SPLITS.values() for word in words)}|validation|test)",
    re.IGNORECASE,
)
_JOINED = re.compile(
    r"\b(validierungs|trainings|test)(?=verlust|genauigkeit|fehler)", re.IGNORECASE
)
_EACH = re.compile(
    rf"{any_word(word for word in _TERMS if re.match(f'[{_CJK}]', word))}"
    rf"|(?<![^\W{_CJK}_])(?:{any_word(_TERMS)})(?![^\W\d{_CJK}_])",
    re.IGNORECASE,
)
_EASTERN = re.compile(
    any_word(word for word in _TERMS if len(word) > 1 and re.fullmatch(f"[{_CJK}]+", word))
)
_ASCII = re.compile(any_word(word for word in _TERMS if word.isascii()))


def are_eastern(text: str) -> bool:
    """Whether a text has terms of the field in Chinese, Japanese or Korean, of two letters or more.

    In another encoding than its own it has none.
    """
    return _EASTERN.search(text) is not None


def in_english(text: str) -> str:
    """A line with the words of other languages in the terms of the field.

    ``验证损失：0.4`` is ``val loss: 0.4``, ``Perte de validation`` is ``val loss``.
    """
    if text.isascii():
        if _ASCII.search(text.lower()) is None:
            return text
    else:
        text = text.translate(_WIDE)
    text = _JOINED.sub(r"\1 ", text)
    text = _OF_A_SPLIT.sub(lambda found: f"{_term(found['split'])} {_term(found['what'])}", text)
    return _EACH.sub(_english, text)


def _english(found: re.Match[str]) -> str:
    """The term; with a space behind it where the next word follows without one."""
    joins = found.end() < len(found.string) and found.string[found.end()].isalpha()
    return f"{_term(found[0])} " if joins else _term(found[0])


def _term(word: str) -> str:
    return _TERMS.get(word.lower(), word.lower())
