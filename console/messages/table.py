"""The knowledge tab shown as a table, and its files."""

MESSAGES: dict[str, tuple[str, str]] = {
    # table
    "table.find": ("Find entries", "查找条目"),
    "table.find_placeholder": ("Words that the entry contains", "条目中包含的文字"),
    "table.text": ("Text", "文本"),
    "table.metadata": ("Details (one “name: value” per line)", "附加信息（每行一个“名称: 值”）"),
    "table.none": ("No entry contains that.", "没有包含这些文字的条目。"),
    "table.newer": ("Next page", "下一页"),
    "table.older": ("Previous page", "上一页"),
    "table.page": ("Page {page} · entries in all: {total}", "第 {page} 页 · 知识库共 {total} 个条目"),
    "table.edit": ("Edit", "编辑"),
    "table.delete": ("Delete", "删除"),
    "table.delete_sure": ("Delete this entry?", "确定删除该条目？"),
    "table.new": ("New entry", "新条目"),
    "table.editing": ("Entry {id}", "条目 {id}"),
    "table.save": ("Save entry", "保存条目"),
    "table.cancel": ("Cancel", "取消"),
    "table.saved": ("Entry {id} is saved.", "条目 {id} 已保存。"),
    "table.added": ("The entry was added as {id}.", "条目已添加，编号 {id}。"),
    "table.deleted": ("Entry {id} was deleted.", "条目 {id} 已删除。"),
    "table.changed": (
        "Somebody else changed this base meanwhile, so nothing was saved. Your "
        "text is still here; look at the table, then press save again.",
        "其他人同时修改了该知识库，因此尚未保存。您的文本仍在；请查看表格后再次点击保存。",
    ),
    "table.changed_delete": (
        "Somebody else changed this base meanwhile, so nothing was deleted. "
        "The table is up to date now; look again, then delete.",
        "其他人同时修改了该知识库，因此没有删除任何内容。表格已更新，请查看后再删除。",
    ),
    "table.bad_metadata": (
        "Line {line} of the details is not “name: value”.",
        "附加信息第 {line} 行不是“名称: 值”的形式。",
    ),
    # import, export
    "file.title": ("Files", "文件"),
    "file.export": ("Download all entries", "下载全部条目"),
    "file.txt": ("Text", "文本"),
    "file.csv": ("Spreadsheet (CSV)", "电子表格（CSV）"),
    "file.txt_read": ("text (.txt, one entry per line)", "文本（.txt，每行一个条目）"),
    "file.csv_read": ("spreadsheet (.csv with a column “text”)", "电子表格（.csv，含“text”列）"),
    "file.separator": (", ", "、"),
    "file.import": ("Add entries from a file", "从文件添加条目"),
    "file.import_hint": ("Up to 64 MB: {formats}.", "最大 64 MB：{formats}。"),
    "file.choose": ("Choose a file", "选择文件"),
    "file.sending": ("Sending the file…", "正在发送文件…"),
    "file.reading_some": ("Entries so far: {done}", "已处理 {done} 个条目"),
    "file.done": ("Imported. New entries: {added}.", "导入完成：新增 {added} 个条目。"),
    "file.refused": ("Lines that were not accepted: {n}", "{n} 行未被接受："),
    "file.ended": ("The import ended before it was done: {state}.", "导入未完成即结束：{state}。"),
    "file.encoding": ("The file was read as {encoding}.", "文件按 {encoding} 编码读取。"),
    "file.bad_type": (
        "cannot import this file: only these files can be read: {suffixes}",
        "无法导入该文件：仅支持 {suffixes}",
    ),
    "operation.running": ("running", "进行中"),
    "operation.done": ("done", "完成"),
    "operation.failed": ("failed", "失败"),
    "operation.cancelled": ("cancelled", "已取消"),
    "operation.interrupted": ("interrupted", "已中断"),
}
