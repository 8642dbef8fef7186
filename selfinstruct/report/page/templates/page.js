"use strict";
// The button for light and dark colors. Until it is used, the setting of the system applies.
{
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const dark = () => getComputedStyle(root).colorScheme === "dark"
    || (root.dataset.theme === undefined && matchMedia("(prefers-color-scheme: dark)").matches);
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; name(); });
  button.hidden = false;
  name();
}
