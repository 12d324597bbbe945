/* The chosen theme. Runs before the first paint, and marks that scripts are at work. */
(() => {
  const root = document.documentElement;
  root.classList.add("js");

  const chosen = () => {
    try {
      return localStorage.getItem("theme") || "system";
    } catch {
      // A browser may refuse storage; the page then follows the system.
      return "system";
    }
  };
  const show = (theme) => {
    if (theme === "system") delete root.dataset.bsTheme;
    else root.dataset.bsTheme = theme;
    document.querySelectorAll("[data-theme]").forEach((button) => {
      button.setAttribute("aria-pressed", button.dataset.theme === theme);
    });
  };

  show(chosen());
  document.addEventListener("DOMContentLoaded", () => show(chosen()));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme]");
    if (!button) return;
    show(button.dataset.theme);
    try {
      localStorage.setItem("theme", button.dataset.theme);
    } catch {
      // Not remembered, then: the choice holds for this page.
    }
  });
})();
