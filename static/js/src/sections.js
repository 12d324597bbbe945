// Marks the tab of the section that is being read. Without a script the tabs are plain links.
"use strict";

(() => {
  const tabs = [...document.querySelectorAll("[data-sections] a[href^='#']")];
  const sections = tabs.map((tab) => document.getElementById(tab.hash.slice(1)));
  const inSight = new Set();

  function mark(section) {
    tabs.forEach((tab, place) => {
      if (sections[place] !== section) return tab.removeAttribute("aria-current");
      tab.setAttribute("aria-current", "location");
      const strip = tab.parentElement;
      const [at, from] = [tab, strip].map((one) => one.getBoundingClientRect());
      strip.scrollLeft += at.left - from.left - (from.width - at.width) / 2;
    });
  }

  const watch = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting) inSight.add(entry.target);
        else inSight.delete(entry.target);
      }
      const first = sections.find((section) => inSight.has(section));
      if (first) mark(first);
    },
    { rootMargin: "-60px 0px -60% 0px" },
  );
  sections.filter(Boolean).forEach((section) => watch.observe(section));
  if (sections[0]) mark(sections[0]);
})();
