"""The texts that lie beside a model of Hugging Face's libraries."""

from __future__ import annotations

import re

from ckptdoctor.layouts.files import Form, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.json_object import read_object
from ckptdoctor.layouts.side_files import SideFile

__all__ = ["CONFIGURATION", "TEXTS", "is_model_config"]

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

_OF_A_MODEL = frozenset(
    "architectures model_type transformers_version _class_name _diffusers_version".split()
)


def is_model_config(folder: Folder) -> bool:
    """Whether a configuration there is one of transformers', diffusers' or PEFT's."""
    if "adapter_config.json" in folder:
        return "peft_type" in (read_object(folder, "adapter_config.json") or {})
    return not _OF_A_MODEL.isdisjoint(read_object(folder, "config.json") or {})
