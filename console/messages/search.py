"""The search tab."""

MESSAGES: dict[str, tuple[str, str]] = {
    "search.query": ("What are you looking for?", "您想找什么？"),
    "search.placeholder": (
        "Ask in your own words, then press Enter",
        "用自己的话提问，然后按回车",
    ),
    "search.button": ("Search", "搜索"),
    "search.k": ("How many results", "结果数量"),
    "search.empty_title": ("Search by meaning", "按意思搜索"),
    "search.empty_text": (
        "You do not need the exact words: entries that mean the same are found too.",
        "不必记得原文：意思相近的条目也能找到。",
    ),
    "search.try": ("Try one of these:", "试试这些："),
    "warning.query-cut": (
        "The question is long: only its beginning was compared.",
        "问题太长，仅用开头部分进行了比较。",
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
}
