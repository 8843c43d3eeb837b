"""The last changes of a knowledge base, on the knowledge tab."""

MESSAGES: dict[str, tuple[str, str]] = {
    "history.title": ("Recent changes", "最近的修改"),
    "history.none": ("Nothing has been changed yet.", "还没有任何修改。"),
    "history.when": ("{at} UTC, by {actor}", "{at} UTC，{actor}"),
    "history.edited": ("{n} edited", "修改 {n}"),
    "history.undone": ("taken back", "已撤销"),
    "history.undo": ("Take back", "撤销"),
    "history.undo_sure": (
        "Take back the change “{what}” of {at}? The knowledge base will be as it was before.",
        "撤销 {at} 的修改“{what}”？知识库将恢复到此次修改之前的状态。",
    ),
    "history.done": ("Taken back. Revision {revision}.", "已撤销。版本 {revision}。"),
    "history.changed": (
        "Somebody else changed this base meanwhile, so nothing was taken back. Look again.",
        "其他人同时修改了该知识库，因此没有撤销任何内容。请再看一遍。",
    ),
    "change.add": ("New entry", "新增条目"),
    "change.set": ("Saved text", "保存文本"),
    "change.edit": ("Edited entry", "编辑条目"),
    "change.delete": ("Deleted", "删除"),
    "change.forget": ("Deleted for good", "彻底删除"),
    "change.import": ("Imported file", "导入文件"),
    "change.seed": ("First entries", "初始条目"),
    "change.restore": ("Restored backup", "恢复备份"),
    "change.undo": ("Change taken back", "撤销修改"),
    "change.other": ("{kind}", "{kind}"),
}
