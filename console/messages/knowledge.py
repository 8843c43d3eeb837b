"""The knowledge tab: its lines, and trying them out."""

MESSAGES: dict[str, tuple[str, str]] = {
    # knowledge
    "knowledge.intro": (
        "One entry per line. Change the text, look at the difference, then save.",
        "每行一个条目。修改文本，查看差异，然后保存。",
    ),
    "knowledge.view": ("Show as", "显示方式"),
    "knowledge.as_lines": ("Lines", "逐行"),
    "knowledge.as_table": ("Table", "表格"),
    "knowledge.lines": ("Entries", "条目"),
    "knowledge.lines_placeholder": ("One piece of knowledge per line", "每行写一条知识"),
    "knowledge.preview": ("Show the difference", "查看差异"),
    "knowledge.save": ("Save", "保存"),
    "knowledge.reload": ("Start over", "重新载入"),
    "knowledge.reload_sure": (
        "Throw away what you changed and load the saved entries?",
        "放弃您的修改并重新载入已保存的条目？",
    ),
    "knowledge.count": ("Entries: {n} · revision {revision}", "{n} 个条目 · 版本 {revision}"),
    "knowledge.not_editor": (
        "You can search this knowledge base, but not change it.",
        "您可以搜索该知识库，但不能修改。",
    ),
    "knowledge.too_large": (
        "This base is large, so its entries are shown page by page.",
        "该知识库较大，条目分页显示。",
    ),
    "knowledge.multiline": (
        "Some entries have several lines, so the entries are shown as a table.",
        "部分条目包含多行文本，因此以表格显示。",
    ),
    "knowledge.same": ("Nothing has changed.", "没有任何改动。"),
    "knowledge.preview_title": ("This will change when you save", "保存后将发生以下变化"),
    "knowledge.added": ("{n} new", "新增 {n}"),
    "knowledge.removed": ("{n} removed", "删除 {n}"),
    "knowledge.unchanged": ("{n} unchanged", "未变 {n}"),
    "knowledge.refused": ("{n} not accepted", "未接受 {n}"),
    "knowledge.line": ("line {line}: {why}", "第 {line} 行：{why}"),
    "knowledge.more": ("and {n} more", "以及另外 {n} 条"),
    "knowledge.saved": ("Saved. Revision {revision}.", "已保存。版本 {revision}。"),
    "knowledge.saved_refused": (
        "Saved, except for the lines below: they stay in your text so that you can correct them.",
        "已保存，但以下各行除外：它们仍保留在文本中，您可以修改后再保存。",
    ),
    "knowledge.changed_title": ("Somebody else changed this base meanwhile", "其他人同时修改了该知识库"),
    "knowledge.changed_text": (
        "Nothing was saved, and your text is still here. Bring their "
        "changes into your text (yours stay), look at the difference, then save.",
        "尚未保存任何内容，您的文本仍在。请将对方的改动并入您的文本（您的改动会保留），查看差异后再保存。",
    ),
    "knowledge.merge": ("Bring in the other changes", "并入对方的改动"),
    "knowledge.merged": (
        "The other changes are in your text now. Look at the difference, then save.",
        "对方的改动已并入您的文本。请查看差异，然后保存。",
    ),
    "knowledge.draft_back": (
        "Here is the text that you had not saved yet.",
        "这是您尚未保存的文本。",
    ),
    "knowledge.load_first": (
        "This page was idle for a long time. Copy your text if you need it, then load the entries again.",
        "页面闲置太久。如需保留文本请先复制，然后重新载入条目。",
    ),
    "knowledge.empty_removes": (
        "Saving this removes every entry of the knowledge base.",
        "保存后将删除该知识库的所有条目。",
    ),
    "warning.texts-cut": (
        "A text is very long: it is found by its beginning alone.",
        "文本过长，只能按开头部分检索到。",
    ),
    "refused.duplicate": ("is there already", "已存在"),
    "refused.too-short": ("is too short: it needs {min} or more characters", "太短：至少需要 {min} 个字符"),
    "refused.too-long": ("is too long", "太长"),
    # try-out beside the knowledge
    "try.title": ("Try it out", "试一试"),
    "try.text": (
        "Save your changes, then ask here what your users would ask.",
        "保存修改后，在这里输入用户会问的问题。",
    ),
}
