"""Files that hold a log and have to be read as a whole: notebooks, histories, states.

Each kind turns its file into rows, or into lines that the reader of lines takes.
"""

from __future__ import annotations

from pathlib import Path

from ckptdoctor.runs.logs.documents.document import Document, Part, Unread
from ckptdoctor.runs.logs.documents.kaggle import KAGGLE
from ckptdoctor.runs.logs.documents.mlflow import MLFLOW
from ckptdoctor.runs.logs.documents.notebook import NOTEBOOK
from ckptdoctor.runs.logs.documents.structured import STRUCTURED

__all__ = ["DOCUMENTS", "WHOLE_NBYTES", "Document", "Part", "Unread", "document_of"]

WHOLE_NBYTES = 64_000_000
"""What is parsed at once of a document."""

DOCUMENTS: tuple[Document, ...] = (MLFLOW, KAGGLE, NOTEBOOK, STRUCTURED)


def document_of(head: bytes, path: Path) -> Document | None:
    """The kind of document that a file is; None where it is read line by line.

    Args:
        head: its first bytes, as UTF-8.
        path: where it lies.
    """
    return next((one for one in DOCUMENTS if one.recognises(head, path)), None)
