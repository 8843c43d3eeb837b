"""The vectors tab."""

MESSAGES: dict[str, tuple[str, str]] = {
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
    "vector.colours": (
        "Each bar is one number: blue above zero, orange below.",
        "每根柱代表一个数：蓝色为正，橙色为负。",
    ),
    "vector.empty": ("Choose an entry or type a text to see its vector.", "选择条目或输入文本以查看其向量。"),
}
