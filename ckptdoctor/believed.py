"""What was believed of a far file, held against the file once a scan has brought its bytes.

The directory of a zip file tells of records whose headers lie all over it; each would be a request.
Those of torch's are believed to lie where it puts them; while the scan reads on, the headers pass.
"""

from __future__ import annotations

from ckptdoctor.checkpoint import Checkpoint
from ckptdoctor.formats import OpenFile, read_checkpoint
from ckptdoctor.layouts.assemble import in_checkpoint
from ckptdoctor.layouts.files import Part
from ckptdoctor.layouts.reading import read_part
from ckptdoctor.scanning.pending import ScanResult
from ckptdoctor.scanning.scanner import Scanner
from ckptdoctor.sources.descriptors import settle

__all__ = ["scanned_anew"]


def scanned_anew(
    file: OpenFile, part: Part | None, read: Checkpoint
) -> tuple[Checkpoint, Checkpoint, ScanResult] | None:
    """What a file holds, as it says and as its checkpoint does, and its scan; None if as believed.

    Args:
        file: still open, after its scan.
        part: what it is of a checkpoint of several files; None of a single one.
        read: what was believed.

    Raises:
        CheckpointError: it cannot be read.
        OSError: nor can the file.
    """
    if not settle(file.fd):
        return None
    again = read_checkpoint(file) if part is None else read_part(part, file)
    same = (again.tensors, again.records, again.problems) == (
        read.tensors,
        read.records,
        read.problems,
    )
    if same:
        return None
    checkpoint = again if part is None else in_checkpoint(again, part, ())
    with Scanner() as scanner:
        return again, checkpoint, scanner.submit(checkpoint, file.fd).result()
