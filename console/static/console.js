// The console's own script; every other script of the page is Gradio's. It calls no server but this one.
"use strict";

// Gradio's own words (few are left) follow the language that was chosen, not the browser's.
(() => {
  const chosen = location.pathname.startsWith("/zh") ? "zh-CN" : "en";
  Object.defineProperty(navigator, "language", { get: () => chosen });
  Object.defineProperty(navigator, "languages", { get: () => [chosen] });
})();

// Where a session has ended while the page was open, the next call is answered 401: go to the sign-in page. After a
// click on "Sign out" the browser is on its way there already. In both cases the page goes, and needs no answer.
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
  // Asks before an action that is hard to take back. Escape and Cancel leave everything as it is.
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

  // Gives a part that is drawn anew the keyboard's focus back.
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

// Closing the page asks first where text was typed and not saved: loading and saving set the mark `data-clean`, typing
// takes it away.
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
