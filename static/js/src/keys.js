/* The keyboard map: `data-key` says which key an element answers to, `data-row` what j and k move
   through. The keys can be switched off in the person menu. */
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  const rows = () => $$("[data-row]").filter((row) => row.offsetParent !== null);
  const current = () => $(".is-current[data-row]");
  const moveTo = (row) => {
    current()?.classList.remove("is-current");
    if (!row) return;
    row.classList.add("is-current");
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  };
  const step = (by) => {
    const all = rows();
    const at = all.indexOf(current());
    moveTo(all[Math.min(Math.max(at + by, 0), all.length - 1)]);
  };
  const press = (key, event) => {
    const selector = `[data-key="${CSS.escape(key)}"]`;
    const row = current();
    const outside = $$(selector).filter((element) => !element.closest("[data-row]"));
    // What was answered last can still be undone from where the keys went on to.
    const last = $(`[data-answered-now] ${selector}`);
    // A bar that waits for a selection is not to be pressed by a slip of a finger.
    const element = [row && $(selector, row), ...outside, last].find((one) => one?.checkVisibility());
    if (!element) return;
    event.preventDefault();
    if (element.matches("input:not([type=checkbox]):not([type=radio]), textarea")) element.focus();
    else if (event.shiftKey && element.matches("[data-select-row]")) {
      element.dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: true }));
    } else element.click();
  };
  const list = (place) => {
    const known = new Map([["?", "These keys"]]);
    if (rows().length) known.set("j", "next").set("k", "previous").set("Enter", "open");
    if ($("[data-select-row]")) known.set("Shift x", "select up to here");
    $$("[data-key]").forEach((element) => {
      const words = element.dataset.keyHelp || element.textContent.trim() || element.ariaLabel;
      if (!known.has(element.dataset.key)) known.set(element.dataset.key, words);
    });
    place.replaceChildren(
      ...[...known].flatMap(([key, words]) => {
        const [term, detail, cap] = ["dt", "dd", "kbd"].map((name) => document.createElement(name));
        cap.textContent = key;
        term.append(cap);
        detail.textContent = words;
        return [term, detail];
      }),
    );
  };
  const off = () => {
    try {
      return localStorage.getItem("keys") === "off";
    } catch {
      return false;
    }
  };
  const showOff = () =>
    $$("[data-toggle-keys]").forEach((button) => button.setAttribute("aria-pressed", off()));

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-dialog=keyboard]")) list($("[data-key-list]"));
    if (!event.target.closest("[data-toggle-keys]")) return;
    try {
      localStorage.setItem("keys", off() ? "on" : "off");
    } catch {
      // Without storage the keys cannot be switched off for the next page; the help says which.
    }
    showOff();
  });
  const escape = () => {
    $$("details.menu[open]").forEach((menu) => {
      menu.open = false;
      $("summary", menu).focus();
    });
    document.dispatchEvent(new Event("clear-selection"));
    if (location.hash === "#sidebar") location.hash = "content";
  };
  document.addEventListener("focusin", (event) => {
    const row = event.target.closest("[data-row=focus]");
    if (!row || row === current()) return;
    current()?.classList.remove("is-current");
    row.classList.add("is-current");
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog:modal")) return;
    // Caps Lock gives capitals; what Shift adds is told by `shiftKey`.
    const key = event.key.toLowerCase();
    if (key === "escape") return escape();
    const typing = event.target.matches("input:not([type=checkbox]), textarea, select");
    if (typing || off()) return;
    if (key === "j") step(1);
    else if (key === "k") step(-1);
    else if (key === "?") $("[data-dialog=keyboard]")?.click();
    else if (key === "enter") {
      if (event.target.matches("[data-row]")) $("[data-open]", event.target)?.click();
    } else if (key.length === 1) press(key, event);
  });

  showOff();
})();
