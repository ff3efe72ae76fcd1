// Beside a kind's drop-down: what its settings are, and a first draft of them where there is none yet.

const kinds = JSON.parse(document.getElementById("au-kinds")?.textContent || "{}");

function explain(select, write) {
  const kind = kinds[select.value];
  const editor = document.getElementById(select.id.replace(/kind$/, "config"));
  if (!editor) return;
  let list = editor.parentElement.querySelector(".au-settings");
  if (!list) {
    list = document.createElement("dl");
    list.className = "au-settings";
    editor.after(list);
  }
  list.replaceChildren();
  for (const setting of kind?.settings ?? []) {
    const name = document.createElement("dt");
    name.textContent = setting.name + (setting.required ? " *" : "");
    const meaning = document.createElement("dd");
    meaning.textContent = setting.meaning;
    list.append(name, meaning);
  }
  if (write && kind && !editor.value.trim()) editor.value = kind.draft;
}

document.addEventListener("change", (event) => {
  if (event.target.matches("select.au-kind")) explain(event.target, true);
});
document.querySelectorAll("select.au-kind").forEach((select) => explain(select, false));
