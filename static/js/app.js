/* What the page cannot do by itself: keys, selection, typed words, copying, relative times,
   toasts and dialogs. Everything works without it; it only makes it quicker. */
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const on = (type, selector, handle) =>
    document.addEventListener(type, (event) => {
      const element = event.target.closest?.(selector);
      if (element) handle(element, event);
    });
  const memory = {
    get(name) {
      try {
        return localStorage.getItem(name);
      } catch {
        return null;
      }
    },
    set(name, value) {
      try {
        localStorage.setItem(name, value);
      } catch {
        // Not remembered, then: the choice holds for this page.
      }
    },
  };

  /* ── Theme ─────────────────────────────────────────────────────────────────────────── */

  const showTheme = () => {
    const theme = memory.get("theme") || "system";
    $$("[data-theme]").forEach((b) => b.setAttribute("aria-pressed", b.dataset.theme === theme));
  };
  on("click", "[data-theme]", (button) => {
    const theme = button.dataset.theme;
    memory.set("theme", theme);
    if (theme === "system") delete document.documentElement.dataset.bsTheme;
    else document.documentElement.dataset.bsTheme = theme;
    showTheme();
  });

  /* ── Toasts and announcements ──────────────────────────────────────────────────────── */

  const announce = (text, now = false) => {
    const region = $(now ? "#announce-now" : "#announce");
    if (!region) return;
    region.textContent = "";
    setTimeout(() => (region.textContent = text), 50);
  };
  const toast = ({ text, kind = "info", undo, link, label }) => {
    const template = $(`#toast-${kind}`) || $("#toast-info");
    const place = $("#toasts");
    if (!template || !place) return;
    const line = template.content.firstElementChild.cloneNode(true);
    $("[data-toast-text]", line).textContent = text;
    if (undo) {
      const form = $("[data-toast-undo]", line);
      form.action = undo;
      form.hidden = false;
      if (label) $("[data-toast-label]", form).textContent = label;
    } else if (link) {
      const anchor = $("[data-toast-link]", line);
      anchor.href = link;
      anchor.textContent = label || "Open";
      anchor.hidden = false;
    }
    place.replaceChildren(line);
    announce(text, kind === "error");
    if (kind !== "error") setTimeout(() => line.remove(), 6000);
  };
  const said = (event) => (typeof event.detail === "string" ? event.detail : event.detail.value);
  document.addEventListener("toast", (event) => toast(event.detail));
  document.addEventListener("announce", (event) => announce(said(event)));
  document.addEventListener("announce-now", (event) => announce(said(event), true));
  on("click", "[data-toast-close]", (button) => button.parentElement.remove());

  /* ── Dialogs and menus ─────────────────────────────────────────────────────────────── */

  on("click", "[data-dialog]", (opener, event) => {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (!dialog) return;
    event.preventDefault();
    if (dialog.id === "keyboard") listKeys(dialog);
    dialog.showModal();
  });
  on("click", ".confirm > summary", (summary, event) => {
    const details = summary.parentElement;
    const dialog = $("dialog", details);
    if (!dialog?.showModal) return;
    event.preventDefault();
    details.open = true;
    dialog.close();
    dialog.showModal();
    dialog.addEventListener(
      "close",
      () => {
        details.open = false;
        dialog.setAttribute("open", "");
        summary.focus();
      },
      { once: true },
    );
  });
  on("click", "[data-dialog-close]", (button) => {
    const dialog = button.closest("dialog");
    dialog.close();
    const details = dialog.closest(".confirm");
    if (details) details.open = false;
  });
  document.addEventListener("click", (event) => {
    $$("details.menu[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });

  /* ── Forms: busy buttons, typed words, selection ───────────────────────────────────── */

  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (!button?.dataset.busy || event.defaultPrevented) return;
    button.style.minWidth = `${button.offsetWidth}px`;
    // After the form was read: a disabled button's name would not be sent.
    setTimeout(() => {
      button.textContent = button.dataset.busy;
      button.disabled = true;
    });
  });

  const fold = (text) => text.trim().replace(/\s+/g, " ").toLowerCase();
  const checkTyped = (form) => {
    const button = $("[data-typed-button]", form);
    if (!button) return;
    const words = $("[data-typed-words]", form);
    const boxes = form.dataset.typedAll ? $$(form.dataset.typedAll) : [];
    const open = boxes.filter((box) => !box.checked).length;
    const fits = !words || fold(words.value) === fold(form.dataset.typed);
    button.disabled = open > 0 || !fits;
    const reason = $("[data-typed-reason]", form);
    if (!reason) return;
    if (open) reason.textContent = `${open} ${open === 1 ? "user" : "users"} not viewed yet`;
    else reason.textContent = fits ? "" : `Type ${form.dataset.typed}`;
  };
  const checkAllTyped = () => $$("form[data-typed]").forEach(checkTyped);
  document.addEventListener("input", checkAllTyped);
  document.addEventListener("change", checkAllTyped);

  let lastBox = null;
  const showSelection = (form) => {
    const boxes = $$("[data-select-row]", form);
    const chosen = boxes.filter((box) => box.checked).length;
    boxes.forEach((box) => box.closest("tr")?.classList.toggle("is-selected", box.checked));
    $$("[data-select-bar]", form).forEach((bar) => (bar.hidden = chosen === 0));
    $$("[data-select-count]", form).forEach((place) => (place.textContent = chosen));
    $$("[data-select-all]", form).forEach((all) => {
      all.checked = chosen > 0 && chosen === boxes.length;
      all.indeterminate = chosen > 0 && chosen < boxes.length;
    });
  };
  on("click", "[data-select-row]", (box, event) => {
    const boxes = $$("[data-select-row]", box.form);
    if (event.shiftKey && lastBox && boxes.includes(lastBox)) {
      const [from, to] = [boxes.indexOf(lastBox), boxes.indexOf(box)].sort((a, b) => a - b);
      boxes.slice(from, to + 1).forEach((between) => (between.checked = box.checked));
    }
    lastBox = box;
    showSelection(box.form);
  });
  on("change", "[data-select-all]", (all) => {
    $$("[data-select-row]", all.form).forEach((box) => (box.checked = all.checked));
    showSelection(all.form);
  });

  on("click", "[data-copy], [data-copy-from]", async (button) => {
    const text = button.dataset.copy ?? $(button.dataset.copyFrom).textContent;
    try {
      await navigator.clipboard.writeText(text.trim());
      announce("Copied");
      toast({ text: "Copied", kind: "done" });
    } catch {
      toast({ text: "The browser did not allow copying. Select the text and copy it.", kind: "error" });
    }
  });

  /* ── Keys ──────────────────────────────────────────────────────────────────────────── */

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
    const outside = $$(selector).find((element) => !element.closest("[data-row]"));
    const element = (row && $(selector, row)) || outside;
    if (!element) return;
    event.preventDefault();
    if (element.matches("input:not([type=checkbox]):not([type=radio]), textarea")) element.focus();
    else element.click();
  };
  const listKeys = (dialog) => {
    const list = $("[data-key-list]", dialog);
    const known = new Map([["?", "These keys"]]);
    if (rows().length) known.set("j", "next").set("k", "previous").set("Enter", "open");
    $$("[data-key]").forEach((element) => {
      const words = element.dataset.keyHelp || element.textContent.trim() || element.ariaLabel;
      if (!known.has(element.dataset.key)) known.set(element.dataset.key, words);
    });
    list.replaceChildren(
      ...[...known].flatMap(([key, words]) => {
        const [term, detail, cap] = ["dt", "dd", "kbd"].map((name) => document.createElement(name));
        cap.textContent = key;
        term.append(cap);
        detail.textContent = words;
        return [term, detail];
      }),
    );
  };
  const keysOff = () => memory.get("keys") === "off";
  const showKeys = () =>
    $$("[data-toggle-keys]").forEach((b) => b.setAttribute("aria-pressed", keysOff()));
  on("click", "[data-toggle-keys]", () => {
    memory.set("keys", keysOff() ? "on" : "off");
    showKeys();
  });
  const escape = () => {
    $$("details.menu[open]").forEach((menu) => {
      menu.open = false;
      $("summary", menu).focus();
    });
    $$("form[data-select]").forEach((form) => {
      $$("[data-select-row]:checked", form).forEach((box) => (box.checked = false));
      showSelection(form);
    });
    if (location.hash === "#sidebar") location.hash = "content";
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog:modal")) return;
    if (event.key === "Escape") return escape();
    const typing = event.target.matches("input:not([type=checkbox]), textarea, select");
    if (typing || keysOff()) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "?") $("[data-dialog=keyboard]")?.click();
    else if (event.key === "Enter") {
      if (event.target.matches("[data-row]")) $("[data-open]", event.target)?.click();
    } else if (event.key.length === 1) press(event.key.toLowerCase(), event);
  });

  /* ── Times ─────────────────────────────────────────────────────────────────────────── */

  // The product's clock, which in the demo runs ahead of the reader's.
  const ahead = Date.parse(document.body.dataset.now) - Date.now() || 0;
  const relative = (moment) => {
    const gap = Date.now() + ahead - moment;
    const size = Math.abs(gap) / 1000;
    const past = gap >= 0;
    if (size < 60) return past ? "just now" : "in a moment";
    if (size >= 86400 && size < 172800) return past ? "yesterday" : "tomorrow";
    let words;
    if (size < 3600) words = `${Math.floor(size / 60)} min`;
    else if (size < 86400) words = `${Math.floor(size / 3600)} h`;
    else words = `${Math.floor(size / 86400).toLocaleString("en")} days`;
    return past ? `${words} ago` : `in ${words}`;
  };
  const freshen = (root = document) => {
    $$("[data-relative]", root).forEach((place) => {
      const moment = Date.parse((place.closest("time") || place).dateTime);
      if (moment) place.textContent = relative(moment);
    });
    $$("time[title]:not([data-local])", root).forEach((element) => {
      const moment = new Date(element.dateTime);
      if (!element.dateTime.includes("T") || isNaN(moment)) return;
      element.dataset.local = "";
      element.title += `\n${moment.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "long" })}`;
    });
  };
  setInterval(freshen, 30000);

  /* ── htmx ──────────────────────────────────────────────────────────────────────────── */

  const polls = (element) => element.getAttribute("hx-trigger")?.includes("every ");
  let failures = 0;
  const failed = (event) => {
    if (!polls(event.detail.elt)) {
      toast({ text: "That did not work. Nothing was changed by it; try again.", kind: "error" });
    } else if (++failures === 3) {
      const at = new Date(Date.now() + ahead).toISOString().slice(11, 19);
      toast({ text: `Connection lost. Live view stopped at ${at} UTC.`, kind: "error" });
    }
  };
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (document.hidden && polls(event.detail.elt)) event.preventDefault();
  });
  document.addEventListener("htmx:afterOnLoad", () => (failures = 0));
  document.addEventListener("htmx:sendError", failed);
  document.addEventListener("htmx:responseError", failed);
  document.addEventListener("htmx:afterSettle", (event) => {
    prepare(event.detail.elt);
    $("[data-focus]", event.detail.elt)?.focus();
  });

  const prepare = (root = document) => {
    freshen(root);
    checkAllTyped();
    $$("form[data-select]").forEach(showSelection);
    const title = $("[data-tab-title]");
    if (title) document.title = title.dataset.tabTitle;
  };
  showTheme();
  showKeys();
  prepare();
})();
