// Keeps a refreshed part (htmx, #live) calm: what is unfolded stays unfolded, and nothing moves under a person's hands.

const busy = () => document.hidden || document.querySelector("#live .au-menu[open], #live :focus-within:is(input, textarea, select)");
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
