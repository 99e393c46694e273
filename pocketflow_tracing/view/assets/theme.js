// Dark or light: as the reader's system is, until the reader chooses otherwise.

import { button, icon } from "./dom.js";
import { recall, remember } from "./memory.js";

/** A button that turns dark into light and back; applies what was chosen before. */
export function themeSwitch() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = recall("theme");
  const made = button("Dark or light (t)", () => {
    chosen = isDark() ? "light" : "dark";
    remember("theme", chosen);
    apply();
  }, { class: "quiet theme-switch", "data-key": "t" }, icon("dark"));
  const isDark = () => (chosen ? chosen === "dark" : dark.matches);
  const apply = () => {
    if (chosen) document.documentElement.dataset.theme = chosen;
    made.replaceChildren(icon(isDark() ? "light" : "dark"));
  };
  dark.addEventListener("change", apply);
  apply();
  return made;
}
