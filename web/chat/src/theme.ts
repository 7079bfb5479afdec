// Light, dark, or as the system says.

import { remember, remembered } from "./store";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export function theme(): Theme {
  const kept = remembered("theme");
  return THEMES.find((one) => one === kept) ?? "auto";
}

export function applyTheme(chosen: Theme = theme()): void {
  remember("theme", chosen);
  if (chosen === "auto") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
}
