/* The claim page: an answer folds its card, and whoever answers goes on with the next one. */
(() => {
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

  const goOn = (card) => {
    // Only the answer given last is undone by a key from where the keys went on to.
    $$("[data-answered-now]").forEach((row) => row !== card && delete row.dataset.answeredNow);
    const open = $$(".claim-card:not(.is-answered)");
    const later = (row) =>
      card.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_FOLLOWING;
    const next = open.find(later) || open[0];
    const place = next
      ? next.querySelector(".claim-answers .btn")
      : document.getElementById("claim-done-heading");
    place?.focus();
  };
  document.addEventListener("htmx:afterSettle", (event) => {
    const card = event.detail.elt;
    if (card.matches?.("[data-answered-now]")) goOn(card);
  });
})();
