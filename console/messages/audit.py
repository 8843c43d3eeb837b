"""The audit tab."""

MESSAGES: dict[str, tuple[str, str]] = {
    "audit.intro": (
        "Who changed or tried what, newest first. The daemon writes this log; nobody can change it here.",
        "谁更改或尝试过什么，最新的在前。此日志由守护进程写入，无法在此修改。",
    ),
    "audit.at": ("When (UTC)", "时间（UTC）"),
    "audit.principal": ("Who", "操作者"),
    "audit.tenant": ("Knowledge base", "知识库"),
    "audit.action": ("What", "操作"),
    "audit.outcome": ("Outcome", "结果"),
    "audit.more": ("More", "其他"),
    "audit.show": ("Show", "显示"),
    "audit.older": ("Older", "更早"),
    "audit.none": ("Nothing here fits.", "没有符合的记录。"),
}
