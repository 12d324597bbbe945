/* Runs before the first paint: the chosen theme, and the mark that scripts are at work. */
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  let theme = null;
  try {
    theme = localStorage.getItem("theme");
  } catch {
    // A browser may refuse storage; the page then follows the system.
  }
  if (theme === "light" || theme === "dark") root.dataset.bsTheme = theme;
})();
