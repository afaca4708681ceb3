"""How the team's script writes a checkpoint: ``shift_7.weights`` beside ``shift_7.rest``."""

from collections.abc import Iterator

from ckptdoctor.layouts.files import Absent, CheckpointFiles, Part, PartRole
from ckptdoctor.layouts.folder import Folder
from ckptdoctor.layouts.layout import Layout


def claim(folder: Folder) -> Iterator[CheckpointFiles]:
    """One checkpoint for every ``.weights``; one without its ``.rest`` is incomplete."""
    for name in folder.files:
        stem, _, suffix = name.rpartition(".")
        if suffix != "weights":
            continue
        rest = f"{stem}.rest"
        parts = [Part(path=folder.path / name, name=name, role=PartRole.MODEL, sibling="weights")]
        absent = []
        if rest in folder:
            part = Part(
                path=folder.path / rest,
                name=rest,
                role=PartRole.OPTIMIZER,
                prefix="optimizer.",
                sibling="rest",
            )
            parts.append(part)
        else:
            because = "the script writes one beside every .weights"
            absent.append(Absent(name=rest, role=PartRole.OPTIMIZER, because=because))
        yield CheckpointFiles(
            path=folder.path / name,
            layout=LAYOUT.name,
            parts=tuple(parts),
            absent=tuple(absent),
        )


LAYOUT = Layout(name="night-shift", claim=claim)
