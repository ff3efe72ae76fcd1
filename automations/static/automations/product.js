// What the product's own pages do in the browser; all of them work without it.

// Menus: one open at a time, closed by a click elsewhere or by Escape.
const menus = () => document.querySelectorAll(".au-menu[open]");
document.addEventListener("click", (event) => {
  for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// On a narrow screen the current tab may lie outside the bar.
const tab = document.querySelector('.au-tab[aria-current="page"]');
if (tab) tab.parentElement.scrollLeft = tab.offsetLeft - tab.parentElement.offsetLeft - 24;

// A refreshed part (htmx, #live): what is unfolded stays unfolded, and nothing moves under a person's hands.
const busy = () =>
  document.hidden || document.querySelector("#live .au-menu[open], #live :focus-within:is(input, textarea, select)");
let unfolded = [];

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "live" && busy()) event.preventDefault();
});
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.target.id !== "live") return;
  if (busy()) event.detail.shouldSwap = false;
  unfolded = [...document.querySelectorAll("#live details[id]")].map((details) => [details.id, details.open]);
});
document.addEventListener("htmx:afterSettle", () => {
  for (const [id, open] of unfolded) document.getElementById(id)?.toggleAttribute("open", open);
  unfolded = [];
});
