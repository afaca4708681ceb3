"""A restart plan for programs: JSON."""

from __future__ import annotations

from typing import Any

from ckptdoctor.recovery.option import Option
from ckptdoctor.recovery.plan import Plan
from ckptdoctor.recovery.timeline import Timeline
from ckptdoctor.render.machine.as_json import SCHEMA_VERSION, TOOL, dump

__all__ = ["plan_json"]


def plan_json(plan: Plan) -> str:
    """The result of ``plan`` as JSON; commands are ready for a shell."""
    return dump(
        {
            "schema_version": SCHEMA_VERSION,
            "tool": TOOL,
            "options": [_option(option) for option in plan.options],
            "timeline": {} if plan.timeline is None else _timeline(plan.timeline),
            "learning_rate": {
                "factor": plan.advice.factor,
                "range": [plan.advice.low, plan.advice.high],
                "warmup_epochs": plan.advice.warmup_epochs,
                "decay": plan.advice.decay,
                "reset_optimizer": plan.advice.forget,
                "reasons": list(plan.advice.reasons),
                "heuristic": True,
            },
            "causes": [
                {
                    "cause": cause.kind.value,
                    "sure": cause.sure.word,
                    "evidence": list(cause.evidence),
                    "factor": None if cause.remedy is None else cause.remedy.factor,
                    "todo": list(cause.todo),
                }
                for cause in plan.advice.causes
            ],
            "command_from": plan.command_from or None,
            "notes": list(plan.notes),
        }
    )


def _option(option: Option) -> dict[str, Any]:
    return {
        "name": option.name,
        "title": option.title,
        "recommended": option.recommended,
        "epoch": option.epoch,
        "command": option.command,
        "changes": [
            {
                "flag": change.flag,
                "from": change.before,
                "to": change.after,
                "reason": change.reason,
            }
            for change in option.changes
        ],
        "reasons": list(option.reasons),
        "warnings": list(option.warnings),
    }


def _timeline(timeline: Timeline) -> dict[str, Any]:
    low, high, epoch_s = timeline.low, timeline.high, timeline.epoch_s
    return {
        "target": timeline.target,
        "start_epoch": timeline.start_epoch,
        "epochs": None if low is None else {"low": low, "high": high},
        "time_s": None
        if low is None or epoch_s is None
        else {"low": low * epoch_s, "high": None if high is None else high * epoch_s},
        "method": timeline.method,
    }
