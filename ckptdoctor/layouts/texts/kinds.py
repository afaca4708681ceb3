"""The texts that lie beside a model of Hugging Face's libraries."""

from __future__ import annotations

import re

from ckptdoctor.finding import Severity
from ckptdoctor.layouts.files import Form, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.found import Found, Place
from ckptdoctor.layouts.side_files import SideFile
from ckptdoctor.layouts.texts.json_object import is_json, read_object

__all__ = ["CONFIGURATION", "TEXTS", "broken_texts", "is_model_config"]

CONFIGURATION = (
    SideFile(
        pattern=re.compile(r"(?:config|adapter_config)\.json"), role=PartRole.ARGS, form=Form.TEXT
    ),
)
"""What a model cannot be built without."""

TEXTS = (
    SideFile(
        pattern=re.compile(
            r"(?:generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab"
            r"|preprocessor_config|processor_config|video_preprocessor_config|chat_template"
            r"|audio_tokenizer_config|quantize_config|quantization_config|modules"
            r"|config_sentence_transformers|sentence_bert_config)\.json"
            r"|(?:merges|vocab)\.txt|(?:tokenizer|spiece|sentencepiece\.bpe)\.model"
            r"|chat_template\.jinja|README\.md|zero_to_fp32\.py"
        ),
        role=PartRole.ARGS,
        form=Form.TEXT,
        needed=False,
    ),
)
"""What goes with it."""

_MOST_NBYTES = 1 << 20  # a tokenizer's vocabulary takes more, and is not worth the time
_OF_A_MODEL = frozenset(
    "architectures model_type transformers_version _class_name _diffusers_version".split()
)


def is_model_config(folder: Folder) -> bool:
    """Whether a configuration there is one of transformers', diffusers' or PEFT's."""
    if "adapter_config.json" in folder:
        return "peft_type" in (read_object(folder, "adapter_config.json") or {})
    return not _OF_A_MODEL.isdisjoint(read_object(folder, "config.json") or {})


def broken_texts(folder: Folder, found: Found) -> Found:
    """What is wrong with the configurations among the parts: nothing is built from half a text.

    Args:
        folder: of the checkpoint.
        found: its parts.
    """
    broken = [
        part.name
        for part in found.parts
        if part.form is Form.TEXT and part.role is PartRole.ARGS and _is_broken(part)
    ]
    return Found(
        problems=tuple(
            Place(folder).problem(
                name,
                f"{name} is cut, or no JSON",
                severity=Severity.WARNING,
                remedy="Copy it from another checkpoint of the same model.",
            )
            for name in broken
        )
    )


def _is_broken(part: Part) -> bool:
    folder, name = Folder(part.path.parent), part.path.name
    if not name.endswith(".json") or folder.nbytes(name) > _MOST_NBYTES:
        return False
    return not is_json(folder, name)
