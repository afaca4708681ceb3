"""Logs as programs print them: an oracle that was written from their sources, not from the reader.

A module a field. Each form says in its docstring where its text is taken from, as repository and
file or issue; the values are our own.
"""

from __future__ import annotations

from tests.runs.logs.forms import (
    agents,
    classification,
    coco,
    detection,
    generative,
    graphs,
    habits,
    kin,
    language,
    llms,
    loggers,
    masks,
    notebooks,
    pictures,
    pixels,
    places,
    ranks,
    scenes,
    scripts,
    segmentation,
    signals,
    speech,
    texts,
    tokens,
    trainers,
    views,
    voices,
    words,
)
from tests.runs.logs.forms.courses import Course, CourseKind, make_course
from tests.runs.logs.forms.form import Form, Moment, Place, forms_of

__all__ = ["FORMS", "Course", "CourseKind", "Form", "Moment", "Place", "make_course"]

_MODULES = (
    *(
        detection,
        coco,
        segmentation,
        classification,
        language,
        speech,
        generative,
        notebooks,
        loggers,
    ),
    *(scripts, habits, kin, places, trainers),
    *(pixels, masks, tokens, texts, signals, pictures, agents, graphs),
    *(scenes, views, voices, llms, ranks),
)

FORMS: tuple[Form, ...] = (
    *(one for module in _MODULES for one in forms_of(module)),
    *words.FORMS,
)
"""Every form, field by field."""
