// The console's own script: everything else on the page is Gradio's. No address but this server's is asked.
"use strict";

// Gradio's own words (few are left) follow the language that was chosen, not the browser's.
(() => {
  const chosen = location.pathname.startsWith("/zh") ? "zh-CN" : "en";
  Object.defineProperty(navigator, "language", { get: () => chosen });
  Object.defineProperty(navigator, "languages", { get: () => [chosen] });
})();

// A session that ended while the page was open: the next call says 401, and the sign-in page is the way out. Who signs
// out is on the way there already. Either way the page goes, and nobody needs the answer.
(() => {
  const ask = window.fetch;
  let leaving = false;
  document.addEventListener("submit", (event) => { leaving ||= event.target.matches(".vw-signout"); });
  window.fetch = async (...request) => {
    const answer = await ask(...request);
    if (answer.status !== 401 || new URL(answer.url).origin !== location.origin) return answer;
    if (!leaving) location.assign("/signin?ended=1");
    return new Promise(() => {});
  };
})();

window.vecward = {
  // Asks before something that can't be taken back easily. Escape and Cancel do nothing.
  ask(question, then) {
    const words = document.querySelector("[data-go]")?.dataset ?? {};
    const dialog = document.createElement("dialog");
    dialog.className = "vw-dialog";
    const text = document.createElement("p");
    text.textContent = question;
    const row = document.createElement("div");
    const button = (label, kind, does) => {
      const made = document.createElement("button");
      made.type = "button";
      made.textContent = label;
      made.className = kind;
      made.addEventListener("click", () => { dialog.close(); does(); });
      row.append(made);
      return made;
    };
    const cancel = button(words.cancel, "vw-button", () => {});
    button(words.go, "vw-button vw-danger", then);
    dialog.append(text, row);
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    cancel.focus();
  },

  // Sends a file to /import and answers {operation} or {error}.
  async upload(tenant, file) {
    const target = `/import/${encodeURIComponent(tenant)}?name=${encodeURIComponent(file.name)}`;
    try {
      const answer = await fetch(target, { method: "POST", body: file, headers: { "content-type": "application/octet-stream" } });
      return await answer.json();
    } catch (error) {
      return { error: String(error) };
    }
  },

  // What is drawn anew while somebody is on it with the keyboard keeps the focus.
  keepFocus(element) {
    let last = null;
    element.addEventListener("focusin", (event) => { last = event.target.dataset.key || null; });
    element.addEventListener("focusout", (event) => { if (event.relatedTarget) last = null; });
    new MutationObserver(() => {
      if (last && document.activeElement === document.body) {
        element.querySelector(`[data-key="${CSS.escape(last)}"]`)?.focus();
      }
    }).observe(element, { childList: true, subtree: true });
  },
};

// Text that was typed and not saved is not lost by closing the page without being asked: typing takes the mark
// `data-clean` away that loading and saving set.
document.addEventListener("input", (event) => {
  if (!event.target.closest?.("#lines")) return;
  const line = document.querySelector("[data-clean]");
  line?.removeAttribute("data-clean");
  const reload = line?.querySelector("[data-action=reload]");
  if (reload) reload.dataset.sure = document.querySelector("[data-reload-sure]")?.dataset.reloadSure ?? "";
});
window.addEventListener("beforeunload", (event) => {
  if (document.querySelector(".vw-status-line:not([data-clean])")) event.preventDefault();
});
