"""A line of the table of COCO's evaluation: a title that tells of what the figure is."""

from __future__ import annotations

import re

from ckptdoctor.runs.logs.spelled import NUMBER

__all__ = ["of_coco"]

_COCO = re.compile(
    rf"\((A[PR])\)\s*@\s*\[\s*IoU\s*=\s*([\d.:]+)\s*\|(?:\s*area\s*=\s*(\w+)\s*\|)?"
    rf"[^\]]{{0,60}}?maxDets\s{{0,4}}=\s*(\d+)[^\]]{{0,20}}\]\s*=\s*({NUMBER})"
)


def of_coco(text: str) -> dict[str, float] | None:
    """What it says: AP, AP50, APs, AR@100; nothing of an absent size. None where it is no such."""
    told = _COCO.findall(text)
    if not told:
        return None
    values = {}
    for kind, iou, area, most, value in told:
        name = kind if kind == "AP" else f"AR@{most}"
        if ":" not in iou:
            name += f"{round(float(iou) * 100)}"
        if area and area != "all":
            name += area[0]
        if float(value) != -1:
            values[name] = float(value)
    return values
