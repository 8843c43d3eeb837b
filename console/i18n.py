"""Every sentence of the console in both languages, and how a language is chosen.

A message is found by its key; `{placeholders}` are the same in both languages. A test proves that no key is
missing, unused or different in its placeholders.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
Words = Callable[..., str]

# What a key means in English and in Chinese.
MESSAGES: dict[str, tuple[str, str]] = {
    # frame
    "language.own": ("English", "中文"),
    "frame.sign_out": ("Sign out", "退出登录"),
    "frame.base": ("Knowledge base", "知识库"),
    "frame.no_tenants": (
        "No knowledge base is open to you yet. Ask an administrator to give you access.",
        "目前没有对您开放的知识库，请联系管理员开通权限。",
    ),
    "frame.many": ("Only the first {n} knowledge bases are listed.", "仅列出前 {n} 个知识库。"),
    "dialog.cancel": ("Cancel", "取消"),
    "dialog.confirm": ("Yes, go ahead", "确定"),
    # sign-in
    "signin.title": ("Sign in", "登录"),
    "signin.welcome": ("Search what your organisation knows.", "搜索您团队的知识。"),
    "signin.name": ("Name", "用户名"),
    "signin.password": ("Password", "密码"),
    "signin.button": ("Sign in", "登录"),
    "signin.wrong": (
        "Name or password is wrong. Check both and try again.",
        "用户名或密码不正确，请检查后重试。",
    ),
    "signin.wait": (
        "Too many attempts. Please wait {seconds} seconds, then try again.",
        "尝试次数过多，请等待 {seconds} 秒后再试。",
    ),
    "signin.ended": ("Your session has ended. Please sign in again.", "会话已结束，请重新登录。"),
    "signin.elsewhere": (
        "This form was sent from another site and was not accepted. Please sign in here.",
        "该请求来自其他网站，未被接受。请在此页面登录。",
    ),
    "signin.again": ("Sign in again", "重新登录"),
    # tabs
    "tab.search": ("Search", "搜索"),
    "tab.knowledge": ("Knowledge", "知识"),
    "tab.vectors": ("Vectors", "向量"),
    "tab.status": ("Status", "状态"),
    "tab.audit": ("Audit", "审计"),
    # search
    "search.query": ("What are you looking for?", "您想找什么？"),
    "search.placeholder": (
        "Ask in your own words, then press Enter",
        "用自己的话提问，然后按回车",
    ),
    "search.button": ("Search", "搜索"),
    "search.k": ("How many results", "结果数量"),
    "search.empty_title": ("Search by meaning", "按意思搜索"),
    "search.empty_text": (
        "You do not need the exact words: entries that mean the same are found too. Try one of these:",
        "不必记得原文：意思相近的条目也能找到。试试这些：",
    ),
    "search.nothing_typed": ("Type a word or a sentence first.", "请先输入一个词或一句话。"),
    "search.no_hits": ("This knowledge base has no entries yet.", "该知识库还没有条目。"),
    "search.low": (
        "Nothing here seems to be about that. Try other words, or "
        "ask whoever looks after this knowledge base to add an entry.",
        "似乎没有与此相关的内容。请换个说法，或请知识库维护人员添加相应条目。",
    ),
    "search.score": ("Similarity", "相似度"),
    "search.strong": ("good match", "匹配良好"),
    "search.weak": ("weak match", "匹配较弱"),
    "search.threshold": ("Green: similarity above {threshold}", "绿色：相似度高于 {threshold}"),
    "search.found": ("Results: {n}", "{n} 条结果"),
    "time.queue": ("waiting", "排队"),
    "time.encode": ("understanding", "编码"),
    "time.search": ("comparing", "检索"),
    "time.total": ("in total", "总计"),
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
    "knowledge.line": ("line {line}", "第 {line} 行"),
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
    "refused.duplicate": ("is there already", "已存在"),
    "refused.too-short": ("is too short: {min} characters or more are needed", "太短：至少需要 {min} 个字符"),
    "refused.too-long": ("is too long", "太长"),
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
    "file.jsonl": ("JSON Lines", "JSON Lines"),
    "file.import": ("Add entries from a file", "从文件添加条目"),
    "file.import_hint": (
        "Text (.txt, one entry per line), spreadsheet (.csv with a column “text”) or .jsonl, up to 64 MB.",
        "文本（.txt，每行一个条目）、电子表格（.csv，含“text”列）或 .jsonl，最大 64 MB。",
    ),
    "file.choose": ("Choose a file", "选择文件"),
    "file.sending": ("Sending the file…", "正在发送文件…"),
    "file.reading": ("{done} of {total} entries", "已处理 {done} / {total} 个条目"),
    "file.reading_some": ("Entries so far: {done}", "已处理 {done} 个条目"),
    "file.done": ("Imported. New entries: {added}.", "导入完成：新增 {added} 个条目。"),
    "file.refused": ("Lines that were not accepted: {n}", "{n} 行未被接受："),
    "file.ended": ("The import ended before it was done: {state}.", "导入未完成即结束：{state}。"),
    "file.encoding": ("The file was read as {encoding}.", "文件按 {encoding} 编码读取。"),
    "file.bad_type": (
        "cannot import this file: only .txt, .csv and .jsonl files can be read",
        "无法导入该文件：仅支持 .txt、.csv 和 .jsonl",
    ),
    "operation.running": ("running", "进行中"),
    "operation.done": ("done", "完成"),
    "operation.failed": ("failed", "失败"),
    "operation.cancelled": ("cancelled", "已取消"),
    "operation.interrupted": ("interrupted", "已中断"),
    # try-out beside the knowledge
    "try.title": ("Try it out", "试一试"),
    "try.text": (
        "Save on the left, then ask here what your users would ask.",
        "在左侧保存后，在这里输入用户会问的问题。",
    ),
    # vectors
    "vector.intro": (
        "The model turns every text into a list of numbers, a vector. "
        "Texts that mean the same get vectors that point the same way.",
        "模型把每段文本变成一串数字，即向量。意思相近的文本，其向量方向也相近。",
    ),
    "vector.source": ("Look at", "查看"),
    "vector.of_text": ("a text you type", "输入的文本"),
    "vector.of_entry": ("an entry", "已有条目"),
    "vector.text": ("Text", "文本"),
    "vector.text_placeholder": ("A word or a sentence", "一个词或一句话"),
    "vector.kind": ("Seen as", "视为"),
    "vector.query": ("a question", "问题"),
    "vector.document": ("an entry", "条目"),
    "vector.find": ("Find an entry", "查找条目"),
    "vector.show": ("Show the vector", "显示向量"),
    "vector.dimension": ("Dimension", "维度"),
    "vector.norm": ("Length (L2 norm)", "长度（L2 范数）"),
    "vector.fingerprint": ("Made with", "生成方式"),
    "vector.first": ("The first {n} of {dimension} values", "前 {n} 个值（共 {dimension} 个）"),
    "vector.empty": ("Choose an entry or type a text to see its vector.", "选择条目或输入文本以查看其向量。"),
    # audit
    "audit.intro": (
        "Who changed or tried what, newest first. The daemon writes this log; nobody can change it here.",
        "谁更改或尝试过什么，最新的在前。此日志由守护进程写入，无法在此修改。",
    ),
    "audit.at": ("When (UTC)", "时间（UTC）"),
    "audit.principal": ("Who", "主体"),
    "audit.tenant": ("Knowledge base", "知识库"),
    "audit.action": ("What", "操作"),
    "audit.outcome": ("Outcome", "结果"),
    "audit.more": ("More", "其他"),
    "audit.show": ("Show", "显示"),
    "audit.older": ("Older", "更早"),
    "audit.none": ("Nothing here fits.", "没有符合的记录。"),
    # status
    "status.intro": (
        "Every knowledge base has its own process. This page refreshes itself.",
        "每个知识库都有独立的进程。本页自动刷新。",
    ),
    "status.start": ("Start", "启动"),
    "status.stop": ("Stop", "停止"),
    "status.restart": ("Restart", "重启"),
    "status.stop_sure": (
        "Stop “{title}”? Nobody can search it until it is started again.",
        "确定停止“{title}”？重新启动之前无法搜索。",
    ),
    "status.uptime": ("Running for", "已运行"),
    "status.restarts": ("Restarts", "重启次数"),
    "status.memory": ("Memory", "内存"),
    "status.gpu_memory": ("GPU memory", "显存"),
    "status.entries": ("Entries", "条目"),
    "status.device": ("Runs on", "运行设备"),
    "status.isolation": ("Isolation", "隔离"),
    "status.rate": ("Searches", "搜索"),
    "status.per_s": ("{n} a second", "每秒 {n} 次"),
    "status.unknown": ("–", "–"),
    "status.host": ("This host", "本机"),
    "status.host_memory": ("Memory", "内存"),
    "status.host_free": ("{free} of {total} free", "可用 {free} / 共 {total}"),
    "status.no_gpu": ("no GPU on this host", "本机没有 GPU"),
    "status.gpu_used": ("{used} of {total} used", "已用 {used} / 共 {total}"),
    "status.gpu_tenants": ("used by {names}", "由 {names} 使用"),
    "status.gpu_idle": ("not in use", "未使用"),
    "status.gpu_foreign": ("other processes: {n}", "{n} 个其他进程"),
    "status.progress": ("{done} of {total} {unit}", "{done} / {total} {unit}"),
    "status.not_admin": ("You look after no knowledge base.", "您没有可管理的知识库。"),
    "status.asked": ("“{title}”: {action} was asked for.", "已请求“{title}”：{action}。"),
    "status.at": ("as of {time}", "更新于 {time}"),
    "state.ready": ("Ready", "就绪"),
    "state.stopped": ("Stopped", "已停止"),
    "state.starting": ("Starting", "正在启动"),
    "state.warming": ("Warming up", "正在预热"),
    "state.stopping": ("Stopping", "正在停止"),
    "state.backoff": ("Crashed, starting again shortly", "已崩溃，即将重新启动"),
    "state.failed": ("Cannot start", "无法启动"),
    "state.parked": ("Asleep, wakes at the next search", "休眠中，下次搜索时唤醒"),
    "state.other": ("{state}", "{state}"),
    "isolation.strict": (
        "own Linux user, own sandbox without network",
        "独立 Linux 用户，无网络沙箱",
    ),
    "isolation.process": (
        "own process only, same Linux user, no sandbox",
        "仅独立进程，同一 Linux 用户，无沙箱",
    ),
    "isolation.other": ("{isolation}", "{isolation}"),
    "unit.seconds": ("{n} s", "{n} 秒"),
    "unit.minutes": ("{n} min", "{n} 分钟"),
    "unit.hours": ("{n} h", "{n} 小时"),
    "unit.days": ("{n} days", "{n} 天"),
    # errors, one for each kind of daemon.core.errors
    "error.error": ("Something went wrong", "出了点问题"),
    "error.bad-request": ("That could not be understood", "无法理解该请求"),
    "error.unsupported-media-type": ("This kind of file is not supported", "不支持该类型的文件"),
    "error.body-too-large": ("That is too large", "内容过大"),
    "error.invalid": ("That value is not allowed", "该值不被允许"),
    "error.too-long": ("That text is too long", "文本太长"),
    "error.too-short": ("That text is too short", "文本太短"),
    "error.invalid-config": ("The configuration has a mistake", "配置有误"),
    "error.bad-backup": ("This file cannot be restored", "无法从该文件恢复"),
    "error.unauthenticated": ("You are no longer signed in", "您已不在登录状态"),
    "error.too-many-attempts": ("Too many attempts", "尝试次数过多"),
    "error.forbidden": ("You may not do that", "您没有此权限"),
    "error.not-found": ("That does not exist", "不存在"),
    "error.unknown-tenant": (
        "This knowledge base does not exist, or is not open to you",
        "该知识库不存在或未对您开放",
    ),
    "error.unknown-entry": ("This entry does not exist any more", "该条目已不存在"),
    "error.unknown-operation": ("This operation is not known any more", "该操作已不存在"),
    "error.method-not-allowed": ("That is not possible here", "此处不支持该操作"),
    "error.conflict": ("That does not fit the present state", "与当前状态冲突"),
    "error.duplicate": ("This entry is there already", "该条目已存在"),
    "error.data-exists": ("There is data under this name already", "该名称下已有数据"),
    "error.tenant-stopped": ("This knowledge base is switched off", "该知识库已停止"),
    "error.nothing-to-undo": ("There is nothing to take back", "没有可撤销的操作"),
    "error.revision-changed": ("Somebody else changed it meanwhile", "其他人同时做了修改"),
    "error.queue-full": ("Too much is asked at once, please try again shortly", "请求过多，请稍后再试"),
    "error.disk-full": ("There is no room left for more entries", "存储空间不足"),
    "error.unavailable": ("Not available right now, please try again shortly", "暂时不可用，请稍后再试"),
    "error.tenant-starting": ("Still starting, please try again in a moment", "正在启动，请稍后再试"),
    "error.tenant-failed": (
        "This knowledge base cannot start; an administrator must look at it",
        "该知识库无法启动，请联系管理员",
    ),
    "error.encoder-hung": (
        "Computing resources are tight, please try again shortly",
        "计算资源紧张，请稍后重试",
    ),
    "error.encoder-lost": ("The answer was lost on its way, please try again", "响应中断，请重试"),
    "error.re-embedding": (
        "The model has changed and reads all entries anew; please try again later",
        "模型已更换，正在重新处理全部条目，请稍后再试",
    ),
    "error.start-refused": ("It could not be started", "无法启动"),
    "error.daemon-unreachable": (
        "The service does not answer; an administrator must look at it",
        "服务没有响应，请联系管理员",
    ),
    "error.internal": ("Something went wrong inside the service", "服务内部出错"),
}  # fmt: skip

EXAMPLES: dict[Language, tuple[str, ...]] = {
    "en": ("I forgot my password", "the customer gets no verification code", "something good to eat"),
    "zh": ("我想吃点东西", "怎么重置密码", "客户说收不到验证码"),
}


def words(language: Language) -> Words:
    """`t("search.found", n=3)`: the message in this language, its placeholders filled."""
    column = LANGUAGES.index(language)

    def t(key: str, **values: object) -> str:
        return MESSAGES[key][column].format(**values)

    return t


def known(key: str, fallback: str) -> str:
    """`key`, or `fallback` where a newer daemon says something that this console has no word for."""
    return key if key in MESSAGES else fallback


def choose_language(cookie: str | None, accept_language: str | None) -> Language:
    """What the switch was set to, else the browser's first language that the console speaks, else English."""
    if cookie in LANGUAGES:
        return "zh" if cookie == "zh" else "en"
    for wanted in _by_preference(accept_language or ""):
        for language in LANGUAGES:
            if wanted == language or wanted.startswith(f"{language}-"):
                return language
    return "en"


def _by_preference(header: str) -> list[str]:
    """Languages of an Accept-Language header (RFC 9110, 12.5.4), best first."""
    found: list[tuple[float, str]] = []
    for part in header[:1000].split(","):
        name, _, parameters = part.strip().partition(";")
        found.append((_quality(parameters), name.strip().lower()))
    return [name for quality, name in sorted(found, key=lambda one: -one[0]) if name and quality > 0]


def _quality(parameters: str) -> float:
    key, _, value = parameters.strip().partition("=")
    try:
        return float(value) if key.strip() == "q" else 1.0
    except ValueError:
        return 0.0
