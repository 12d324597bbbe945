/* What the page cannot do by itself: selection, typed words, copying, relative times, toasts and
   dialogs. Everything works without it; it only makes it quicker. */
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const on = (type, selector, handle) =>
    document.addEventListener(type, (event) => {
      const element = event.target.closest?.(selector);
      if (element) handle(element, event);
    });

  /* Toasts and announcements */

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

  /* Dialogs and menus */

  on("click", "[data-dialog]", (opener, event) => {
    const dialog = document.getElementById(opener.dataset.dialog);
    if (!dialog) return;
    event.preventDefault();
    dialog.showModal();
  });
  on("click", ".confirm > summary", (summary, event) => {
    const details = summary.parentElement;
    const dialog = $("dialog", details);
    if (!dialog?.showModal) return;
    event.preventDefault();
    details.open = true;
    // Not close(): its event would come after the dialog was opened again.
    dialog.removeAttribute("open");
    dialog.showModal();
    $("[autofocus]", dialog)?.focus();
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

  /* Forms: busy buttons, typed words, selection */

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

  on("click", "[data-reveal]", (button) => {
    const field = $(button.dataset.reveal);
    const hide = field.type === "text";
    field.type = hide ? "password" : "text";
    button.setAttribute("aria-pressed", !hide);
  });

  const checkTyped = (form) => {
    const button = $("[data-typed-button]", form);
    if (!button) return;
    const words = $("[data-typed-words]", form);
    const boxes = form.dataset.typedAll ? $$(form.dataset.typedAll) : [];
    const open = boxes.filter((box) => !box.checked).length;
    const fits = !words || words.value.trim() === form.dataset.typed;
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

  document.addEventListener("clear-selection", () => {
    $$("form[data-select]").forEach((form) => {
      const none = $("[data-select-none]", form);
      if (none) return none.click();
      $$("[data-select-row]:checked", form).forEach((box) => (box.checked = false));
      showSelection(form);
    });
  });

  on("click", "[data-copy], [data-copy-from]", async (button) => {
    const text = button.dataset.copy ?? $(button.dataset.copyFrom).textContent;
    try {
      await navigator.clipboard.writeText(text.trim());
      toast({ text: "Copied", kind: "done" });
    } catch {
      toast({ text: "The browser did not allow copying.", kind: "error" });
    }
  });

  /* Times */

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

  /* htmx */

  const polls = (element) => element.getAttribute("hx-trigger")?.includes("every ");
  let failures = 0;
  const failed = (event) => {
    // A refusal brings its own words.
    if (event.detail.xhr?.getResponseHeader("HX-Trigger")) return;
    if (!polls(event.detail.elt)) {
      toast({ text: "That did not work. Nothing was changed by it; try again.", kind: "error" });
    } else if (++failures === 3) {
      const at = new Date(Date.now() + ahead).toISOString().slice(11, 19);
      const what = event.detail.elt.id === "run-head" ? "The batch" : "What runs";
      toast({ text: `Connection lost. Live view stopped at ${at} UTC. ${what} goes on.`, kind: "error" });
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
    // On a narrow screen the tab one is at may lie beyond the edge.
    $$(".tabs > [aria-current=page]", root).forEach((tab) => {
      const strip = tab.parentElement;
      const [at, from] = [tab, strip].map((one) => one.getBoundingClientRect());
      strip.scrollLeft += at.left - from.left - (from.width - at.width) / 2;
    });
    const title = $("[data-tab-title]");
    if (title) document.title = title.dataset.tabTitle;
  };
  prepare();
  // Whoever comes back finds the boxes as they left them, after the page was drawn.
  addEventListener("pageshow", () => prepare());
})();
