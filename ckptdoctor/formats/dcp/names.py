"""The classes and functions that a ``.metadata`` names, however healthy it is.

torch reads that file with ``pickle.load``: what it writes there itself is no reason for a remark.
"""

from __future__ import annotations

from ckptdoctor.dtypes import BY_NAME

__all__ = ["is_of_metadata"]

_METADATA = """
    BytesStorageMetadata ChunkStorageMetadata Metadata MetadataIndex StorageMeta TensorProperties
    TensorStorageMetadata _MEM_FORMAT_ENCODING
""".split()
_NAMES = frozenset(
    {
        *(f"torch.distributed.checkpoint.metadata.{name}" for name in _METADATA),
        "torch.distributed.checkpoint.filesystem._StorageInfo",
        "torch.distributed._shard.sharded_tensor.metadata.MEM_FORMAT_ENCODING",
        "torch.distributed._shard.sharded_tensor.metadata.TensorProperties",
        "torch.Size",
        "torch.serialization._get_layout",
        "torch.strided",
        "pathlib.PosixPath",
        "pathlib.WindowsPath",
        "pathlib._local.PosixPath",
        "pathlib._local.WindowsPath",
        *(f"torch.{name}" for name in BY_NAME),
    }
)


def is_of_metadata(name: str) -> bool:
    """Whether torch itself writes this dotted name into every such file."""
    return name in _NAMES
