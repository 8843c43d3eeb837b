"""The frame around the tabs, and signing in."""

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
        "Too many attempts. Please wait {seconds} s, then try again.",
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
}
