"""The weights of the models in a folder, as Hugging Face's libraries store them.

One file, or shards with an index, in one form or in several: what is loaded is a plain file before
shards, safetensors before pickles, and what has no variant before what has one. The other forms
are kept as parts that nothing depends on.

Source: ``transformers/modeling_utils.py`` (``_get_resolved_checkpoint_files``),
``accelerate/checkpointing.py`` (``load_accelerator_state``).
"""

from __future__ import annotations

from ckptdoctor.layouts.found import Found, Place
from ckptdoctor.layouts.weights.forms import WeightForm
from ckptdoctor.layouts.weights.index import ShardIndex
from ckptdoctor.layouts.weights.names import is_further, weight_name

__all__ = ["weights_in"]


def weights_in(place: Place) -> Found:
    """All weights in a folder, not in those below it.

    Args:
        place: the folder, and what it is to the checkpoint.
    """
    models: dict[str, dict[tuple[str, str], WeightForm]] = {}
    owners: dict[str, WeightForm] = {}
    told = {name: said for name in place.folder.files if (said := weight_name(name)) is not None}
    for name, said in sorted(told.items(), key=lambda item: not item[1].is_index):
        form = owners.get(name)
        if form is None:
            forms = models.setdefault(said.model, {})
            form = forms.setdefault((said.variant, said.kind), WeightForm())
        if said.is_index:
            index = ShardIndex(place.folder, name)
            form.add_index(index, said)
            owners |= dict.fromkeys(index.mapped or (), form)
        else:
            form.add(name, said)
    found = Found()
    for model, forms in models.items():
        first, *others = sorted(forms.items(), key=lambda item: _preference(*item))
        prefix = f"{model}." if is_further(model) else ""
        found += first[1].read(place._replace(prefix=place.prefix + prefix))
        for _, form in others:
            found += form.read_beside(place)
    return found


def _preference(key: tuple[str, str], form: WeightForm) -> tuple[bool, bool, bool]:
    variant, kind = key
    return not form.has_files, bool(variant), kind != "safetensors"
