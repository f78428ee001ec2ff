// Light or dark, before the first paint: a classic script, so that no frame shows the other one.
// The choice is the system's until somebody makes one here.
"use strict";
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden: then the system decides.
}
